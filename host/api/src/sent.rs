//! What a person or a program sends as JSON: who it is, whether it may, and whether it means it.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::access::Asker;
use crate::body;
use crate::desk::Desk;
use crate::problem::Problem;
use crate::token::Role;

/// What is not there is left out: `null` is no text.
pub(crate) fn there<'de, D: Deserializer<'de>>(text: D) -> Result<Option<String>, D::Error> {
    String::deserialize(text).map(Some)
}

/// Who sends, where a token says so, and what, of so many bytes at most. `purpose` is what it is sent for: `to mark an incident`.
pub(crate) async fn sent<T: DeserializeOwned>(
    desk: &Desk,
    request: Request,
    purpose: &str,
    most: usize,
) -> Result<(Option<String>, T), Problem> {
    let (head, body) = request.into_parts();
    let bearer = head.extensions.get::<Asker>().and_then(|asker| asker.0.clone());
    if bearer.as_ref().is_some_and(|bearer| bearer.role < Role::Operator) {
        let what = format!("a token of the role `operator` or `admin` is needed {purpose}: this one may read");
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    is_meant(&head.headers)?;
    let body = body::read(&head.headers, body, most, &desk.room).await?;
    let said = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")))?;
    Ok((bearer.map(|bearer| bearer.subject), said))
}

/// Who it is: whom the token names. A name that is sent beside it has to be the same, because whoever sends another one takes it for what
/// counts; where no token says who, it is all there is.
pub(crate) fn who(bearer: Option<String>, named: Option<String>) -> Result<String, Problem> {
    let bad = |why: String| Err(Problem::new(StatusCode::BAD_REQUEST, why));
    match (bearer, named) {
        (Some(subject), Some(named)) if subject != named => bad(format!(
            "`by` says `{}`, and the token is of `{subject}`: the token says who it is, leave `by` out",
            named.escape_debug()
        )),
        (Some(subject), _) => Ok(subject),
        (None, Some(named)) => Ok(named),
        (None, None) => bad("`by` is missing: who it is, where no token says so".to_owned()),
    }
}

/// A page of others can have a browser of this machine send something here. It cannot send JSON without being allowed to, which nobody
/// here does; and what a browser sends says whose page it was.
pub(crate) fn is_meant(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind).trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let what = "this is sent as JSON: `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    match origin.is_none_or(|origin| Some(origin) == text(header::HOST)) {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "this was sent by a web page of others")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&'static str, &'static str)]) -> Result<(), u16> {
        use axum::response::IntoResponse;
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        is_meant(&headers).map_err(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn the_token_says_who_it_is_and_a_name_beside_it_is_the_same_or_refused() {
        let said = |bearer: Option<&str>, named: Option<&str>| {
            who(bearer.map(str::to_owned), named.map(str::to_owned)).map_err(|problem| problem.to_string())
        };
        assert_eq!(said(Some("ada"), None), Ok("ada".to_owned()));
        assert_eq!(said(Some("ada"), Some("ada")), Ok("ada".to_owned()));
        assert_eq!(said(None, Some("bob")), Ok("bob".to_owned()));
        let other = said(Some("ada"), Some("bo\nb")).unwrap_err();
        assert!(other.contains("`bo\\nb`, and the token is of `ada`"), "{other}");
        assert!(said(None, None).unwrap_err().contains("`by` is missing"));
    }

    #[test]
    fn what_a_page_of_others_sends_is_refused() {
        let json = ("content-type", "application/json");
        let host = ("host", "127.0.0.1:9600");
        assert_eq!(with(&[json, host]), Ok(()));
        assert_eq!(with(&[("content-type", "Application/JSON; charset=utf-8"), host]), Ok(()));
        assert_eq!(with(&[json, host, ("origin", "http://127.0.0.1:9600")]), Ok(()));
        for origin in ["https://evil.example", "http://127.0.0.1:9601", "null", ""] {
            assert_eq!(with(&[json, host, ("origin", origin)]), Err(403), "{origin}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
            assert_eq!(with(&[("content-type", kind), host]), Err(415), "{kind}");
        }
        assert_eq!(with(&[host]), Err(415));
    }
}
