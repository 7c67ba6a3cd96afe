//! A scalar of YAML: how it was written, and what it means by the core schema.

use saphyr_parser::ScalarStyle;

/// A scalar as it was written.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// Its text, without quotes.
    pub text: String,
    pub(crate) style: ScalarStyle,
    /// A tag says that it is text, whatever it looks like.
    is_text: bool,
}

/// What a scalar means by the core schema of YAML 1.2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl Scalar {
    pub(crate) const fn new(text: String, style: ScalarStyle, is_text: bool) -> Self {
        Self { text, style, is_text }
    }

    /// Whether it was written without quotes.
    pub fn is_plain(&self) -> bool {
        self.style == ScalarStyle::Plain
    }

    /// What the scalar means: quoted is text, plain goes by its looks.
    pub(crate) fn meaning(&self) -> Meaning {
        if self.is_text || !self.is_plain() {
            return Meaning::Text(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" | "True" | "TRUE" => Meaning::Flag(true),
            "false" | "False" | "FALSE" => Meaning::Flag(false),
            text => integer(text)
                .map(Meaning::Integer)
                .or_else(|| number(text).map(Meaning::Number))
                .unwrap_or_else(|| Meaning::Text(text.to_owned())),
        }
    }
}

fn integer(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok();
    }
    text.parse().ok()
}

fn number(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" => {
            return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    // Rust also reads `inf` and `nan`, which YAML does not.
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')).then_some(())?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Value, parse};

    fn meaning(text: &str) -> Meaning {
        match &parse(text).0[0].value {
            Value::Scalar(scalar) => scalar.meaning(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        assert_eq!(meaning("~"), Meaning::Null);
        assert_eq!(meaning("true"), Meaning::Flag(true));
        assert_eq!(meaning("yes"), Meaning::Text("yes".into()));
        assert_eq!(meaning("-7"), Meaning::Integer(-7));
        assert_eq!(meaning("0x1f"), Meaning::Integer(31));
        assert_eq!(meaning("0o17"), Meaning::Integer(15));
        assert_eq!(meaning("1e3"), Meaning::Number(1000.0));
        assert_eq!(meaning("-.inf"), Meaning::Number(f64::NEG_INFINITY));
        assert_eq!(meaning("inf"), Meaning::Text("inf".into()));
        assert_eq!(meaning("'7'"), Meaning::Text("7".into()));
        assert_eq!(meaning("!!str 7"), Meaning::Text("7".into()));
    }
}
