//! Templates in labels, annotations and summaries: Go's text/template as Prometheus has it, bounded in every direction.
//!
//! People bring their alert files along, and an annotation must read the same here. So this is the language itself, not
//! a likeness: text → pieces and tokens ([`lex`]) → a [`tree`] ([`parse`]) → text ([`eval`], [`functions`], [`mod@format`]).
//! A template is untrusted text: it may nest, loop, call itself and multiply texts only within the limits below.

mod action;
mod eval;
mod float;
mod format;
mod functions;
mod humanize;
mod lex;
mod literal;
mod parse;
mod printed;
mod strings;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use orion_model::Labels;

pub(crate) use literal::unescape;
use tree::Tree;

/// Longer than any runbook that people put into an annotation.
pub const MAX_TEMPLATE_BYTES: usize = 64 * 1024;

/// The same for what comes out, and for every text on the way: `printf` can double a text, a loop can do so often.
pub const MAX_RENDERED_BYTES: usize = 64 * 1024;

/// Work one rendering may do, counted in evaluated commands and in 64-byte pieces of text. Templates people write
/// stay below a hundred; at this bound a rendering takes a few milliseconds.
pub const MAX_STEPS: u32 = 20_000;

/// Blocks and parentheses within each other: tree and evaluation are walked by recursion.
pub const MAX_NESTING: usize = 50;

/// Templates that call templates, for the same reason.
pub const MAX_CALL_DEPTH: usize = 20;

/// A template, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    tree: Tree,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte of the text at which it goes wrong.
    pub offset: usize,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether Prometheus would take it: it asks for something that Orion refuses, such as `query`.
    pub is_refusal: bool,
}

impl TemplateError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), is_refusal: false }
    }
}

/// What a template may speak of.
#[derive(Clone, Copy, Debug)]
pub struct TemplateData<'a> {
    /// `$labels`.
    pub labels: &'a Labels,
    /// `$value`.
    pub value: f64,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Where and why it is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE_BYTES {
            let message = format!("this template has {} bytes; at most {MAX_TEMPLATE_BYTES} are read", text.len());
            return Err(TemplateError::new(0, message));
        }
        Ok(Self { tree: parse::parse(lex::lex(text)?)? })
    }

    /// A text that stays as it is written.
    pub(crate) fn verbatim(text: &str) -> Self {
        Self { tree: Tree::of_text(text) }
    }

    /// The text, when it holds no action and so renders to itself.
    pub fn is_static(&self) -> Option<&str> {
        self.tree.static_text()
    }

    /// Whether it speaks of the value: then it must be rendered again when the value changes.
    pub fn uses_value(&self) -> bool {
        self.tree.uses_value
    }

    /// Names of the labels it prints whenever it is rendered.
    pub(crate) fn printed_labels(&self) -> BTreeSet<&str> {
        printed::labels(&self.tree)
    }

    /// The text for these labels and this value.
    ///
    /// # Errors
    /// A sentence: what cannot be computed, or which bound was reached.
    pub fn render(&self, data: &TemplateData<'_>) -> Result<String, String> {
        match self.is_static() {
            Some(text) => Ok(text.to_owned()),
            None => eval::render(&self.tree, data),
        }
    }
}
