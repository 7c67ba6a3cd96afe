//! A query that compares what it asks with a number: `sum(rate(x[5m])) > 10`. It gives a series only while the comparison holds; who
//! wants to see the series before and after has to ask for what stands before the sign.

use std::ops::Range;

use promql_parser::parser;

use super::tokens::{Brackets, Kind, Token, split};
use super::{MAX_CHECKED_BYTES, MAX_CHECKED_DEPTH, MAX_CHECKED_TOKENS};

const OPERATORS: [&str; 6] = ["==", "!=", ">=", "<=", ">", "<"];

/// A query taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared, as it is written.
    pub asked: String,
    /// `>`, `<`, `>=`, `<=`, `==` or `!=`.
    pub operator: &'static str,
    /// With which number.
    pub number: f64,
}

/// What a query compares with a number, when the comparison is the last thing it does; `None` for every other query, and for one that
/// is longer or deeper than is checked.
pub fn comparison(query: &str) -> Option<Comparison> {
    if query.len() > MAX_CHECKED_BYTES {
        return None;
    }
    let tokens = split(query);
    if tokens.len() > MAX_CHECKED_TOKENS {
        return None;
    }
    let (at, operator) = last_operator(query, &tokens)?;
    let asked = query.get(..tokens.get(at)?.bytes.start)?.trim();
    let number = number(query, tokens.get(at + 1..)?)?;
    parser::parse(asked).ok()?;
    Some(Comparison { asked: asked.to_owned(), operator, number })
}

/// The last comparison outside of all brackets. What binds less than a comparison must not be there: it would belong to what is
/// asked.
fn last_operator(query: &str, tokens: &[Token]) -> Option<(usize, &'static str)> {
    let (mut brackets, mut last) = (Brackets::default(), None);
    for (at, token) in tokens.iter().enumerate() {
        let is_outside = brackets.depth() == 0;
        if !brackets.take(query, at, token) || brackets.depth() > MAX_CHECKED_DEPTH {
            return None;
        }
        let text = text(query, &token.bytes);
        match token.kind {
            Kind::Word if is_outside && ["and", "or", "unless"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
                return None;
            }
            Kind::Sign if is_outside => {
                last = OPERATORS.into_iter().find(|operator| *operator == text).map(|it| (at, it)).or(last);
            }
            _ => {}
        }
    }
    last
}

/// A number and nothing else, perhaps with a sign.
fn number(query: &str, tokens: &[Token]) -> Option<f64> {
    let (sign, word) = match tokens {
        [word] => (1.0, word),
        [sign, word] => match text(query, &sign.bytes) {
            "-" => (-1.0, word),
            "+" => (1.0, word),
            _ => return None,
        },
        _ => return None,
    };
    let number: f64 = text(query, &word.bytes).parse().ok()?;
    Some(sign * number)
}

fn text<'q>(query: &'q str, bytes: &Range<usize>) -> &'q str {
    query.get(bytes.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_query_compares_with_a_number_is_what_stands_before_the_sign() {
        for (query, asked, operator, number) in [
            ("up == 0", "up", "==", 0.0),
            (
                "  sum by (job) (rate(x{a=~\"b>1\"}[5m])) / 2 >= 1e3 # why\n",
                "sum by (job) (rate(x{a=~\"b>1\"}[5m])) / 2",
                ">=",
                1_000.0,
            ),
            ("x < -0.5", "x", "<", -0.5),
            ("a > b != 3", "a > b", "!=", 3.0),
            ("(a > 1) > 2", "(a > 1)", ">", 2.0),
        ] {
            assert_eq!(comparison(query), Some(Comparison { asked: asked.to_owned(), operator, number }), "{query}");
        }
    }

    #[test]
    fn every_other_query_is_asked_as_it_stands() {
        for query in [
            "up",
            "absent(up)",
            "5 < up",
            "a > b",
            "a > 1 and b",
            "a or b > 1",
            "a unless on (x) b == 0",
            "a > bool 1",
            "a > 1 * 2",
            "(a > 1)",
            "a > 5m",
            "> 1",
            "a > 1)",
            "",
            "{",
            "sum(a > 1",
        ] {
            assert_eq!(comparison(query), None, "{query}");
        }
        let deep = format!("{}a{} > 1", "(".repeat(MAX_CHECKED_DEPTH + 1), ")".repeat(MAX_CHECKED_DEPTH + 1));
        assert_eq!(comparison(&deep), None);
        assert_eq!(comparison(&format!("{} > 1", "a + ".repeat(MAX_CHECKED_TOKENS))), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(query in "[a-c(){}\\[\\] <>=!\"'`#\n0-9.+-]{0,40}") {
            comparison(&query);
        }
    }
}
