//! PEM: a block of base64 between two lines that name it. Whatever stands before the block is a comment, as it is to openssl.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Width of a line of base64, as in RFC 7468.
const LINE_CHARS: usize = 64;

/// What a text holds: its comment, and one block.
#[derive(Debug, PartialEq, Eq)]
pub struct Pem {
    /// First line before the block that says something.
    pub comment: String,
    /// What the block says it is.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Pem {
    /// The text.
    pub fn write(&self) -> String {
        let Self { comment, label, bytes } = self;
        let encoded = STANDARD.encode(bytes);
        let mut text = if comment.is_empty() { String::new() } else { format!("{comment}\n") };
        text.push_str(&format!("{BEGIN}{label}{DASHES}\n"));
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            // Base64 is ASCII: every index is between two characters.
            let (line, behind) = rest.split_at(rest.len().min(LINE_CHARS));
            text.push_str(&format!("{line}\n"));
            rest = behind;
        }
        text.push_str(&format!("{END}{label}{DASHES}\n"));
        text
    }

    /// Reads a text with exactly one block.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim_end);
        let mut comment = String::new();
        let label = loop {
            let line = lines.next().ok_or("there is no line `-----BEGIN …-----` in it")?;
            if let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) {
                break label.to_owned();
            }
            if comment.is_empty() {
                line.trim().clone_into(&mut comment);
            }
        };
        let end = format!("{END}{label}{DASHES}");
        let mut encoded = String::new();
        loop {
            let line = lines.next().ok_or_else(|| format!("it ends before `{end}`"))?;
            if line == end {
                break;
            }
            encoded.push_str(line);
        }
        if lines.any(|line| !line.is_empty()) {
            return Err(format!("something stands behind `{end}`: one key a file"));
        }
        let bytes = STANDARD.decode(&encoded).map_err(|error| format!("its base64 is damaged: {error}"))?;
        Ok(Self { comment, label, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(comment in "[a-z ]{0,20}", bytes in any::<Vec<u8>>()) {
            let pem = Pem { comment: comment.trim().to_owned(), label: "PUBLIC KEY".to_owned(), bytes };
            prop_assert_eq!(Pem::read(&pem.write()), Ok(pem));
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>(), cut in any::<prop::sample::Index>()) {
            let _ = Pem::read(&text);
            let whole = Pem { comment: "a key".to_owned(), label: "PUBLIC KEY".to_owned(), bytes: vec![7; 44] }.write();
            let cut = cut.index(whole.len());
            // Only the line break at the very end may be missing.
            prop_assert!(Pem::read(&whole[..cut]).is_err() || cut == whole.len() - 1);
        }
    }
}
