//! `OPTIONS /hooks/NAME`: a broker asks whether deliveries of CloudEvents are welcome, as their specification of web hooks has it under
//! abuse protection.
//!
//! It says who it is and is believed: whether somebody may deliver is for the secret of the hook to say, and is asked with each delivery.
//! The answer is all there is. Who wants it in a call of its own (`WebHook-Request-Callback`) is not called: Orion calls nobody.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orion_model::HookKind;

use super::taking::Peer;
use super::{Hook, Open};
use crate::clients::requests_a_minute;
use crate::desk::Desk;
use crate::problem::Problem;
use crate::serve::refuse;

/// Of all origins.
const ANY_ORIGIN: &str = "*";

const REQUEST_ORIGIN: &str = "webhook-request-origin";
const REQUEST_RATE: &str = "webhook-request-rate";
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// Says whether deliveries are welcome.
pub(crate) async fn shake(
    State(desk): State<Arc<Desk>>,
    Extension(Peer(peer)): Extension<Peer>,
    name: Option<Path<String>>,
    headers: HeaderMap,
) -> Response {
    let open = name.and_then(|Path(name)| desk.hooks.get(&name));
    let Some((Open { hook, .. }, origin)) = open.and_then(|open| Some((open, allowed(&open.hook, &headers)?))) else {
        return not_welcome();
    };
    if hook.secret.is_none()
        && let Err(refused) = desk.guard.on_this_machine(&headers)
    {
        return refuse(&desk, refused).await;
    }
    let rate = HeaderValue::from(rate(&headers, peer.ip()));
    let said = [
        (header::ALLOW, HeaderValue::from_static("POST")),
        (header::HeaderName::from_static(ALLOWED_ORIGIN), origin),
        (header::HeaderName::from_static(ALLOWED_RATE), rate),
    ];
    (StatusCode::OK, said).into_response()
}

/// The same for all, whether there is such a hook or not: who has to know a secret is not told which there are.
fn not_welcome() -> Response {
    let what = "no deliveries of this `WebHook-Request-Origin` are welcome here: a hook of the kind `cloudevents` names who may deliver \
                under `origins`";
    let mut answer = Problem::new(StatusCode::FORBIDDEN, what).into_response();
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    answer
}

/// What the answer names as allowed, if who asks is: what it calls itself, or all there are.
fn allowed(hook: &Hook, headers: &HeaderMap) -> Option<HeaderValue> {
    let said = headers.get(REQUEST_ORIGIN)?;
    let origin = said.to_str().ok().filter(|origin| !origin.is_empty() && *origin != ANY_ORIGIN)?;
    if hook.kind != HookKind::CloudEvents {
        return None;
    }
    if hook.origins.iter().any(|it| it == ANY_ORIGIN) {
        return Some(HeaderValue::from_static(ANY_ORIGIN));
    }
    hook.origins.iter().any(|it| it.eq_ignore_ascii_case(origin)).then(|| said.clone())
}

/// Deliveries a minute: as many as are asked for, up to what any client may ask.
fn rate(headers: &HeaderMap, client: IpAddr) -> u32 {
    let most = requests_a_minute(client);
    let asked = headers.get(REQUEST_RATE).and_then(|said| said.to_str().ok()?.parse().ok());
    asked.filter(|asked| *asked > 0).map_or(most, |asked: u32| asked.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_deliveries_are_allowed_as_are_asked_for_up_to_what_a_client_may_ask() {
        let said = |asked: &str, client: [u8; 4]| {
            let headers =
                HeaderMap::from_iter([(header::HeaderName::from_static(REQUEST_RATE), asked.parse().unwrap())]);
            rate(&headers, client.into())
        };
        let (here, elsewhere) = ([127, 0, 0, 1], [192, 0, 2, 1]);
        assert_eq!(rate(&HeaderMap::new(), elsewhere.into()), 3_000);
        for (asked, allowed) in
            [("1", 1), ("3000", 3_000), ("3001", 3_000), ("0", 3_000), ("-1", 3_000), ("9e9", 3_000)]
        {
            assert_eq!(said(asked, elsewhere), allowed, "{asked}");
        }
        assert_eq!((said("300000", here), said("300001", here)), (300_000, 300_000));
    }
}
