//! A query as words, texts and signs with their places: as much of PromQL as is needed to point at things.

use std::ops::Range;

/// One word, text or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) bytes: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names, keywords, numbers, durations.
    Word,
    /// In quotes; the quote is missing at the end when it is not closed.
    Text {
        closed: bool,
    },
    Sign,
}

const LONG_SIGNS: [&str; 6] = ["==", "!=", "=~", "!~", ">=", "<="];

/// Splits a query; comments and white space are left out.
pub(super) fn split(query: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = query.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        let (kind, len) = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '#' => {
                at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => text(rest, first),
            c if is_word(c) => (Kind::Word, word(rest)),
            _ if LONG_SIGNS.iter().any(|sign| rest.starts_with(sign)) => (Kind::Sign, 2),
            c => (Kind::Sign, c.len_utf8()),
        };
        tokens.push(Token { kind, bytes: at..at + len });
        at += len;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '.')
}

/// Length of a word; the sign of an exponent belongs to its number.
fn word(rest: &str) -> usize {
    let mut len = 0;
    for (at, c) in rest.char_indices() {
        let before = rest.get(..at).unwrap_or_default();
        let number = before.starts_with(|c: char| c.is_ascii_digit() || c == '.') && !before.starts_with("0x");
        let exponent_sign = matches!(c, '+' | '-') && number && before.ends_with(['e', 'E']);
        if !is_word(c) && !exponent_sign {
            break;
        }
        len = at + c.len_utf8();
    }
    len
}

fn text(rest: &str, quote: char) -> (Kind, usize) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return (Kind::Text { closed: true }, at + 1),
            _ => {}
        }
    }
    (Kind::Text { closed: false }, rest.len())
}

/// What stands open after some tokens, or which token closes what was not open.
#[derive(Clone, Debug, Default)]
pub(super) struct Brackets {
    /// Closing signs that are missing, outermost first, with the token that opened each.
    open: Vec<(char, usize)>,
}

impl Brackets {
    /// Takes one more token. False when it closes something else than what is open.
    pub(super) fn take(&mut self, query: &str, index: usize, token: &Token) -> bool {
        if token.kind != Kind::Sign {
            return true;
        }
        match query.get(token.bytes.clone()) {
            Some("(") => self.open.push((')', index)),
            Some("{") => self.open.push(('}', index)),
            Some("[") => self.open.push((']', index)),
            Some(closing @ (")" | "}" | "]")) => {
                return self.open.pop().is_some_and(|(expected, _)| closing.starts_with(expected));
            }
            _ => {}
        }
        true
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The token that opened what is still open, innermost.
    pub(super) fn innermost(&self) -> Option<usize> {
        self.open.last().map(|(_, index)| *index)
    }

    /// What closes everything.
    pub(super) fn closing(&self) -> String {
        self.open.iter().rev().map(|(sign, _)| *sign).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_is_split_where_promql_splits_it() {
        let query = "sum by(a) (rate(x:y{b!~\"c\\\"}\"}[5m] offset -1h)) >= 1e-3 # end\n";
        let shown: Vec<&str> = split(query).iter().map(|token| &query[token.bytes.clone()]).collect();
        let want = [
            "sum",
            "by",
            "(",
            "a",
            ")",
            "(",
            "rate",
            "(",
            "x:y",
            "{",
            "b",
            "!~",
            "\"c\\\"}\"",
            "}",
            "[",
            "5m",
            "]",
            "offset",
            "-",
            "1h",
            ")",
            ")",
            ">=",
            "1e-3",
        ];
        assert_eq!(shown, want);
        assert_eq!(split("a + 'b").last().unwrap().kind, Kind::Text { closed: false });
    }

    proptest! {
        #[test]
        fn tokens_cover_everything_but_blanks_and_comments(query in ".{0,60}") {
            let mut end = 0;
            for token in split(&query) {
                prop_assert!(token.bytes.start >= end && token.bytes.end > token.bytes.start);
                prop_assert!(query.get(token.bytes.clone()).is_some());
                end = token.bytes.end;
            }
            prop_assert!(end <= query.len());
        }
    }
}
