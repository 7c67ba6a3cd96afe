//! YAML as a small tree with the place of every key and value.
//!
//! A deserializer stops at the first thing it dislikes and forgets where things stood. Rule files are edited by people
//! who want to hear everything at once, so the text becomes a tree first and is checked key by key afterwards. All
//! limits on what a text may do to the host are here: bytes, depth, and how much aliases may multiply. Tests of rules and labels are read
//! with the same.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScanError, StrInput, Tag};

use crate::scalar::{Meaning, Scalar};
use crate::source::CharIndex;

/// The largest collections of rules people keep in one file are a few hundred kilobytes.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// Nesting that a rule file has is below ten; the tree is walked by recursion, so it must not be deep.
pub const MAX_DEPTH: usize = 64;

/// Keys, values and lists after aliases are expanded: a few aliases of aliases can stand for billions.
pub const MAX_NODES: usize = 400_000;

/// Bytes of text after aliases are expanded, for the same reason.
pub const MAX_EXPANDED_BYTES: usize = 4 * MAX_FILE_BYTES;

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
    /// A text, a number or the like.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The kind of the node in words, for messages.
    pub fn described(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => "nothing",
                Meaning::Flag(_) => "true or false",
                Meaning::Integer(_) | Meaning::Number(_) => "a number",
                Meaning::Text(_) => "a text",
            },
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value of a key as it stands here, for a look ahead of the reading proper.
    pub fn entry(&self, name: &str) -> Option<&Self> {
        let Value::Map(pairs) = &self.value else { return None };
        pairs.iter().find(|(key, _)| key.is_text(name)).map(|(_, value)| value)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
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

    /// Whether it is this very text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.text() == Some(text)
    }

    /// Whether it is this text, or a list that holds it.
    pub(crate) fn holds_text(&self, text: &str) -> bool {
        match &self.value {
            Value::List(items) => items.iter().any(|item| item.is_text(text)),
            _ => self.is_text(text),
        }
    }

    /// Whether nothing is there: `key:` and no more.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.meaning() == Meaning::Null)
    }
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeError {
    /// Where.
    pub bytes: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<&'static str>,
}

/// All documents of a text up to the first error, and that error.
pub fn parse(text: &str) -> (Vec<Node>, Option<TreeError>) {
    if text.len() > MAX_FILE_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_FILE_BYTES} are read", text.len());
        let help = Some("split the file: every file of the rule folder is read");
        return (Vec::new(), Some(TreeError { bytes: 0..0, message, help }));
    }
    let mut builder = Builder {
        chars: CharIndex::new(text),
        documents: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes_left: MAX_NODES,
        bytes_left: MAX_EXPANDED_BYTES,
    };
    let error = builder.run(&mut Parser::new_from_str(text)).err();
    (builder.documents, error)
}

struct Builder {
    chars: CharIndex,
    documents: Vec<Node>,
    open: Vec<Open>,
    /// Finished nodes that an alias may stand for, with their size.
    anchors: HashMap<usize, Node>,
    nodes_left: usize,
    bytes_left: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    children: Vec<Node>,
    is_map: bool,
}

impl Builder {
    fn run(&mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<(), TreeError> {
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| self.syntax_error(&error))?;
            let bytes = self.chars.byte(span.start.index())..self.chars.byte(span.end.index());
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let is_text = tag.as_deref().is_some_and(is_text_tag);
                    let scalar = Scalar::new(text.into_owned(), style, is_text);
                    self.put(Node { bytes, value: Value::Scalar(scalar) }, anchor)?;
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

    fn begin(&mut self, bytes: Range<usize>, anchor: usize, is_map: bool) -> Result<(), TreeError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_much(bytes, format!("nested more than {MAX_DEPTH} deep")));
        }
        self.open.push(Open { start: bytes.start, anchor, children: Vec::new(), is_map });
        Ok(())
    }

    fn end(&mut self, bytes: Range<usize>) -> Result<(), TreeError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        // A block ends where the next thing begins: its own end is that of its last child.
        let end = match open.children.last() {
            Some(last) if bytes.is_empty() => last.bytes.end,
            _ => bytes.end,
        };
        let value = if open.is_map { Value::Map(pairs(open.children)) } else { Value::List(open.children) };
        self.put(Node { bytes: open.start..end.max(open.start), value }, open.anchor)
    }

    fn alias(&mut self, anchor: usize, bytes: Range<usize>) -> Result<(), TreeError> {
        let Some(target) = self.anchors.get(&anchor) else {
            let message = "this alias stands inside the very thing it names".to_owned();
            return Err(TreeError { bytes, message, help: None });
        };
        let (nodes, text) = size(target);
        let too_many = || too_much(bytes.clone(), format!("aliases make more than {MAX_NODES} values of this file"));
        // The node itself is counted when it is put.
        self.nodes_left = self.nodes_left.checked_sub(nodes - 1).ok_or_else(too_many)?;
        self.bytes_left = self.bytes_left.checked_sub(text).ok_or_else(too_many)?;
        let node = target.clone();
        if self.open.len() + depth(&node) > MAX_DEPTH {
            return Err(too_much(bytes, format!("nested more than {MAX_DEPTH} deep")));
        }
        self.put(node, 0)
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), TreeError> {
        let bytes = node.bytes.clone();
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| too_much(bytes, format!("more than {MAX_NODES} keys and values in one file")))?;
        if anchor > 0 {
            // A kept copy is as large as what it copies, so it counts as much.
            let (nodes, text) = size(&node);
            let full = || too_much(node.bytes.clone(), format!("anchors hold more than {MAX_NODES} values"));
            self.nodes_left = self.nodes_left.checked_sub(nodes).ok_or_else(full)?;
            self.bytes_left = self.bytes_left.checked_sub(text).ok_or_else(full)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }

    fn syntax_error(&self, error: &ScanError) -> TreeError {
        let at = self.chars.byte(error.marker().index());
        TreeError { bytes: at..at, message: format!("not YAML: {}", error.info()), help: help_for(error.info()) }
    }
}

