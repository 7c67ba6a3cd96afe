//! Ids that anyone can compute again: hashes of what a thing is, never counters or random numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Sixteen bytes that name a record: an event, a revision of an incident, a decision. 32 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId([u8; 16]);

/// Sixteen bytes that name a label set or an alert; the same over its whole life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

/// sha256 of a file or plugin, as other tools print it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The parts of an identity, each with its length, so that no two lists of parts run together. Collected, and hashed in the
/// end: a hasher that takes one part after the other is two kilobytes large, and moving it costs more than the hash.
pub struct IdBuilder(Vec<u8>);

/// Most identities are a few texts and numbers.
const USUAL_BYTES: usize = 256;

impl IdBuilder {
    /// Starts an identity; `domain` keeps ids of different kinds apart.
    pub fn new(domain: &str) -> Self {
        Self(Vec::with_capacity(USUAL_BYTES)).text(domain)
    }

    /// Adds a text.
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a number.
    pub fn number(mut self, number: i64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// The id.
    pub fn finish(&self) -> RecordId {
        // The hash has 32 bytes; an id is its first half.
        RecordId(blake3::hash(&self.0).as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

impl From<RecordId> for Fingerprint {
    fn from(id: RecordId) -> Self {
        Self(id.0)
    }
}

impl Fingerprint {
    /// The first eight bytes as a number: what plugins see.
    pub fn as_u64(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Text that is not the hexadecimal form of an id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an id: expected {1} hexadecimal digits")]
pub struct InvalidId(String, usize);

/// Every record names a dozen ids: with the formatter of numbers they were a tenth of what it costs to write it.
const fn hex_digit(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'a' + (half - 10) }
}

/// What a hexadecimal digit says. Whoever reads an event reads some two hundred of them.
const fn half_of(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

macro_rules! hex_id {
    ($name:ident, $len:literal) => {
        impl $name {
            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; $len * 2];
                for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
                    pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
                }
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId(text.to_owned(), $len * 2);
                let (pairs, rest) = text.as_bytes().as_chunks::<2>();
                let pairs: &[[u8; 2]; $len] = pairs.try_into().map_err(|_| invalid())?;
                let mut bytes = [0; $len];
                for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
                    let (high, low) = half_of(*high).zip(half_of(*low)).ok_or_else(invalid)?;
                    *byte = (high << 4) | low;
                }
                if rest.is_empty() { Ok(Self(bytes)) } else { Err(invalid()) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::deserialize(deserializer)
            }
        }
    };
}

hex_id!(RecordId, 16);
hex_id!(Fingerprint, 16);
hex_id!(Digest, 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let one = IdBuilder::new("t").text("ab").text("c").finish();
        let two = IdBuilder::new("t").text("a").text("bc").finish();
        assert_ne!(one, two);
    }

    #[test]
    fn an_id_reads_as_it_was_written() {
        let id = IdBuilder::new("t").number(7).finish();
        assert_eq!(id.to_string().parse::<RecordId>().unwrap(), id);
        assert_eq!(id.to_string().to_uppercase().parse::<RecordId>().unwrap(), id);
        assert!("zz".parse::<RecordId>().is_err());
        assert!("+f".repeat(16).parse::<RecordId>().is_err());
        assert!(format!("{id}0").parse::<RecordId>().is_err());
        assert!("é".repeat(16).parse::<RecordId>().is_err());
    }
}
