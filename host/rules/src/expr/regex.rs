//! Patterns in label matchers: read apart from the query they stand in.

use std::ops::Range;

use regex_syntax::ast::{self, parse::Parser};

use super::Problem;
use super::tokens::{Kind, Token};
use crate::template::unescape;

/// Patterns that match nothing in particular; the query's own rules ask for them, so they are left in.
const EMPTY_ONES: [&str; 3] = ["", ".*", ".+"];

/// The query with harmless patterns of the same length, and what is wrong with the ones it had.
pub(super) fn set_aside(query: &str, tokens: &[Token]) -> (String, Vec<Problem>) {
    let mut harmless = query.to_owned();
    let mut problems = Vec::new();
    for pair in tokens.windows(2) {
        let [sign, text] = pair else { continue };
        let is_match = matches!(query.get(sign.bytes.clone()), Some("=~" | "!~"));
        if !is_match || text.kind != (Kind::Text { closed: true }) {
            continue;
        }
        let inside = text.bytes.start + 1..text.bytes.end - 1;
        let written = query.get(inside.clone()).unwrap_or_default();
        if EMPTY_ONES.contains(&written) {
            continue;
        }
        problems.extend(problem(query, written, &inside));
        harmless.replace_range(inside.clone(), &"x".repeat(inside.len()));
    }
    (harmless, problems)
}

fn problem(query: &str, written: &str, inside: &Range<usize>) -> Option<Problem> {
    let quote = query.get(inside.start - 1..inside.start).and_then(|quote| quote.chars().next());
    let pattern = match quote {
        Some('`') | None => written.to_owned(),
        Some(quote) => match unescape(written, quote) {
            Ok(pattern) => pattern,
            Err(at) => {
                let message = "unknown escape in this text";
                let help = "a backslash of a pattern is written twice: `\\\\.`".to_owned();
                let start = inside.start + at;
                return Some(Problem::certain(start..start + 2, message).with_help(Some(help)));
            }
        },
    };
    let error = Parser::new().parse(&pattern).err()?;
    // Escapes move places inside a text; then the whole pattern is pointed at.
    let bytes = if pattern == written { place(&pattern, error.span(), inside.start) } else { inside.clone() };
    let message = format!("`{pattern}` is no pattern: {}", error.kind());
    Some(if is_wrong_everywhere(error.kind()) {
        Problem::certain(bytes, message)
    } else {
        Problem::unsure(bytes, message)
    })
}

/// Where the pattern goes wrong; an empty place covers the character that follows.
fn place(pattern: &str, span: &ast::Span, start: usize) -> Range<usize> {
    let (from, to) = (span.start.offset, span.end.offset);
    let next = pattern.get(from..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    start + from..start + to.max(from + next)
}

/// Whether Prometheus' engine refuses it too; the two differ in what they take in character classes and escapes.
fn is_wrong_everywhere(kind: &ast::ErrorKind) -> bool {
    matches!(
        kind,
        ast::ErrorKind::GroupUnclosed
            | ast::ErrorKind::GroupUnopened
            | ast::ErrorKind::RepetitionMissing
            | ast::ErrorKind::UnsupportedLookAround
            | ast::ErrorKind::UnsupportedBackreference
    )
}
