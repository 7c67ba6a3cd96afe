//! An answer in JSON. It carries a tag of what it says, so that who asks again and again is told in a few bytes that nothing has
//! changed.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::problem::Problem;

/// The longest answer. A page ends before it; what is longer alone is not told.
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Digits of a tag: of a hash, enough that no two answers of one path share one.
const TAG_DIGITS: usize = 32;

/// A text that is JSON.
pub(crate) struct Document(String);

impl Document {
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, Problem> {
        match serde_json::to_string(value) {
            Ok(text) if text.len() <= MAX_BYTES => Ok(Self(text)),
            Ok(text) => {
                let what =
                    format!("the answer has {} bytes, and {MAX_BYTES} are given at most: ask for less", text.len());
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, what))
            }
            Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
        }
    }

    pub(crate) fn written(text: String) -> Self {
        Self(text)
    }
}

/// The tag, for the one who puts it into the head or finds that the asker has the same.
#[derive(Clone)]
struct Tag(HeaderValue);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let tag = tag_of(self.0.as_bytes());
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // May be kept, and has to be asked for again.
        let keep = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        tagged(([kind, keep], self.0).into_response(), tag)
    }
}

/// The tag of what is told.
pub(crate) fn tag_of(told: &[u8]) -> Option<HeaderValue> {
    let hash = blake3::hash(told).to_hex();
    HeaderValue::from_str(&format!("\"{}\"", hash.get(..TAG_DIGITS)?)).ok()
}

/// An answer that need not be told again to who has it.
pub(crate) fn tagged(mut response: Response, tag: Option<HeaderValue>) -> Response {
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag.clone());
        response.extensions_mut().insert(Tag(tag));
    }
    response
}

/// Answers in no more than the head when the asker has what would be told.
pub(crate) async fn unless_known(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let Some(Tag(tag)) = response.extensions().get::<Tag>().cloned() else { return response };
    if !known.is_some_and(|known| has(&known, &tag)) {
        return response;
    }
    let headers =
        HeaderMap::from_iter([(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))]);
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// Whether a list of tags has this one. A proxy may have marked it as weak.
fn has(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_when_it_is_in_the_list() {
        let header = |text: &'static str| HeaderValue::from_static(text);
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(has(&header(known), &header("\"a\"")), "{known}");
        }
        for known in ["\"b\"", "a", ""] {
            assert!(!has(&header(known), &header("\"a\"")), "{known}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_told() {
        assert!(Document::of(&"x".repeat(MAX_BYTES - 2)).is_ok());
        assert!(Document::of(&"x".repeat(MAX_BYTES - 1)).is_err());
    }
}
