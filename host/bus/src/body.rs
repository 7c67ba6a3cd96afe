//! The text of a record: a JSON object on one line.
//!
//! The audit trail is one object a line: a body with a line break, or that is no object, would break it for every reader. So there is no
//! other body. Who writes a value down need not have it read again, which takes longer than to append it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;
use serde::de::IgnoredAny;
use serde::ser::Error as _;

/// A JSON object on one line.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(String);

/// A text that is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object on one line")]
pub struct NoBody;

impl Body {
    /// What a value is written as. An error where it is no object.
    pub fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        let text = serde_json::to_string(value)?;
        match is_framed(&text) {
            true => Ok(Self(text)),
            false => Err(serde_json::Error::custom(NoBody)),
        }
    }

    /// Reads a text that was written elsewhere.
    pub fn parse(text: impl Into<String>) -> Result<Self, NoBody> {
        let text = text.into();
        match is_framed(&text) && serde_json::from_str::<IgnoredAny>(&text).is_ok() {
            true => Ok(Self(text)),
            false => Err(NoBody),
        }
    }

    /// The text of a record that was on a bus.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Whether it looks like an object, and is one line. A value may hold JSON that somebody else wrote, with line breaks.
fn is_framed(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}') && memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none()
}

impl Deref for Body {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Body> for Arc<str> {
    fn from(body: Body) -> Self {
        body.0.into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn what_is_no_object_on_one_line_is_no_body() {
        for text in ["", "7", "[]", "{", "{}}", " {}", "{} ", "{\n}", "{\"a\":\r1}", "{\"a\":1,}", "{}{}"] {
            assert_eq!(Body::parse(text), Err(NoBody), "{text:?}");
        }
        for text in ["{}", r#"{"a":"\n"}"#, "{ }"] {
            assert_eq!(Body::parse(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_value_that_is_no_object_on_one_line_has_none() {
        assert_eq!(&*Body::of(&json!({ "a": "\n" })).unwrap(), r#"{"a":"\n"}"#);
        for value in [json!(7), json!([{}]), json!("{}"), json!(null)] {
            assert!(Body::of(&value).is_err(), "{value}");
        }
        let of_somebody = RawValue::from_string("{\"a\":\n1}".to_owned()).unwrap();
        assert!(Body::of(&of_somebody).is_err());
    }
}
