//! A walk over JSON bytes: strict about what JSON is, free of recursion without bound, without any copy.

use std::borrow::Cow;

use super::fault::Fault;

/// Answers nest five deep; a source that sends a thousand brackets is after the stack.
const MAX_DEPTH: u32 = 32;

/// Where the decoder stands in an answer.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A JSON text between its quotes, escapes untouched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    raw: &'a [u8],
    at: usize,
    escaped: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The same answer, from another place.
    pub(super) fn moved_to(&self, at: usize) -> Self {
        Self { bytes: self.bytes, at }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What lies between an earlier place and here.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.bytes.len());
    }

    /// Steps over `literal` if it stands here.
    #[inline]
    pub(super) fn take(&mut self, literal: &[u8]) -> bool {
        let here = self.rest().starts_with(literal);
        if here {
            self.at += literal.len();
        }
        here
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is no white space.
    pub(super) fn next_byte(&mut self) -> Result<u8, Fault> {
        self.skip_space();
        self.peek().ok_or(Fault::CutOff)
    }

    /// Steps over `byte`, which may follow white space, if it comes next.
    pub(super) fn eat(&mut self, byte: u8) -> Result<bool, Fault> {
        let here = self.next_byte()? == byte;
        if here {
            self.at += 1;
        }
        Ok(here)
    }

    pub(super) fn expect(&mut self, byte: u8, missing: &'static str) -> Result<(), Fault> {
        if self.eat(byte)? { Ok(()) } else { Err(Fault::not_json(missing, self.at)) }
    }

    /// Nothing but white space may follow.
    pub(super) fn expect_end(&mut self) -> Result<(), Fault> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Fault::not_json("something follows the answer", self.at)),
        }
    }

    /// The next key of the object whose `{` was read, its colon included; `None` at the closing brace.
    pub(super) fn next_key(&mut self, first: &mut bool) -> Result<Option<Text<'a>>, Fault> {
        if !self.next_item(b'}', first)? {
            return Ok(None);
        }
        let key = self.text()?;
        self.expect(b':', "`:` is missing")?;
        Ok(Some(key))
    }

    /// Whether another item comes before `close`; steps over the comma or over `close`.
    pub(super) fn next_item(&mut self, close: u8, first: &mut bool) -> Result<bool, Fault> {
        if std::mem::take(first) {
            return Ok(!self.eat(close)?);
        }
        if self.eat(close)? {
            return Ok(false);
        }
        self.expect(b',', "`,` is missing")?;
        Ok(true)
    }

    /// A text where a value stands; `otherwise` says what is wrong with any other value.
    pub(super) fn text_value(&mut self, otherwise: &'static str) -> Result<Text<'a>, Fault> {
        if self.next_byte()? == b'"' { self.text() } else { Err(Fault::shape(otherwise, self.at)) }
    }

    fn text(&mut self) -> Result<Text<'a>, Fault> {
        self.expect(b'"', "a text is missing")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek().ok_or(Fault::CutOff)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                0..0x20 => return Err(Fault::not_json("a control character in a text", self.at)),
                _ => self.at += 1,
            }
        }
        let raw = self.since(start);
        self.at += 1;
        Ok(Text { raw, at: start, escaped })
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), Fault> {
        let kind = self.peek().ok_or(Fault::CutOff)?;
        let digits = match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
            b'u' => 4,
            _ => return Err(Fault::not_json("an escape that JSON does not have", self.at)),
        };
        self.at += 1;
        for _ in 0..digits {
            if !self.peek().ok_or(Fault::CutOff)?.is_ascii_hexdigit() {
                return Err(Fault::not_json("`\\u` without four hex digits", self.at));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// A JSON number, as it is written.
    pub(super) fn number(&mut self) -> Result<&'a [u8], Fault> {
        self.skip_space();
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return Err(Fault::not_json("a number with a leading zero", start));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        // Wherever a number may stand, something must follow; without it the last digits may be missing.
        self.peek().ok_or(Fault::CutOff)?;
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.at - start {
            0 if self.peek().is_none() => Err(Fault::CutOff),
            0 => Err(Fault::not_json("a number is missing", self.at)),
            digits => Ok(digits),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self) -> Result<bool, Fault> {
        let flag = self.next_byte()? == b't';
        self.word(if flag { b"true" } else { b"false" })?;
        Ok(flag)
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if self.take(word) {
            Ok(())
        } else if word.starts_with(self.rest()) {
            Err(Fault::CutOff)
        } else {
            Err(Fault::not_json("a value is missing", self.at))
        }
    }

    /// Steps over any value, and checks that it is one.
    pub(super) fn skip_value(&mut self) -> Result<(), Fault> {
        self.skip_nested(MAX_DEPTH)
    }

    fn skip_nested(&mut self, depth_left: u32) -> Result<(), Fault> {
        let byte = self.next_byte()?;
        let deeper = depth_left.checked_sub(1).ok_or(Fault::NotJson { why: "too deep", at: self.at });
        let mut first = true;
        match byte {
            b'{' => {
                self.at += 1;
                let deeper = deeper?;
                while self.next_key(&mut first)?.is_some() {
                    self.skip_nested(deeper)?;
                }
            }
            b'[' => {
                self.at += 1;
                let deeper = deeper?;
                while self.next_item(b']', &mut first)? {
                    self.skip_nested(deeper)?;
                }
            }
            b'"' => drop(self.text()?),
            b't' | b'f' => drop(self.flag()?),
            b'n' => self.word(b"null")?,
            _ => drop(self.number()?),
        }
        Ok(())
    }
}

impl<'a> Text<'a> {
    /// The bytes, when they mean themselves.
    pub(super) fn plain(&self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.raw)
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The text that the bytes mean.
    pub(super) fn read(&self) -> Result<Cow<'a, str>, Fault> {
        let text = std::str::from_utf8(self.raw).map_err(|_| Fault::not_json("a text is not UTF-8", self.at))?;
        if self.escaped { self.unescape(text).map(Cow::Owned) } else { Ok(Cow::Borrowed(text)) }
    }

    /// [`Cursor::text`] has checked what follows each backslash; surrogates are checked here.
    fn unescape(&self, text: &str) -> Result<String, Fault> {
        let lone = || Fault::not_json("half a surrogate pair", self.at);
        let mut plain = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\\') {
            plain.push_str(before);
            let mut characters = after.chars();
            let escape = characters.next().ok_or(Fault::CutOff)?;
            rest = characters.as_str();
            plain.push(match escape {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let mut code = u32::from(code_unit(&mut rest).ok_or_else(lone)?);
                    if (0xD800..0xDC00).contains(&code) {
                        rest = rest.strip_prefix("\\u").ok_or_else(lone)?;
                        let low = u32::from(code_unit(&mut rest).ok_or_else(lone)?);
                        let low = low.checked_sub(0xDC00).filter(|low| *low < 0x400).ok_or_else(lone)?;
                        code = 0x1_0000 + ((code - 0xD800) << 10) + low;
                    }
                    char::from_u32(code).ok_or_else(lone)?
                }
                itself => itself,
            });
        }
        plain.push_str(rest);
        Ok(plain)
    }
}

