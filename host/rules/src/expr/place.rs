//! Where a query goes wrong, asked of a parser that only says yes or no.
//!
//! For a mistake of grammar, the first word after which no continuation helps is the one to point at. Beginnings of the
//! query are tried with continuations that make a query of any sound beginning; soundness only ever ends once, so the
//! place is found by halving. For a mistake of meaning (a function given the wrong thing), the smallest part that
//! alone draws the same complaint is the one to point at.

use std::ops::Range;

use promql_parser::parser;

use super::tokens::{Brackets, Token};

/// The parser's answer to most mistakes of grammar.
pub(super) const NO_QUERY: &str = "invalid promql query";

/// Work on one file: how much of its queries is checked, and how much of that is done again to find places. Both are
/// far above what files of thousands of rules need, and keep the worst file to some seconds.
#[derive(Debug)]
pub(crate) struct Effort {
    check: usize,
    search: usize,
    is_told: bool,
}

/// The parser's time grows with the square of the number of tokens: a hundred million is about a second.
const MAX_CHECK_TOKENS_SQUARED: usize = 300_000_000;

/// Bytes parsed again, where those of long texts count more, for the same reason: about a second. A file with more
/// mistakes than that has its further ones shown by the whole query.
const MAX_SEARCH_BYTES: usize = 1024 * 1024;

impl Default for Effort {
    fn default() -> Self {
        Self { check: MAX_CHECK_TOKENS_SQUARED, search: MAX_SEARCH_BYTES, is_told: false }
    }
}

impl Effort {
    /// Whether a query of so many tokens may still be checked.
    pub(super) fn may_check(&mut self, tokens: usize) -> bool {
        match self.check.checked_sub(tokens * tokens) {
            Some(left) => {
                self.check = left;
                true
            }
            None => false,
        }
    }

    /// Whether nobody was told yet that something is left out.
    pub(super) fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }

    /// What the parser says of a text: nothing when it is right. `None` when there is no work left.
    fn parse(&mut self, text: &str) -> Option<Result<(), String>> {
        // Also a short text costs something.
        let cost = 32 + text.len() + text.len() * text.len() / 512;
        self.search = self.search.checked_sub(cost)?;
        Some(parser::parse(text).map(drop))
    }
}

/// Whether a complaint is about grammar. Everything else is said of a query that is grammatical.
pub(super) fn is_syntax(message: &str) -> bool {
    message == NO_QUERY
        || ["unexpected character", "unexpected end", "bad number", "unknown escape", "unexpected second colon"]
            .iter()
            .any(|start| message.starts_with(start))
        || ["'!' can not be", "escape sequence", "no expression found", "expect duration"]
            .iter()
            .any(|start| message.starts_with(start))
}

/// The bytes to point at; the whole query when the place cannot be found.
pub(super) fn find(query: &str, tokens: &[Token], message: &str, effort: &mut Effort) -> Range<usize> {
    let whole = 0..query.trim_end().len();
    let found = if is_syntax(message) {
        first_unsound(query, tokens, effort)
    } else {
        smallest_part(query, tokens, message, effort)
    };
    found.unwrap_or(whole)
}

/// The first token after which nothing helps; the end of the query when all of it is a sound beginning.
fn first_unsound(query: &str, tokens: &[Token], effort: &mut Effort) -> Option<Range<usize>> {
    let (mut sound, mut unsound) = (0, tokens.len() + 1);
    while sound + 1 < unsound {
        let middle = sound.midpoint(unsound);
        if is_sound(query, tokens.get(..middle)?, effort)? { sound = middle } else { unsound = middle }
    }
    match tokens.get(sound) {
        Some(token) => Some(token.bytes.clone()),
        None => tokens.last().map(|token| token.bytes.end..token.bytes.end),
    }
}

/// What may follow a sound beginning within its innermost bracket, and after its brackets are closed.
const WITHIN: [&str; 16] = [
    "", " x", "5m", "(x)", "(x[5m])", "()", " 5m", "=\"y\"", "\"y\"", "x=\"y\"", "(a) x", " () x", " (a) (x)", "1",
    " (x) y", ", x",
];
const AFTER: [&str; 4] = ["", " x", " (x)", "[5m]"];

fn is_sound(query: &str, tokens: &[Token], effort: &mut Effort) -> Option<bool> {
    let mut brackets = Brackets::default();
    for (index, token) in tokens.iter().enumerate() {
        brackets.take(query, index, token);
    }
    let beginning = query.get(..tokens.last().map_or(0, |token| token.bytes.end))?;
    let closing = brackets.closing();
    // Without an open bracket there is no inside and outside.
    let after_closing = if closing.is_empty() { AFTER.get(..1)? } else { &AFTER };
    for within in WITHIN {
        for after in after_closing {
            let answer = effort.parse(&format!("{beginning}{within}{closing}{after}"))?;
            // What is wrong in meaning is right in grammar.
            if answer.is_err_and(|said| is_syntax(&said)) {
                continue;
            }
            return Some(true);
        }
    }
    Some(false)
}

/// The smallest run of tokens that alone draws the same complaint; and in it, the word that the complaint quotes.
fn smallest_part(query: &str, tokens: &[Token], message: &str, effort: &mut Effort) -> Option<Range<usize>> {
    let complains = |from: usize, to: usize, effort: &mut Effort| {
        let part = part(query, tokens, from, to)?;
        Some(effort.parse(&part)?.is_err_and(|said| said == message))
    };
    // The end: complaints come as soon as the part is complete, so this only ever begins once.
    let (mut without, mut with) = (0, tokens.len());
    while without + 1 < with {
        let middle = without.midpoint(with);
        if complains(0, middle, effort)? { with = middle } else { without = middle }
    }
    let mut from = 0;
    for candidate in (1..with).rev() {
        if complains(candidate, with, effort)? {
            from = candidate;
            break;
        }
    }
    let part = tokens.get(from..with)?;
    let quoted = message.split('\'').nth(1).unwrap_or_default();
    let word = part.iter().rev().find(|token| !quoted.is_empty() && query.get(token.bytes.clone()) == Some(quoted));
    match word {
        Some(token) => Some(token.bytes.clone()),
        None => Some(part.first()?.bytes.start..closed_end(query, tokens, from, with)?),
    }
}

/// The end of a run of tokens, moved on to where the brackets it opens are closed.
fn closed_end(query: &str, tokens: &[Token], from: usize, to: usize) -> Option<usize> {
    let mut brackets = Brackets::default();
    let mut end = tokens.get(from)?.bytes.end;
    for (index, token) in tokens.iter().enumerate().skip(from) {
        if index >= to && brackets.depth() == 0 {
            break;
        }
        brackets.take(query, index, token);
        end = token.bytes.end;
    }
    Some(end)
}

/// A run of tokens with its brackets closed.
fn part(query: &str, tokens: &[Token], from: usize, to: usize) -> Option<String> {
    let run = tokens.get(from..to)?;
    let mut brackets = Brackets::default();
    for (index, token) in run.iter().enumerate() {
        if !brackets.take(query, index, token) {
            // Starts inside of brackets: whatever it draws, it is not the complaint looked for.
            return Some(String::new());
        }
    }
    Some(format!("{}{}", query.get(run.first()?.bytes.start..run.last()?.bytes.end)?, brackets.closing()))
}
