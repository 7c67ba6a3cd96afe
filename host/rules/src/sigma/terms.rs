//! Aliases, groups and counts of a Sigma correlation.

use std::collections::BTreeSet;

use crate::checker::Checker;
use crate::group_by::{GroupName, in_order};
use crate::keys::{Fields, Text, nearest, text_of, texts_of};
use crate::tree::Node;

use super::names::SigmaRule;

/// Rules of which one is enough, by their place in `rules`.
pub(super) type Term = BTreeSet<usize>;

/// A name that stands for another field in events of each rule.
pub(super) struct Alias<'n> {
    pub(super) name: &'n str,
    pub(super) fields: Vec<(SigmaRule<'n>, Text<'n>)>,
}

impl Alias<'_> {
    /// The field, when it is the same for all rules.
    pub(super) fn only_field(&self) -> Option<&str> {
        let (_, first) = self.fields.first()?;
        self.fields.iter().all(|(_, field)| field.as_str() == first.as_str()).then_some(first.as_str())
    }
}

/// Reads `aliases:`.
pub(super) fn aliases<'n>(checker: &mut Checker<'_, '_>, body: &Fields<'n>, rules: &[SigmaRule<'n>]) -> Vec<Alias<'n>> {
    let Some(fields) = body.get("aliases").and_then(|node| Fields::any(&mut checker.report, node, "`aliases`")) else {
        return Vec::new();
    };
    let read = fields.iter().filter_map(|(name, key, value)| {
        let by_rule = Fields::any(&mut checker.report, value, &format!("the alias `{name}`"))?;
        let mut alias = Alias { name, fields: Vec::new() };
        for (reference, at, field) in by_rule.iter() {
            let Some(field) = text_of(&mut checker.report, field, &format!("`{reference}`")) else { continue };
            match rules.iter().find(|rule| rule.is_called(reference)) {
                Some(rule) => alias.fields.push((*rule, field)),
                None => unknown_rule(checker, at, reference, rules),
            }
        }
        if !is_used(body, name) {
            let message = format!("the alias `{name}` stands neither in `group-by` nor in `field`");
            checker.report.warning(&key.bytes, message).label("has no effect");
        }
        Some(alias)
    });
    read.collect()
}

fn unknown_rule(checker: &mut Checker<'_, '_>, at: &Node, reference: &str, rules: &[SigmaRule<'_>]) {
    let near = nearest(reference, rules.iter().map(|rule| rule.name));
    let help = near.map(|near| format!("did you mean `{near}`?"));
    let message = format!("this correlation has no rule `{reference}`");
    checker.report.warning(&at.bytes, message).label("has no effect").maybe_help(help);
}

fn is_used(body: &Fields<'_>, name: &str) -> bool {
    let in_condition = body.get("condition").and_then(|condition| condition.entry("field"));
    let places = [body.get("group-by"), body.get("field"), in_condition];
    places.into_iter().flatten().any(|node| node.holds_text(name))
}

/// Reads `group-by:`.
pub(super) fn group_by(
    checker: &mut Checker<'_, '_>,
    body: &Fields<'_>,
    rules: &[SigmaRule<'_>],
    aliases: &[Alias<'_>],
) -> Vec<GroupName> {
    let Some(node) = body.get("group-by") else { return Vec::new() };
    let mut group_by: Vec<GroupName> = Vec::new();
    for text in texts_of(&mut checker.report, node, "a name in `group-by`") {
        let name = text.as_str();
        let group = match aliases.iter().find(|alias| alias.name == name) {
            Some(alias) => {
                left_out(checker, text, alias, rules);
                GroupName::of_alias(alias)
            }
            None => GroupName::plain(name),
        };
        if !group_by.iter().any(|known| known.name == name) {
            group_by.push(group);
        }
    }
    in_order(group_by)
}

/// An alias that says nothing of one rule keeps the events of that rule apart from all others.
fn left_out(checker: &mut Checker<'_, '_>, text: Text<'_>, alias: &Alias<'_>, rules: &[SigmaRule<'_>]) {
    let is_told = |rule: &&SigmaRule<'_>| alias.fields.iter().any(|(told, _)| told.name == rule.name);
    for rule in rules.iter().filter(|rule| !is_told(rule)) {
        let message = format!("the alias `{}` does not say which field it is in events of `{}`", alias.name, rule.name);
        checker.report.warning(text.bytes(), message).label("the field of this very name is taken");
    }
}

/// How many of the rules must have events, of a condition that counts them. Nothing when no correlator does what it asks.
pub(super) fn least_kinds(checker: &mut Checker<'_, '_>, node: &Node, rules: usize, ordered: bool) -> Option<usize> {
    let condition = Fields::known(&mut checker.report, node, "`condition`", &super::COMPARISONS)?;
    let mut least = None;
    for (comparison, key, value) in condition.iter() {
        let text = text_of(&mut checker.report, value, &format!("`{comparison}`"))?;
        let Ok(bound) = text.as_str().parse::<usize>() else {
            let message = format!("`{comparison}` must be a whole number, but is `{}`", text.as_str());
            checker.report.error(text.bytes(), message);
            return None;
        };
        let wanted = match comparison {
            "gte" => bound,
            "gt" => bound.saturating_add(1),
            // All of them is the most there can be.
            "eq" if bound == rules => bound,
            "lte" if bound >= rules => continue,
            _ => {
                return not_counted(
                    checker,
                    key,
                    "of the rules of a sequence or a coincidence so many can only be asked for as a minimum",
                );
            }
        };
        least = Some(least.unwrap_or(0).max(wanted));
    }
    let least = least.unwrap_or(rules).max(1);
    if least > rules {
        let message = format!("this asks for {least} rules, and there are {rules}: it never holds");
        checker.report.warning(&condition.bytes, message);
        return None;
    }
    if ordered && least < rules {
        return not_counted(checker, node, "a sequence has all of its rules");
    }
    Some(least)
}

fn not_counted(checker: &mut Checker<'_, '_>, at: &Node, why: &str) -> Option<usize> {
    checker.report.warning(&at.bytes, format!("not evaluated: {why}"));
    None
}
