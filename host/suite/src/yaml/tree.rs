//! The tree that rule files are read with, with what `<<` merges in its place: test files are read key by key, each once.

use std::collections::BTreeSet;
use std::ops::Range;

use orion_rules::tree;
pub use orion_rules::tree::{Node, Value};

/// All documents of a text; or where and why it is no YAML.
pub fn parse(text: &str) -> Result<Vec<Node>, (Range<usize>, String)> {
    match tree::parse(text) {
        (documents, None) => Ok(documents.into_iter().map(merged).collect()),
        (_, Some(error)) => Err((error.bytes, error.message)),
    }
}

/// The same node, with all below it, without merges.
fn merged(node: Node) -> Node {
    let value = match node.value {
        Value::Map(pairs) => {
            Value::Map(of_own_first(pairs.into_iter().map(|(key, value)| (merged(key), merged(value)))))
        }
        Value::List(items) => Value::List(items.into_iter().map(merged).collect()),
        scalar @ Value::Scalar(_) => scalar,
    };
    Node { value, ..node }
}

/// `<<: *anchor`, as YAML 1.1 has it and promtool reads it: keys of the mapping itself win. What is no mapping stays as it is,
/// and is an unknown key to whoever reads on.
fn of_own_first(pairs: impl Iterator<Item = (Node, Node)>) -> Vec<(Node, Node)> {
    let is_merge = |(key, value): &(Node, Node)| {
        matches!(&key.value, Value::Scalar(name) if name.is_plain() && name.text == "<<") && is_mappings(value)
    };
    let (merges, mut own): (Vec<_>, Vec<_>) = pairs.partition(is_merge);
    if merges.is_empty() {
        return own;
    }
    let mut known: BTreeSet<Option<String>> = own.iter().map(|(key, _)| key.text().map(str::to_owned)).collect();
    let from = merges.into_iter().flat_map(|(_, value)| match value.value {
        Value::List(maps) => maps,
        _ => vec![value],
    });
    for map in from {
        let Value::Map(pairs) = map.value else { continue };
        own.extend(pairs.into_iter().filter(|(key, _)| known.insert(key.text().map(str::to_owned))));
    }
    own
}

fn is_mappings(node: &Node) -> bool {
    let is_map = |node: &Node| matches!(node.value, Value::Map(_));
    is_map(node) || (!node.items().is_empty() && node.items().iter().all(is_map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_bytes_also_behind_an_umlaut() {
        let text = "ü: &a [x, y]\nb: *a\nc:\n";
        let root = &parse(text).unwrap()[0];
        assert_eq!(&text[root.entry("ü").unwrap().bytes.clone()], "&a [x, y]");
        assert_eq!(&text[root.entry("b").unwrap().bytes.clone()], "&a [x, y]");
        assert_eq!(root.entry("b").unwrap().items().len(), 2);
        assert!(root.entry("c").unwrap().is_null());
    }

    #[test]
    fn merged_keys_give_way_to_own_ones() {
        let root =
            &parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {y: 4, <<: [*a]}\nd: {'<<': {x: 1}}\n").unwrap()[0];
        let text = |map: &str, key: &str| root.entry(map).unwrap().entry(key).and_then(Node::text).map(str::to_owned);
        assert_eq!([text("b", "x"), text("b", "y")], [Some("1".to_owned()), Some("3".to_owned())]);
        assert_eq!([text("c", "x"), text("c", "y")], [Some("1".to_owned()), Some("4".to_owned())]);
        assert_eq!(text("d", "x"), None);
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_place() {
        let (bytes, message) = parse("a: 1\nb: c: d\n").unwrap_err();
        assert!(bytes.start >= 5 && message.starts_with("not YAML"), "{bytes:?} {message}");
        assert!(parse(&"[".repeat(100)).is_err());
        assert!(parse("a: &a [*a]").is_err());
    }

    #[test]
    fn aliases_do_not_multiply_without_end() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(",")));
        }
        assert!(parse(&text).unwrap_err().1.contains("aliases make more than"));
    }
}
