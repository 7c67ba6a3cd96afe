//! Numbers and quoted texts as Go writes them.

use super::lex::TokenKind;

/// A number: `1`, `-1`, `0x1f`, `0b1`, `0o7`, `017`, `1_000`, `1.5`, `1e3`. Whole where Go would make an `int` of it.
pub(super) fn number(written: &str) -> Option<TokenKind> {
    let (negative, digits) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || digits.ends_with('_') {
        return None;
    }
    let digits = digits.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let radix = [("0x", 16), ("0b", 2), ("0o", 8)].into_iter().find_map(|(p, r)| Some((lower.strip_prefix(p)?, r)));
    let whole = match radix {
        Some((rest, radix)) => i128::from_str_radix(rest, radix).ok()?,
        None if lower.contains(['.', 'e']) => {
            let number: f64 = digits.parse().ok()?;
            return Some(TokenKind::Number(if negative { -number } else { number }));
        }
        None if lower.len() > 1 && lower.starts_with('0') => i128::from_str_radix(&lower, 8).ok()?,
        None => lower.parse().ok()?,
    };
    i64::try_from(if negative { -whole } else { whole }).ok().map(TokenKind::Integer)
}

/// Byte of the closing quote of a text that starts with one; a line break ends the search.
pub(super) fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The text that escapes stand for, or the byte of the escape that means nothing.
pub(crate) fn unescape(text: &str, quote: char) -> Result<String, usize> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let (_, escape) = chars.next().ok_or(at)?;
        let mut digits = |first: Option<char>, count: usize, radix: u32| {
            let more = count - usize::from(first.is_some());
            let taken: String = first.into_iter().chain(chars.by_ref().take(more).map(|(_, c)| c)).collect();
            (taken.chars().count() == count).then(|| u32::from_str_radix(&taken, radix).ok()).flatten().ok_or(at)
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            c if c == quote => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            'x' => bytes.push(u8::try_from(digits(None, 2, 16)?).map_err(|_| at)?),
            'u' => push_char(&mut bytes, digits(None, 4, 16)?).ok_or(at)?,
            'U' => push_char(&mut bytes, digits(None, 8, 16)?).ok_or(at)?,
            '0'..='7' => bytes.push(u8::try_from(digits(Some(escape), 3, 8)?).map_err(|_| at)?),
            _ => return Err(at),
        }
    }
    // Escaped bytes may be no UTF-8; every text of Orion is.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn push_char(bytes: &mut Vec<u8>, code: u32) -> Option<()> {
    bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_as_go_reads_them() {
        for (written, value) in
            [("1", 1), ("-1", -1), ("+7", 7), ("0x1F", 31), ("0b11", 3), ("0o17", 15), ("017", 15), ("1_000", 1000)]
        {
            assert_eq!(number(written), Some(TokenKind::Integer(value)), "{written}");
        }
        for (written, value) in [("1.5", 1.5), ("-.5", -0.5), ("1e3", 1000.0), ("2.", 2.0)] {
            assert_eq!(number(written), Some(TokenKind::Number(value)), "{written}");
        }
        for written in ["", "-", "1_", "0xg", "1i", "08", "99999999999999999999", "1.2.3", "--1"] {
            assert_eq!(number(written), None, "{written}");
        }
    }

    #[test]
    fn escapes_stand_for_what_go_says() {
        assert_eq!(unescape(r#"a\n\t\"\\\x41\101\u00fc\U0001F600"#, '"').unwrap(), "a\n\t\"\\AAü😀");
        for (text, at) in [(r"ab\q", 2), (r"\x4", 0), (r"\ud800", 0), (r"\", 0), (r"\'", 0), (r"\400", 0)] {
            assert_eq!(unescape(text, '"'), Err(at), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_literal_panics(text in r#"[-+0-9a-fxobeE_.\\u'"ü]{0,20}"#) {
            let _ = (number(&text), unescape(&text, '"'), end_of_quoted(&text, '"'));
        }
    }
}
