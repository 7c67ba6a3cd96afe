//! The text of a file and the way from a byte to a line and column that a person can go to.

use std::ops::Range;

use crate::diagnostic::Span;

/// A stretch of more lines than a person takes in at a glance is shown by its first ones.
const SHOWN_LINES: usize = 6;

/// A text with an index of its lines.
pub(crate) struct Source<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    /// Indexes a text.
    pub(crate) fn new(text: &'t str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, line_starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The text between two bytes; empty where they do not lie on characters.
    pub(crate) fn slice(&self, bytes: &Range<usize>) -> &'t str {
        self.text.get(bytes.clone()).unwrap_or_default()
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= byte)
    }

    /// The bytes of a line, without what it is indented by and its break.
    pub(crate) fn line_bytes(&self, line: usize) -> Range<usize> {
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        let written = self.slice(&(start..end));
        let indented = written.len() - written.trim_start().len();
        start + indented..start + written.trim_end().len().max(indented)
    }

    /// Line and column of a stretch. A stretch that does not lie on characters is widened until it does, and an empty
    /// one covers the character that follows, so that there is always something to underline.
    pub(crate) fn span(&self, bytes: Range<usize>) -> Span {
        let start = self.boundary_before(bytes.start);
        let mut end = self.boundary_before(bytes.end).max(start);
        if end == start {
            let next = self.slice(&(start..self.text.len())).chars().next().filter(|c| *c != '\n' && *c != '\r');
            end += next.map_or(0, char::len_utf8);
        }
        let line = self.line(start);
        let line_start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.slice(&(line_start..start)).trim_start_matches('\u{feff}');
        Span { line, column: before.chars().count() + 1, bytes: start..end }
    }

    /// The lines a stretch touches, at most [`SHOWN_LINES`], as bytes without the last break; and the number of the first.
    pub(crate) fn lines_around(&self, bytes: &Range<usize>) -> (Range<usize>, usize) {
        let first = self.line(bytes.start);
        let last = self.line(bytes.end.saturating_sub(1).max(bytes.start)).min(first + SHOWN_LINES - 1);
        let start = self.line_starts.get(first.saturating_sub(1)).copied().unwrap_or(0);
        let end = self.line_starts.get(last).copied().unwrap_or(self.text.len());
        let shown = self.slice(&(start..end)).trim_end_matches(['\n', '\r']);
        (start..start + shown.len(), first)
    }

    fn boundary_before(&self, byte: usize) -> usize {
        let mut at = byte.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// The way from a count of characters, which the YAML parser speaks, to bytes.
pub(crate) struct CharIndex {
    /// Byte of each character; empty for ASCII, where the two are the same.
    starts: Vec<usize>,
    len: usize,
}

impl CharIndex {
    /// Indexes a text.
    pub(crate) fn new(text: &str) -> Self {
        let starts = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Self { starts, len: text.len() }
    }

    /// The byte at which character number `index` starts.
    pub(crate) fn byte(&self, index: usize) -> usize {
        if self.starts.is_empty() {
            return index.min(self.len);
        }
        self.starts.get(index).copied().unwrap_or(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_the_line_and_column_an_editor_shows() {
        let source = Source::new("a: ü\r\nb: x\n");
        let span = source.span(7..8);
        assert_eq!((span.line, span.column), (2, 1));
        let inside_a_character = source.span(4..4);
        assert_eq!((inside_a_character.line, inside_a_character.column, inside_a_character.bytes), (1, 4, 3..5));
        assert_eq!(source.span(99..200).bytes, 12..12);
    }

    #[test]
    fn a_line_is_found_without_its_blanks() {
        let text = "a: 1\n  - b: 2  \n\nc";
        let source = Source::new(text);
        let shown: Vec<&str> = (1..=5).map(|line| source.slice(&source.line_bytes(line))).collect();
        assert_eq!(shown, ["a: 1", "- b: 2", "", "c", ""]);
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        assert_eq!(Source::new("\u{feff}a").span(3..4).column, 1);
    }

    #[test]
    fn characters_are_found_in_bytes() {
        let index = CharIndex::new("aüb");
        assert_eq!([0, 1, 2, 3, 9].map(|at| index.byte(at)), [0, 1, 3, 4, 4]);
    }
}
