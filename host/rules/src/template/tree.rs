//! A template as a tree: what the parser makes, and evaluation and printing walk.

use std::collections::BTreeMap;

use super::functions::Function;

/// A template as a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// What `define` and `block` named.
    pub(super) templates: BTreeMap<String, Vec<Node>>,
    /// Whether the text may depend on the value.
    pub(super) uses_value: bool,
}

impl Tree {
    /// A tree that is one text.
    pub(super) fn of_text(text: &str) -> Self {
        Self { nodes: vec![Node::Text(text.to_owned())], ..Self::default() }
    }

    /// The whole text, when there is nothing to evaluate.
    pub(super) fn static_text(&self) -> Option<&str> {
        match self.nodes.as_slice() {
            [] => Some(""),
            [Node::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Output(Pipeline),
    Branch { kind: Branch, pipeline: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
    Call { name: String, argument: Option<Pipeline> },
    Break,
    Continue,
}

/// What decides whether, and how often, a body is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    If,
    With,
    Range,
}

impl Branch {
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "if" => Some(Self::If),
            "with" => Some(Self::With),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

/// Commands, each getting the value of the one before as its last argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipeline {
    pub(super) variables: Vec<String>,
    /// `=` and not `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// What a command is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Nil,
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Dot,
    /// Fields of the dot, one of the other.
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Nested(Box<Pipeline>, Vec<String>),
    Function(Function),
}
