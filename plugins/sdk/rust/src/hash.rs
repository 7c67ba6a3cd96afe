//! A hash for maps inside plugins: fixed, because a random seed would be a second input, and fast, because a correlator
//! hashes a key for every event. Keys that collide on purpose cost their plugin its fuel and nobody else anything.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

/// Builds the hasher of [`State`](crate::State).
pub(crate) type FixedState = BuildHasherDefault<FixedHasher>;

/// A number for a text, the same everywhere and always, for plugins that need to know texts apart and not what they say.
pub fn hash_text(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}

/// Eight bytes a step: xor, multiply, fold.
#[derive(Default)]
pub(crate) struct FixedHasher(u64);

const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl FixedHasher {
    const fn mix(&mut self, word: u64) {
        let product = (self.0 ^ word).wrapping_mul(FACTOR);
        self.0 = product ^ (product >> 32);
    }
}

impl Hasher for FixedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        // The length keeps texts apart that differ in zeros at the end.
        self.mix(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn finish(&self) -> u64 {
        // The map takes its buckets from the low bits and its tags from the high ones.
        self.0.wrapping_mul(FACTOR).rotate_left(26)
    }
}
