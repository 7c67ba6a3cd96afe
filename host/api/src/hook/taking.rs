//! `POST /hooks/NAME`: who it is, what it is, and what became of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orion_model::{Delivery, HookKind, Taken};
use serde_json::json;

use super::secret::{Shown, shown};
use super::{NotTaken, Open};
use crate::access::Refused;
use crate::body;
use crate::desk::Desk;
use crate::problem::Problem;
use crate::serve::refuse;

/// When who could not be heard may come again.
const AGAIN_SECONDS: u64 = 5;

/// Bytes of a delivery: a thousand alerts of a kilobyte.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Headers of a CloudEvent begin so.
const ATTRIBUTES: &str = "ce-";

/// Who is on the other end of the connection.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Takes a delivery.
pub(crate) async fn take(
    State(desk): State<Arc<Desk>>,
    Extension(Peer(peer)): Extension<Peer>,
    name: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    let Some(open) = name.and_then(|Path(name)| desk.hooks.get(&name)) else {
        return desk.guard.no_such_hook().into_response();
    };
    open.meters.received.increase();
    let began = Instant::now();
    match take_at(&desk, open, peer, request).await {
        Ok(taken) => {
            open.meters.took.observe(began.elapsed());
            open.meters.recorded.add(taken.recorded as u64);
            open.meters.known.add(taken.known as u64);
            open.meters.put_aside.add(taken.put_aside as u64);
            answer(&taken)
        }
        Err(refused) => {
            let answer = refuse(&desk, refused).await;
            open.meters.refuse(answer.status());
            answer
        }
    }
}

/// What is delivered is not read.
pub(crate) async fn only_delivered() -> Response {
    let what = "a hook is for deliveries, which come with POST";
    let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, what).into_response();
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    answer
}

fn answer(taken: &Taken) -> Response {
    let mut told = json!({ "recorded": taken.recorded, "known": taken.known, "put_aside": taken.put_aside });
    if let (Some(members), Some(reason)) = (told.as_object_mut(), &taken.reason) {
        members.insert("reason".to_owned(), reason.clone().into());
    }
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], told.to_string()).into_response()
}

async fn take_at(desk: &Desk, open: &Open, peer: SocketAddr, request: Request<Body>) -> Result<Taken, Refused> {
    let (head, content) = request.into_parts();
    let hook = &open.hook;
    let signed = match &hook.secret {
        None => desk.guard.on_this_machine(&head.headers).map(|()| None)?,
        Some(secret) => match shown(secret, &head.headers, hook.kind == HookKind::Generic, desk.guard.now()) {
            Shown::Known => None,
            Shown::Signed(signed) => Some((secret, signed)),
            Shown::Nothing => return Err(no_secret(hook.kind).into()),
            Shown::Wrong(why) => return Err(desk.guard.failed_at_hook(peer, why)),
        },
    };
    let content_type = content_type(hook.kind, &head.headers)?;
    let body = body::read(&head.headers, content, MAX_BODY_BYTES, &desk.room).await?;
    let signature = match signed {
        None => None,
        Some((secret, signed)) => match secret.signature(&signed, &body) {
            None => return Err(desk.guard.failed_at_hook(peer, "the signature does not hold")),
            holds => holds,
        },
    };
    let attributes = attributes_of(&head.headers);
    let delivery = Delivery { hook: hook.name.clone(), content_type, attributes, signature, body };
    let host = desk.host_or_problem().map_err(|problem| problem.retry_after(Duration::from_secs(AGAIN_SECONDS)))?;
    let taken = host.take(delivery).await;
    taken.map_err(|why| problem_of(why).into())
}

fn no_secret(kind: HookKind) -> Problem {
    let what = match kind {
        HookKind::Generic => "deliveries to this hook are signed: `X-Signature: t=SECONDS,v1=HEX`",
        _ => "this hook has a secret: `Authorization: Bearer …`, the password of `Basic`, or `X-Signature`",
    };
    Problem::new(StatusCode::UNAUTHORIZED, what)
}

/// What is delivered, in small letters and without parameters. It is JSON, and is called so: a form of a web page cannot say that.
fn content_type(kind: HookKind, headers: &HeaderMap) -> Result<String, Problem> {
    let wrong = |what: &str| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
    let is_packed = |encoding: &HeaderValue| !encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(header::CONTENT_ENCODING).is_some_and(is_packed) {
        return Err(wrong("bodies are taken as they are, without `Content-Encoding`"));
    }
    let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = said == "application/json" || (said.starts_with("application/") && said.ends_with("+json"));
    // An event in the headers may have no data, and then there is nothing to be called anything.
    let is_bare = kind == HookKind::CloudEvents && said.is_empty() && headers.contains_key("ce-specversion");
    match is_json || is_bare {
        true => Ok(said),
        false => Err(wrong("what is delivered is JSON, and has to be called so: `Content-Type: application/json`")),
    }
}

fn attributes_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let attribute = |(name, value): (&header::HeaderName, &HeaderValue)| {
        Some((name.as_str().strip_prefix(ATTRIBUTES)?.to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(attribute).collect()
}

fn problem_of(why: NotTaken) -> Problem {
    match why {
        NotTaken::Malformed(what) => Problem::new(StatusCode::BAD_REQUEST, what),
        NotTaken::TooLarge(what) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what),
        NotTaken::NoEvent(what) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what),
        NotTaken::Replayed(what) => Problem::new(StatusCode::CONFLICT, what),
        NotTaken::NotNow(what) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, what).retry_after(Duration::from_secs(AGAIN_SECONDS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: HookKind, headers: &[(&'static str, &str)]) -> Result<String, StatusCode> {
        let header =
            |(name, value): &(&'static str, &str)| (header::HeaderName::from_static(name), value.parse().unwrap());
        content_type(kind, &headers.iter().map(header).collect()).map_err(|problem| problem.status())
    }

    #[test]
    fn what_is_delivered_is_called_json() {
        let json = |said| of(HookKind::Generic, &[("content-type", said)]);
        assert_eq!(json("Application/JSON; charset=utf-8").as_deref(), Ok("application/json"));
        assert_eq!(json("application/cloudevents+json").as_deref(), Ok("application/cloudevents+json"));
        for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"]
        {
            assert_eq!(json(form), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{form}");
        }
        let packed = of(HookKind::Generic, &[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert_eq!(packed, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(of(HookKind::CloudEvents, &[("ce-specversion", "1.0")]).as_deref(), Ok(""));
        assert_eq!(of(HookKind::Grafana, &[("ce-specversion", "1.0")]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
}
