//! The events of the YAML parser as a small tree whose nodes know their bytes.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// The tree is walked by recursion. Test files nest six deep.
const MAX_DEPTH: usize = 64;

/// Aliases of aliases multiply; the largest collections of tests have a tenth of this.
const MAX_NODES: usize = 1_000_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The bytes it covers.
    pub bytes: Range<usize>,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A scalar, and whether it was written without quotes.
    Scalar(String, bool),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Whether nothing is there: `key:` and no more.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(text, true) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The kind of the node in words, for messages.
    pub fn described(&self) -> &'static str {
        match &self.value {
            Value::Scalar(..) if self.is_null() => "nothing",
            Value::Scalar(..) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value under a key of a mapping.
    pub fn entry(&self, name: &str) -> Option<&Self> {
        let Value::Map(pairs) = &self.value else { return None };
        let is_it = |key: &Self| matches!(&key.value, Value::Scalar(text, _) if text == name);
        pairs.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; none where there is no list.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

/// All documents of a text; or where and why it is no YAML.
pub fn parse(text: &str) -> Result<Vec<Node>, (Range<usize>, String)> {
    let mut builder = Builder {
        bytes: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
        documents: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes_left: MAX_NODES,
    };
    builder.run(&mut Parser::new_from_str(text))?;
    Ok(builder.documents)
}

struct Builder {
    /// The byte of each character: the parser counts in characters.
    bytes: Vec<usize>,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes_left: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    children: Vec<Node>,
    is_map: bool,
}

impl Builder {
    fn run(&mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<(), (Range<usize>, String)> {
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| {
                let at = self.byte(error.marker().index());
                (at..at, format!("not YAML: {}", error.info()))
            })?;
            let bytes = self.byte(span.start.index())..self.byte(span.end.index());
            match event {
                Event::Scalar(text, style, anchor, _) => {
                    let value = Value::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                    self.put(Node { bytes, value }, anchor)?;
                }
                Event::SequenceStart(anchor, _) => self.begin(bytes, anchor, false)?,
                Event::MappingStart(anchor, _) => self.begin(bytes, anchor, true)?,
                Event::SequenceEnd | Event::MappingEnd => self.end(bytes)?,
                Event::Alias(anchor) => self.alias(anchor, bytes)?,
                Event::DocumentStart(_) => self.anchors.clear(),
                Event::StreamEnd => return Ok(()),
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn byte(&self, char: usize) -> usize {
        self.bytes.get(char).or(self.bytes.last()).copied().unwrap_or(0)
    }

    fn begin(&mut self, bytes: Range<usize>, anchor: usize, is_map: bool) -> Result<(), (Range<usize>, String)> {
        if self.open.len() >= MAX_DEPTH {
            return Err((bytes, format!("nested more than {MAX_DEPTH} deep")));
        }
        self.open.push(Open { start: bytes.start, anchor, children: Vec::new(), is_map });
        Ok(())
    }

    fn end(&mut self, bytes: Range<usize>) -> Result<(), (Range<usize>, String)> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        // A block ends where the next thing begins: its own end is that of its last child.
        let end = match open.children.last() {
            Some(last) if bytes.is_empty() => last.bytes.end,
            _ => bytes.end,
        };
        let value = if open.is_map { Value::Map(merged(pairs(open.children))) } else { Value::List(open.children) };
        self.put(Node { bytes: open.start..end.max(open.start), value }, open.anchor)
    }

    fn alias(&mut self, anchor: usize, bytes: Range<usize>) -> Result<(), (Range<usize>, String)> {
        let Some(target) = self.anchors.get(&anchor).cloned() else {
            return Err((bytes, "this alias stands inside the very thing it names".to_owned()));
        };
        if self.open.len() + depth(&target) > MAX_DEPTH {
            return Err((bytes, format!("nested more than {MAX_DEPTH} deep")));
        }
        let too_many = || (bytes.clone(), format!("aliases make more than {MAX_NODES} values of this file"));
        self.nodes_left = self.nodes_left.checked_sub(size(&target)).ok_or_else(too_many)?;
        self.put(target, 0)
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), (Range<usize>, String)> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }
}

fn pairs(children: Vec<Node>) -> Vec<(Node, Node)> {
    let mut children = children.into_iter();
    std::iter::from_fn(|| Some((children.next()?, children.next()?))).collect()
}

/// `<<: *anchor`, as YAML 1.1 has it and promtool reads it: keys of the mapping itself win. What is no mapping stays as it is,
/// and is an unknown key to whoever reads on.
fn merged(pairs: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let is_merge = |key: &Node, value: &Node| {
        matches!(&key.value, Value::Scalar(text, true) if text == "<<") && is_mappings(value)
    };
    let (merges, mut own): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, value)| is_merge(key, value));
    for (_, value) in &merges {
        let maps = std::iter::once(value).chain(value.items());
        for (key, value) in maps.flat_map(|map| if let Value::Map(pairs) = &map.value { &pairs[..] } else { &[] }) {
            if !own.iter().any(|(other, _)| other.text() == key.text()) {
                own.push((key.clone(), value.clone()));
            }
        }
    }
    own
}

fn is_mappings(node: &Node) -> bool {
    let is_map = |node: &Node| matches!(node.value, Value::Map(_));
    is_map(node) || (!node.items().is_empty() && node.items().iter().all(is_map))
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(..) => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(pairs) => 1 + pairs.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>(),
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(..) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
    }
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
