//! Labels as one text, `{instance="a", job="b"}`: how a person reads them, and how a group of events is called.

use std::fmt::{self, Write as _};

use crate::labels::{Labels, LabelsBuilder};

const OPEN: char = '{';
const CLOSE: char = '}';
const COMMA: &str = ", ";

/// Writes labels that come in order of their names. One without a value is no label and is left out.
pub fn write_labels<N: AsRef<str>, V: AsRef<str>>(out: &mut String, labels: impl IntoIterator<Item = (N, V)>) {
    out.push(OPEN);
    let mut comma = "";
    for (name, value) in labels {
        let (name, value) = (name.as_ref(), value.as_ref());
        if value.is_empty() {
            continue;
        }
        out.push_str(comma);
        comma = COMMA;
        out.push_str(name);
        out.push('=');
        write_value(out, value);
    }
    out.push(CLOSE);
}

fn write_value(out: &mut String, value: &str) {
    // Most values need no escape, and looking at every character for one is most of what a key costs.
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(value);
        out.push('"');
    } else {
        // Writing to a text cannot fail.
        let _ = write!(out, "{value:?}");
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_labels(&mut text, self.iter());
        f.write_str(&text)
    }
}

/// The labels that a text is about; `None` when it is no text of labels.
pub fn read_labels(text: &str) -> Option<Labels> {
    let mut rest = text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    let mut labels = LabelsBuilder::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = read_value(after)?;
        labels.set(name, value);
        rest = match after.strip_prefix(COMMA) {
            Some("") => return None,
            Some(further) => further,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(labels.build())
}

/// The value up to its closing quote, and what follows.
fn read_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                '0' => value.push('\0'),
                'u' => value.push(read_code(&mut characters)?),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// `{1f}` of an escape.
fn read_code(characters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    if characters.next()?.1 != '{' {
        return None;
    }
    let mut code = 0_u32;
    loop {
        match characters.next()?.1 {
            '}' => return char::from_u32(code),
            digit => code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_text_of_labels_is_not_read_as_one() {
        for text in
            ["", "{", "a", "cause a=\"b\"", "{a}", "{a=\"b}", "{a=\"b\", }", "{a=\"b\"c=\"d\"}", r#"{a="\u{110000}"}"#]
        {
            assert_eq!(read_labels(text), None, "{text}");
        }
        assert_eq!(read_labels("{}"), Some(Labels::empty()));
    }

    proptest! {
        #[test]
        fn labels_read_as_they_were_written(pairs in proptest::collection::vec(("[a-c]{1,2}", "\\PC{0,3}|[\"\\\\\n\t\u{7f}é]{0,4}"), 0..5)) {
            let labels: Labels = pairs.into_iter().collect();
            prop_assert_eq!(read_labels(&labels.to_string()), Some(labels.clone()));
            let mut as_before = String::from("{");
            for (index, (name, value)) in labels.iter().enumerate() {
                as_before += &format!("{}{name}={value:?}", if index == 0 { "" } else { ", " });
            }
            prop_assert_eq!(labels.to_string(), as_before + "}");
        }

        #[test]
        fn no_text_brings_the_reader_down(text in "\\PC*|[{}=\",\\\\u0-9a-f ]{0,30}") {
            let _ = read_labels(&text);
        }
    }
}
