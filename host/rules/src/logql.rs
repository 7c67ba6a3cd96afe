//! Queries in LogQL: what shows without reading them. No well-kept reader of the language exists outside of Loki, which has the last
//! word: it refuses what it does not understand, and that is the rule's fault and says why.

use crate::checker::Checker;
use crate::expr::Facts;
use crate::keys::Text;

/// Says what cannot be right whatever the rest says.
pub(crate) fn check(checker: &mut Checker<'_, '_>, text: Text<'_>) -> Facts {
    let query = text.as_str().trim();
    if query.starts_with('{') {
        checker
            .report
            .error(text.bytes(), "this query gives lines of logs, and a rule needs numbers")
            .help("count them: `sum by (job) (count_over_time({…} |= \"error\" [5m]))`");
    } else if let Some(open) = unclosed(query) {
        checker.report.error(text.bytes(), format!("this query has a `{open}` that is not closed"));
    }
    Facts::unknown()
}

/// Says what cannot be right of a query for lines.
pub(crate) fn check_lines(checker: &mut Checker<'_, '_>, text: Text<'_>) {
    let query = text.as_str().trim();
    if !query.starts_with('{') {
        checker
            .report
            .error(text.bytes(), "this query gives no lines of logs")
            .help("begin with the streams: `{app=\"web\"} |= \"error\"`; numbers are for rules, with `source: loki`");
    } else if let Some(open) = unclosed(query) {
        checker.report.error(text.bytes(), format!("this query has a `{open}` that is not closed"));
    }
}

/// The innermost bracket or quotation mark that is not closed.
fn unclosed(query: &str) -> Option<char> {
    let mut open = Vec::new();
    let mut chars = query.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '`' => loop {
                match chars.next() {
                    None => return Some(c),
                    Some('\\') if c == '"' => drop(chars.next()),
                    Some(end) if end == c => break,
                    Some(_) => {}
                }
            },
            // The rest of the line is a remark.
            '#' => drop(chars.find(|c| *c == '\n')),
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => drop(open.pop()),
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_closed_is_found_and_what_stands_in_texts_is_not_looked_at() {
        for good in [
            r#"sum by (job) (count_over_time({job=~"a|b"} |= "(" | json [5m])) > 3"#,
            "rate({a=`b\\`}[1m]) # {",
            r#"{a="\"("}"#,
        ] {
            assert_eq!(unclosed(good), None, "{good}");
        }
        for (bad, open) in
            [("rate({a=\"b\"}[1m]", '('), ("rate({a=\"b}[1m])", '"'), ("rate({a=`b\"}[1m])", '`'), ("x[", '[')]
        {
            assert_eq!(unclosed(bad), Some(open), "{bad}");
        }
    }
}
