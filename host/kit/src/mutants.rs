//! Rules changed here and there, to see whether a test notices. One that no test notices shows where tests are missing.

use std::ops::Range;
use std::sync::Arc;

use orion_model::format_duration;
use orion_pipeline::library::Generation;
use orion_rules::AlertRule;

/// A rule with one change.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutant {
    /// The rule as it was.
    pub rule: AlertRule,
    /// What was changed, for a person.
    pub change: String,
    group: String,
    edit: Edit,
}

#[derive(Clone, Debug, PartialEq)]
enum Edit {
    Expr(String),
    For(i64),
    KeepFiringFor(i64),
}

/// All mutants of a rule set whose rules are evaluated at this interval.
pub fn mutants(generation: &Generation, interval_millis: i64) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (group, plan) in &generation.groups {
        for rule in &plan.group.rules {
            let edits = edits(rule, interval_millis).into_iter();
            mutants.extend(edits.map(|(change, edit)| Mutant {
                rule: rule.clone(),
                change,
                group: group.clone(),
                edit,
            }));
        }
    }
    mutants
}

impl Mutant {
    /// The rule set with the change; `None` when the rule is not in it as it was.
    pub fn apply(&self, generation: &Generation) -> Option<Generation> {
        let mut generation = generation.clone();
        let plan = generation.groups.get_mut(&self.group)?;
        let mut group = (*plan.group).clone();
        let rule = group.rules.iter_mut().find(|rule| **rule == self.rule)?;
        match &self.edit {
            Edit::Expr(expr) => rule.expr.clone_from(expr),
            Edit::For(millis) => rule.for_millis = *millis,
            Edit::KeepFiringFor(millis) => rule.keep_firing_for_millis = *millis,
        }
        plan.group = Arc::new(group);
        Some(generation)
    }
}

fn edits(rule: &AlertRule, interval: i64) -> Vec<(String, Edit)> {
    let mut edits = Vec::new();
    for (bytes, sign) in comparisons(&rule.expr) {
        for other in opposites(sign) {
            let mut expr = rule.expr.clone();
            expr.replace_range(bytes.clone(), other);
            let around = around(&rule.expr, &bytes);
            edits.push((format!("`{sign}` is `{other}` in `{around}`"), Edit::Expr(expr)));
        }
    }
    let shifts = [
        ("for", Some(rule.for_millis), Edit::For as fn(i64) -> Edit),
        // One that is not there is left out: nobody forgets to test what nobody wrote.
        ("keep_firing_for", Some(rule.keep_firing_for_millis).filter(|millis| *millis > 0), Edit::KeepFiringFor),
    ];
    for (key, millis, edit) in shifts {
        let Some(millis) = millis else { continue };
        let shorter = (millis > 0).then(|| (millis - interval).max(0));
        for other in shorter.into_iter().chain([millis + interval]) {
            edits.push((format!("`{key}: {}` is {}", format_duration(millis), format_duration(other)), edit(other)));
        }
    }
    edits
}

/// The same at the bound, and the contrary.
fn opposites(sign: &str) -> &'static [&'static str] {
    match sign {
        ">" => &[">=", "<="],
        ">=" => &[">", "<"],
        "<" => &["<=", ">="],
        "<=" => &["<", ">"],
        "==" => &["!="],
        "!=" => &["=="],
        _ => &[],
    }
}

/// Comparisons of a query: not those within texts, comments and the braces of selectors.
fn comparisons(expr: &str) -> Vec<(Range<usize>, &str)> {
    let mut found = Vec::new();
    let mut in_braces = false;
    let mut at = 0;
    while let Some(rest) = expr.get(at..).filter(|rest| !rest.is_empty()) {
        let len = match rest.chars().next() {
            Some('#') => rest.find('\n').unwrap_or(rest.len()),
            Some(quote @ ('"' | '\'' | '`')) => length_of_text(rest, quote),
            Some(brace @ ('{' | '}')) => {
                in_braces = brace == '{';
                1
            }
            Some('>' | '<' | '=' | '!') => {
                let two = rest.get(..2).filter(|two| matches!(*two, ">=" | "<=" | "==" | "!=" | "=~" | "!~"));
                let sign = two.or(rest.get(..1)).unwrap_or_default();
                if !in_braces && !opposites(sign).is_empty() {
                    found.push((at..at + sign.len(), sign));
                }
                sign.len()
            }
            Some(other) => other.len_utf8(),
            None => break,
        };
        at += len;
    }
    found
}

fn length_of_text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A few words around a sign: enough to know which of several is meant.
fn around(expr: &str, bytes: &Range<usize>) -> String {
    const SHOWN: usize = 24;
    let before: Vec<char> = expr.get(..bytes.start).unwrap_or_default().chars().rev().take(SHOWN).collect();
    let before: String = before.into_iter().rev().collect();
    let after: String = expr.get(bytes.start..).unwrap_or_default().chars().take(SHOWN).collect();
    (before + &after).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signs(expr: &str) -> Vec<&str> {
        comparisons(expr).into_iter().map(|(_, sign)| sign).collect()
    }

    #[test]
    fn comparisons_are_found_outside_of_texts_comments_and_braces() {
        assert_eq!(signs("a > 1 and b{x!=\"y\",z=~'>'} <= 2 # c < d\n or e == bool 3 != 4"), [">", "<=", "==", "!="]);
        assert_eq!(signs("up{a=\"\\\">\"} >= 1"), [">="]);
        assert_eq!(signs("sum(up)"), [""; 0]);
    }

    #[test]
    fn the_change_is_shown_with_what_is_around_it() {
        let expr = "sum by (a) (rate(x[5m]))\n  > 5";
        let (bytes, _) = comparisons(expr).remove(0);
        assert_eq!(around(expr, &bytes), "by (a) (rate(x[5m])) > 5");
    }

    proptest! {
        #[test]
        fn every_place_is_on_the_sign_it_names(expr in "[a-z<>=!{}\"'`#\\\\ü\n ]{0,40}") {
            for (bytes, sign) in comparisons(&expr) {
                prop_assert_eq!(&expr[bytes], sign);
            }
        }
    }
}