/// Four hex digits, taken off the front.
fn code_unit(rest: &mut &str) -> Option<u16> {
    let (digits, after) = rest.split_at_checked(4)?;
    *rest = after;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<String, String> {
        let mut cursor = Cursor::new(json.as_bytes());
        let text = cursor.text().map_err(|fault| format!("{fault:?}"))?;
        text.read().map(Cow::into_owned).map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn escapes_and_surrogate_pairs_mean_what_json_says() {
        assert_eq!(read(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é""#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\té😀é");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for broken in [r#""\x""#, r#""\u12G4""#, r#""\ud800""#, r#""\ud800\u0041""#, r#""\udc00""#, "\"\n\""] {
            assert!(read(broken).unwrap_err().contains("NotJson"), "{broken}");
        }
        for cut in [r#""abc"#, r#""\"#, r#""\u12"#, ""] {
            assert_eq!(read(cut).unwrap_err(), "CutOff", "{cut}");
        }
    }

    #[test]
    fn control_characters_are_refused_and_a_space_is_not() {
        for byte in 0..=b' ' {
            let text = format!("\"{}\"", char::from(byte));
            assert_eq!(read(&text).is_ok(), byte == b' ', "{byte}");
        }
    }

    #[test]
    fn skipping_stops_at_the_depth_limit_and_not_before() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Cursor::new(nested(32).as_bytes()).skip_value().is_ok());
        assert!(Cursor::new(nested(33).as_bytes()).skip_value().is_err());
        assert!(Cursor::new(nested(1_000_000).as_bytes()).skip_value().is_err());
    }
}
