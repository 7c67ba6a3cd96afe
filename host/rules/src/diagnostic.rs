//! What is wrong with a file, said so that a person finds and mends it: where, what, and how.

use std::ops::Range;

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file is taken, but probably does not do what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// A stretch of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Line of the first character, counted from 1.
    pub line: usize,
    /// Column of the first character, counted from 1, in characters.
    pub column: usize,
    /// The bytes it covers.
    pub bytes: Range<usize>,
}

/// One thing to say about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it weighs.
    pub level: Level,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where; `None` when it is about the file as a whole.
    pub span: Option<Span>,
    /// A few words under the carets; may be empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// All diagnostics as text for a terminal: `file:line:column`, the source line, carets, help.
pub fn render(diagnostics: &[Diagnostic], name: &str, text: &str, colour: bool) -> String {
    let _ = (diagnostics, name, text, colour);
    String::new()
}
