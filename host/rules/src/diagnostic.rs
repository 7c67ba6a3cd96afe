//! What is wrong with a file, said so that a person finds and mends it: where, what, and how.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Renderer, Snippet};

use crate::source::Source;

/// Nobody reads further, and a file of garbage must not become an answer a hundred times its size.
pub const MAX_DIAGNOSTICS: usize = 1_000;

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

/// Collects diagnostics about one text.
pub(crate) struct Report<'t> {
    pub(crate) source: Source<'t>,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    left_out: usize,
}

impl<'t> Report<'t> {
    /// Nothing to say yet.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { source: Source::new(text), diagnostics: Vec::new(), errors: 0, left_out: 0 }
    }

    /// Says an error about a stretch; returns it to be completed.
    pub(crate) fn error(&mut self, bytes: &Range<usize>, message: impl Into<String>) -> Detail<'_> {
        self.errors += 1;
        self.add(Level::Error, bytes, message.into())
    }

    /// Says a warning about a stretch.
    pub(crate) fn warning(&mut self, bytes: &Range<usize>, message: impl Into<String>) -> Detail<'_> {
        self.add(Level::Warning, bytes, message.into())
    }

    /// Says a note about a stretch.
    pub(crate) fn note(&mut self, bytes: &Range<usize>, message: impl Into<String>) -> Detail<'_> {
        self.add(Level::Note, bytes, message.into())
    }

    fn add(&mut self, level: Level, bytes: &Range<usize>, message: String) -> Detail<'_> {
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            self.left_out += 1;
            return Detail(None);
        }
        let span = Some(self.source.span(bytes.clone()));
        self.diagnostics.push(Diagnostic { level, message, span, label: String::new(), help: None });
        Detail(self.diagnostics.last_mut())
    }

    /// Whether the file must be refused.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Everything that was said, in file order.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span.as_ref().map(|span| span.bytes.start));
        if self.left_out > 0 {
            self.diagnostics.push(Diagnostic {
                level: if self.has_errors() { Level::Error } else { Level::Note },
                message: format!("{} more things to say about this file are left out", self.left_out),
                span: None,
                label: String::new(),
                help: None,
            });
        }
        self.diagnostics
    }
}

/// A diagnostic that was said and may be completed.
pub(crate) struct Detail<'r>(Option<&'r mut Diagnostic>);

impl Detail<'_> {
    /// A few words under the carets.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(diagnostic) = &mut self.0 {
            diagnostic.label = label.into();
        }
        self
    }

    /// What to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(diagnostic) = &mut self.0 {
            diagnostic.help = Some(help.into());
        }
        self
    }

    /// What to do about it, if anybody knows.
    pub(crate) fn maybe_help(self, help: Option<impl Into<String>>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }
}

/// All diagnostics as text for a terminal: `file:line:column`, the source line, carets, help.
pub fn render(diagnostics: &[Diagnostic], name: &str, text: &str, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let source = Source::new(text);
    let mut rendered = String::new();
    for diagnostic in diagnostics {
        rendered.push_str(&renderer.render(&groups(diagnostic, name, &source)));
        rendered.push_str("\n\n");
    }
    rendered
}

fn groups<'a>(diagnostic: &'a Diagnostic, name: &'a str, source: &Source<'a>) -> Vec<Group<'a>> {
    let level = match diagnostic.level {
        Level::Error => annotate_snippets::Level::ERROR,
        Level::Warning => annotate_snippets::Level::WARNING,
        Level::Note => annotate_snippets::Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str());
    let Some(span) = &diagnostic.span else {
        return vec![title.element(annotate_snippets::Origin::path(name))];
    };
    // Only the lines concerned are handed over: the renderer reads all it is given, and a file may be large.
    let (lines, first_line) = source.lines_around(&span.bytes);
    let carets = within(&span.bytes, &lines);
    let label = (!diagnostic.label.is_empty()).then_some(diagnostic.label.as_str());
    let annotation = AnnotationKind::Primary.span(carets).label(label);
    let snippet = Snippet::source(source.slice(&lines)).line_start(first_line).path(name).annotation(annotation);
    let mut group = title.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(annotate_snippets::Level::HELP.message(help.as_str()));
    }
    vec![group]
}

/// The span counted from the start of the lines shown, cut where they end.
fn within(bytes: &Range<usize>, lines: &Range<usize>) -> Range<usize> {
    let len = lines.end - lines.start;
    let start = bytes.start.saturating_sub(lines.start).min(len);
    start..bytes.end.saturating_sub(lines.start).clamp(start, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_place_and_what_to_do() {
        let text = "groups:\n  - nmae: x\n";
        let mut report = Report::new(text);
        report.error(&(12..16), "unknown key `nmae`").label("unknown").help("did you mean `name`?");
        let shown = render(&report.finish(), "a.yaml", text, false);
        for part in
            ["error: unknown key `nmae`", "a.yaml:2:5", "  - nmae: x", "^^^^ unknown", "help: did you mean `name`?"]
        {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
        let coloured = render(&[], "a.yaml", text, true);
        assert_eq!(coloured, "");
    }

    #[test]
    fn a_stretch_of_many_lines_is_shown_by_its_first() {
        let text = "a\n".repeat(100_000);
        let mut report = Report::new(&text);
        report.error(&(20..190_000), "all of it");
        let shown = render(&report.finish(), "a.yaml", &text, false);
        assert!(shown.contains("a.yaml:11:1") && shown.lines().count() < 15, "{shown}");
    }

    #[test]
    fn what_is_said_stays_within_bounds_and_in_file_order() {
        let text = "x\n".repeat(MAX_DIAGNOSTICS);
        let many = |count: usize| {
            let mut report = Report::new(&text);
            for at in (0..count).rev() {
                report.warning(&(at * 2..at * 2 + 1), "x");
            }
            report.finish()
        };
        assert_eq!(many(MAX_DIAGNOSTICS).len(), MAX_DIAGNOSTICS);
        let cut = many(MAX_DIAGNOSTICS + 5);
        assert!(cut.last().unwrap().message.starts_with("5 more"));
        assert!(many(9).is_sorted_by_key(|diagnostic| diagnostic.span.as_ref().unwrap().line));
    }
}