fn too_much(bytes: Range<usize>, message: String) -> TreeError {
    TreeError { bytes, message, help: Some("split the file, or write it out without so many aliases") }
}

fn is_text_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str"
}

fn pairs(children: Vec<Node>) -> Vec<(Node, Node)> {
    let mut children = children.into_iter();
    std::iter::from_fn(|| Some((children.next()?, children.next()?))).collect()
}

/// Nodes and bytes of text below and with a node.
fn size(node: &Node) -> (usize, usize) {
    let sum = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        sizes.fold((1, 0), |total, size| (total.0 + size.0, total.1 + size.1))
    };
    match &node.value {
        Value::Scalar(scalar) => (1, scalar.text.len()),
        Value::List(items) => sum(&mut items.iter().map(size)),
        Value::Map(pairs) => sum(&mut pairs.iter().flat_map(|(key, value)| [size(key), size(value)])),
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(pairs) => 1 + pairs.iter().map(|(key, value)| depth(key).max(depth(value))).max().unwrap_or(0),
    }
}

/// The parser's own words are exact but do not say what people did; these are the usual causes.
fn help_for(info: &str) -> Option<&'static str> {
    if info.contains("mapping values are not allowed") {
        Some("a text that holds `: ` must stand in quotes, and keys of one mapping must be indented alike")
    } else if info.contains("tab") {
        Some("YAML indents with spaces only")
    } else if info.contains("simple key") || info.contains("block mapping") || info.contains("<block end>") {
        Some("check the indentation here and on the line before, and that quotes are closed")
    } else if info.contains("unknown anchor") {
        Some("an alias `*name` needs an anchor `&name` before it, in the same document")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Node {
        let (mut documents, error) = parse(text);
        assert_eq!(error, None);
        documents.remove(0)
    }

    #[test]
    fn every_value_knows_its_bytes() {
        let text = "ü: 'x'\nlist: [a,  b]\nblock:\n  - one\n  - two: 3\n";
        let root = one(text);
        assert_eq!(&text[root.entry("ü").unwrap().bytes.clone()], "'x'");
        assert_eq!(&text[root.entry("list").unwrap().bytes.clone()], "[a,  b]");
        assert_eq!(&text[root.entry("block").unwrap().bytes.clone()], "- one\n  - two: 3");
    }

    #[test]
    fn an_alias_stands_for_what_was_anchored_in_its_own_document() {
        let root = one("a: &x {k: v}\nb: *x\n");
        assert!(matches!(&root.entry("b").unwrap().value, Value::Map(pairs) if pairs.len() == 1));
        let (_, error) = parse("a: &x 1\n---\nb: *x\n");
        assert!(error.is_some());
        let (_, error) = parse("a: &x [*x]\n");
        assert!(error.unwrap().message.contains("inside"));
    }

    #[test]
    fn a_billion_laughs_are_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..10 {
            let items = vec![format!("*a{}", level - 1); 10].join(",");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let (_, error) = parse(&text);
        assert!(error.unwrap().message.contains("aliases make more than"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 20].join(","));
        assert!(parse(&long).1.is_some());
        let fine = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 10), vec!["*a"; 20].join(","));
        assert_eq!(parse(&fine).1, None);
    }

    #[test]
    fn bytes_depth_and_nodes_are_bounded() {
        assert_eq!(parse(&"#".repeat(MAX_FILE_BYTES)).1, None);
        assert!(parse(&"#".repeat(MAX_FILE_BYTES + 1)).1.is_some());
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parse(&nested(MAX_DEPTH)).1, None);
        assert!(parse(&nested(MAX_DEPTH + 1)).1.is_some());
        let deep_by_alias = format!("a: &a {}\nb: {}", nested(40), nested(40).replace("[]", "[*a]"));
        assert!(parse(&deep_by_alias).1.is_some());
        let items = |count: usize| "- 1\n".repeat(count);
        assert_eq!(parse(&items(MAX_NODES - 1)).1, None);
        assert!(parse(&items(MAX_NODES)).1.is_some());
    }

    #[test]
    fn a_syntax_error_keeps_the_documents_before_it() {
        let (documents, error) = parse("a: 1\n---\nb: c: d\n");
        assert_eq!(documents.len(), 1);
        let error = error.unwrap();
        assert_eq!(error.bytes.start, 13);
        assert!(error.help.is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_text_breaks_the_parser(text in r##"([-a:&*!|>\[\]{}'"#%@?, \n\t\\\r\u{feff}ü~<0-9]|- |: |\n  ){0,60}"##) {
            let (documents, _) = parse(&text);
            prop_assert!(documents.iter().all(|node| node.bytes.end <= text.len()));
        }
    }
}
