//! Recording rules of rule files. Orion never evaluates them; a test does, because alerts of the same files read what they
//! record.

use std::collections::BTreeSet;

use crate::yaml::{Node, parse};

/// One recording rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRule {
    /// The name of its group.
    pub group: String,
    /// The metric it makes.
    pub record: String,
    /// The query.
    pub expr: String,
    /// Labels laid over those of the answer.
    pub labels: Vec<(String, String)>,
}

/// The recording rules of a text that the checker has taken.
pub fn of_text(text: &str) -> Vec<RecordingRule> {
    let documents = parse(text).unwrap_or_default();
    let mut found = Vec::new();
    documents.iter().for_each(|document| collect(document, &mut found));
    found
}

/// A rule file, a PrometheusRule with its `spec`, or a list of these.
fn collect(node: &Node, found: &mut Vec<RecordingRule>) {
    node.entry("spec").into_iter().for_each(|spec| collect(spec, found));
    node.entry("items").into_iter().flat_map(Node::items).for_each(|item| collect(item, found));
    for group in node.entry("groups").into_iter().flat_map(Node::items) {
        let name = text(group, "name");
        let of_group = labels(group);
        for rule in group.entry("rules").into_iter().flat_map(Node::items) {
            let Some(record) = rule.entry("record").and_then(Node::text) else { continue };
            let labels = of_group.iter().cloned().chain(labels(rule)).collect();
            let record = record.to_owned();
            found.push(RecordingRule { group: name.clone(), record, expr: text(rule, "expr"), labels });
        }
    }
}

fn text(node: &Node, key: &str) -> String {
    node.entry(key).and_then(Node::text).unwrap_or_default().to_owned()
}

fn labels(node: &Node) -> Vec<(String, String)> {
    let Some(crate::yaml::Value::Map(pairs)) = node.entry("labels").map(|labels| &labels.value) else {
        return Vec::new();
    };
    pairs.iter().filter_map(|(name, value)| Some((name.text()?.to_owned(), value.text()?.to_owned()))).collect()
}

/// Those that the queries need, themselves or through others, in the order in which they are evaluated.
pub fn needed(all: &[RecordingRule], queries: &[&str], group_order: &[String]) -> Vec<RecordingRule> {
    let mut wanted: BTreeSet<usize> = BTreeSet::new();
    let mut asked: Vec<&str> = queries.to_vec();
    while let Some(query) = asked.pop() {
        let words: BTreeSet<&str> = words(query).collect();
        // A selector without a name may mean any of them.
        let any = words.contains("__name__") || query.contains("({") || query.trim_start().starts_with('{');
        for (index, rule) in all.iter().enumerate() {
            if (any || words.contains(rule.record.as_str())) && wanted.insert(index) {
                asked.push(&rule.expr);
            }
        }
    }
    let mut rules: Vec<RecordingRule> = wanted.into_iter().filter_map(|index| all.get(index)).cloned().collect();
    // Groups that are not named come first, as in promtool, where they count as the first.
    rules.sort_by_key(|rule| group_order.iter().position(|name| *name == rule.group).unwrap_or(0));
    rules
}

/// Names and keywords of a query; also those within texts, which does no harm.
pub fn words(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "groups:\n- name: a\n  labels: {team: x}\n  rules:\n  - {record: r:one, expr: sum(up)}\n  - {alert: A, expr: up}\n\
                         - name: b\n  rules:\n  - {record: r:two, expr: r:one * 2, labels: {team: y}}\n  - {record: r:three, expr: vector(1)}\n";

    fn names(rules: &[RecordingRule]) -> Vec<&str> {
        rules.iter().map(|rule| rule.record.as_str()).collect()
    }

    #[test]
    fn recording_rules_are_found_also_in_resources() {
        let all = of_text(RULES);
        assert_eq!(names(&all), ["r:one", "r:two", "r:three"]);
        assert_eq!(all[0].labels, [("team".to_owned(), "x".to_owned())]);
        assert_eq!(all[1].labels, [("team".to_owned(), "y".to_owned())]);
        let indented = RULES.replace('\n', "\n  ");
        let resource = format!("kind: PrometheusRule\nspec:\n  {indented}");
        assert_eq!(of_text(&resource), all);
    }

    #[test]
    fn only_what_is_asked_for_is_needed_with_what_it_is_made_of() {
        let all = of_text(RULES);
        assert_eq!(names(&needed(&all, &["up == 0"], &[])), [""; 0]);
        assert_eq!(names(&needed(&all, &["max(r:two) > 1"], &[])), ["r:one", "r:two"]);
        assert_eq!(names(&needed(&all, &["count({__name__=~\"r:.*\"})"], &[])), ["r:one", "r:two", "r:three"]);
        let order = ["b".to_owned(), "a".to_owned()];
        assert_eq!(names(&needed(&all, &["r:two"], &order)), ["r:two", "r:one"]);
    }
}
