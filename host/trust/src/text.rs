//! Small text files: how they are read, and how digests stand in them.

use std::io::Read;
use std::path::Path;

use orion_model::Digest;

/// What stands before the digits of a digest, so that a reader knows what they are.
const SHA256: &str = "sha256:";

/// Reads a file that has to be text of at most so many bytes. The error is a reason, without the file's name.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long from one that is just short enough.
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > max_bytes {
        return Err(format!("it has more than {max_bytes} bytes, the most that is read"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// A digest as it stands in files and messages.
pub(crate) fn shown(digest: Digest) -> String {
    format!("{SHA256}{digest}")
}

/// Reads what [`shown`] wrote.
pub(crate) fn digest(text: &str) -> Result<Digest, String> {
    let digits = text.strip_prefix(SHA256).ok_or_else(|| format!("`{text}` is not `{SHA256}` and 64 digits"))?;
    digits.parse().map_err(|error| format!("{error}"))
}

/// A text between quotes, as TOML reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_allowed_size_is_read_and_a_longer_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_text(&path, 3), Ok("abc".to_owned()));
        assert_eq!(read_text(&path, 2), Err("it has more than 2 bytes, the most that is read".to_owned()));
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 3), Err("it is not UTF-8 text".to_owned()));
    }

    #[test]
    fn a_digest_reads_back_and_says_which_hash_it_is() {
        let one = Digest::from_bytes([7; 32]);
        assert_eq!(digest(&shown(one)), Ok(one));
        assert!(digest(&one.to_string()).is_err());
        assert!(digest("sha256:07").is_err());
    }
}
