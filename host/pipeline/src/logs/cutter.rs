//! A piece of a file, cut into records: lines, or what lines belong together.

use std::borrow::Cow;

use orion_rules::Multiline;

/// Bytes of a line; what is longer is cut. Far more than people write, and few enough to look through in a moment.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// Bytes of a record of several lines; the next line begins another.
pub(super) const MAX_RECORD_BYTES: usize = 256 * 1024;

/// How much of the future there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flush {
    /// No further line is waited for: what there is of a record is all of it.
    pub(super) records: bool,
    /// Nothing will be written any more: a line without its end is one.
    pub(super) lines: bool,
}

/// A record, as far as it is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Where it begins in the piece.
    pub(super) start: usize,
    /// What it says, its lines with a line feed between them.
    pub(super) text: Cow<'a, str>,
    /// Whether a line of it was longer than is taken.
    pub(super) is_cut: bool,
}

/// Goes through a piece of a file that begins where a record does, or within a line that was cut.
pub(super) struct Cutter<'a> {
    piece: &'a [u8],
    at: usize,
    skips: bool,
    flush: Flush,
    multiline: Option<&'a Multiline>,
}

/// A line of the piece.
#[derive(Clone, Copy)]
struct Line<'a> {
    bytes: &'a [u8],
    /// Where what is behind it begins.
    end: usize,
    is_cut: bool,
    /// Whether its end is yet to come.
    is_open: bool,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(piece: &'a [u8], skips: bool, flush: Flush, multiline: Option<&'a Multiline>) -> Self {
        Self { piece, at: 0, skips, flush, multiline }
    }

    /// Up to where the piece is used, and whether that is within a line that was cut.
    pub(super) fn position(&self) -> (usize, bool) {
        (self.at, self.skips)
    }

    /// The next whole record.
    pub(super) fn next_record(&mut self) -> Option<Record<'a>> {
        if self.skips {
            self.skip();
        }
        let first = self.line_at(self.at)?;
        let (mut last, mut is_cut) = (first, first.is_cut);
        let mut text = text_of(first.bytes);
        if let Some(multiline) = self.multiline {
            let mut lines = 1;
            while !last.is_open && lines < multiline.max_lines {
                let Some(next) = self.line_at(last.end) else {
                    // The next line may belong to it.
                    if self.flush.records {
                        break;
                    }
                    return None;
                };
                let more = text_of(next.bytes);
                if multiline.start.regex().is_match(&more) || text.len() + more.len() >= MAX_RECORD_BYTES {
                    break;
                }
                let whole = text.to_mut();
                whole.push('\n');
                whole.push_str(&more);
                is_cut |= next.is_cut;
                last = next;
                lines += 1;
            }
        }
        let start = self.at;
        (self.at, self.skips) = (last.end, last.is_open);
        Some(Record { start, text, is_cut })
    }

    fn skip(&mut self) {
        match memchr(self.piece.get(self.at..).unwrap_or_default()) {
            Some(length) => (self.at, self.skips) = (self.at + length + 1, false),
            None => self.at = self.piece.len(),
        }
    }

    /// The line that begins there, if all of it is there, or more than is taken of one.
    fn line_at(&self, at: usize) -> Option<Line<'a>> {
        let rest = self.piece.get(at..).filter(|rest| !rest.is_empty())?;
        let whole = |bytes: &'a [u8], end, is_open| {
            let taken = bytes.get(..MAX_LINE_BYTES).unwrap_or(bytes);
            Line { bytes: taken, end, is_cut: taken.len() < bytes.len(), is_open }
        };
        match memchr(rest) {
            Some(length) => Some(whole(rest.get(..length).unwrap_or_default(), at + length + 1, false)),
            None if rest.len() > MAX_LINE_BYTES => Some(whole(rest, self.piece.len(), true)),
            // Who wrote it will not go on with it, so that there is nothing to be skipped.
            None if self.flush.lines => Some(whole(rest, self.piece.len(), false)),
            None => None,
        }
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}

fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_piece_is_cut_into_the_same_lines_wherever_it_is_torn(
            lines in proptest::collection::vec("[a-z\u{e9}\u{0}]{0,8}", 0..20), at in any::<prop::sample::Index>(),
        ) {
            let bytes: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
            let torn = if bytes.is_empty() { 0 } else { at.index(bytes.len()) };
            let mut found = Vec::new();
            let mut position = 0;
            for end in [torn, bytes.len()] {
                let mut cutter = Cutter::new(&bytes[position..end], false, Flush::default(), None);
                while let Some(record) = cutter.next_record() {
                    found.push(record.text.into_owned());
                }
                position += cutter.position().0;
            }
            prop_assert_eq!(found, lines);
        }

        #[test]
        fn whatever_a_file_holds_cutting_it_ends(bytes in any::<Vec<u8>>(), records in any::<bool>(), lines in any::<bool>(), skips in any::<bool>()) {
            let mut cutter = Cutter::new(&bytes, skips, Flush { records, lines }, None);
            let mut last = 0;
            while let Some(record) = cutter.next_record() {
                prop_assert!(record.start >= last && cutter.position().0 > record.start);
                last = cutter.position().0;
            }
            prop_assert!(cutter.position().0 <= bytes.len());
            prop_assert!(!lines || cutter.position().0 == bytes.len());
        }
    }
}
