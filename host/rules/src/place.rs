//! From a byte of a scalar's value back to the byte of the file it was written at.
//!
//! YAML folds lines, drops indentation and replaces escapes, so an offset into a query says little by itself. The
//! value is walked along its own source text: what the two have in common moves both, what YAML took away is skipped.

use saphyr_parser::ScalarStyle;

use crate::keys::Text;
use crate::source::Source;

/// The byte of the file at which byte `offset` of the text's value was written; the start of the scalar where the two
/// cannot be brought together.
pub(crate) fn byte_of(source: &Source<'_>, text: Text<'_>, offset: usize) -> usize {
    let bytes = text.bytes();
    let raw = source.slice(bytes);
    let skipped = content_start(raw, text.scalar.style);
    let value = text.as_str();
    let Some(before) = value.get(..offset) else { return bytes.start };
    let mut walk = Walk { raw, at: skipped, escapes: text.scalar.style == ScalarStyle::DoubleQuoted };
    for c in before.chars() {
        if !walk.past(c) {
            return bytes.start;
        }
    }
    // The byte wanted is that of the next character, not the indentation or the escape sign before it.
    if let Some(next) = value.get(offset..).and_then(|rest| rest.chars().next()) {
        walk.to(next);
    }
    bytes.start + walk.at
}

/// Past the anchor, the tag and the opening quote.
fn content_start(raw: &str, style: ScalarStyle) -> usize {
    let mut at = 0;
    loop {
        let rest = raw.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if !rest.starts_with(['&', '!']) || matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            break;
        }
        at += rest.find(char::is_whitespace).unwrap_or(rest.len());
    }
    let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
    at + usize::from(quoted)
}

struct Walk<'r> {
    raw: &'r str,
    at: usize,
    escapes: bool,
}

impl Walk<'_> {
    fn rest(&self) -> &str {
        self.raw.get(self.at..).unwrap_or_default()
    }

    /// Moves to where `c` is written, if it is near.
    fn to(&mut self, c: char) -> bool {
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else { return false };
            if next == c || (c.is_whitespace() && (next.is_whitespace() || self.is_written_escaped(c))) {
                return true;
            }
            // Indentation, the sign of an escape, and the first of two single quotes are written and not meant.
            if !(next.is_whitespace() || next == '\\' || next == '\'') {
                return false;
            }
            self.at += next.len_utf8();
        }
    }

    /// Moves behind `c`.
    fn past(&mut self, c: char) -> bool {
        if !self.to(c) {
            return false;
        }
        if c.is_whitespace() && self.is_written_escaped(c) {
            self.at += 2;
        } else if c == '\n' {
            // A break in the value is a break in the file, perhaps with trailing blanks before it.
            self.at += self.rest().find('\n').map_or(0, |at| at + 1);
        } else {
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
        true
    }

    fn is_written_escaped(&self, c: char) -> bool {
        let written = match c {
            '\n' => "\\n",
            '\t' => "\\t",
            '\r' => "\\r",
            _ => return false,
        };
        self.escapes && self.rest().starts_with(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{self, Value};
    use proptest::prelude::*;

    /// For each character of the value that is no white space: the character at the place found for it.
    fn check(text: &str) {
        let (documents, error) = tree::parse(text);
        assert_eq!(error, None, "{text}");
        let Value::Map(pairs) = &documents[0].value else { panic!("{text}") };
        let node = &pairs[0].1;
        let Value::Scalar(scalar) = &node.value else { panic!("{text}") };
        let source = Source::new(text);
        for (offset, c) in scalar.text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            let byte = byte_of(&source, Text { node, scalar }, offset);
            assert_eq!(text[byte..].chars().next(), Some(c), "{offset} of {text}");
        }
    }

    #[test]
    fn every_style_leads_back_to_what_was_written() {
        for text in [
            "a: sum(ü) by (b)\n",
            "a: &x !!str sum(x)\n",
            "a: 'it''s > 5'\n",
            "a: \"x{a=\\\"b\\\",\\n c=\\\"d\\\"}\"\n",
            "a: |-\n  sum(\n      rate(x[5m])\n  )\n\n  > 5\n",
            "a: >\n  sum(\n  rate(x[5m])\n  )\n\n  > 5\nb: 1\n",
            "a: plain\n  on two\n  lines\n",
        ] {
            check(text);
        }
    }

    proptest! {
        #[test]
        fn literal_blocks_lead_back_exactly(lines in proptest::collection::vec("[a-z(){}=>5ü]( ?[a-z(){}=>5ü]){0,9}", 1..6)) {
            check(&format!("a: |\n  {}\n", lines.join("\n  ")));
            check(&format!("a: >-\n  {}\n", lines.join("\n  ")));
        }

        #[test]
        fn no_text_and_offset_break_the_walk(text in ".{0,40}", offset in 0_usize..60) {
            let (documents, _) = tree::parse(&text);
            let source = Source::new(&text);
            for node in &documents {
                if let Value::Scalar(scalar) = &node.value {
                    let byte = byte_of(&source, Text { node, scalar }, offset);
                    prop_assert!(byte <= text.len());
                }
            }
        }
    }
}
