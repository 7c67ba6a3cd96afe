//! What a plugin has asked to be kept, in the order of its keys. Plugins remember a million keys of a few bytes each, so key and value lie in
//! one piece: as two of them, with a length and a capacity for each, they would take twice the room.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// How long the key is, before it.
const LENGTH_BYTES: usize = 4;

/// Entries by their key.
#[derive(Clone, Debug, Default)]
pub struct Kept(BTreeSet<Piece>);

impl Kept {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts an entry in the place of one with its key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.replace(Piece::of(key, value));
    }

    /// Takes an entry away.
    pub fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    /// Key and value of each, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(Piece::parts)
    }
}

/// The length of the key, the key, the value. It is compared by its key alone.
#[derive(Clone, Debug)]
struct Piece(Box<[u8]>);

impl Piece {
    fn of(key: &[u8], value: &[u8]) -> Self {
        // What a plugin hands over at once is bounded by some megabytes.
        let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(LENGTH_BYTES + key.len() + value.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        Self(bytes.into_boxed_slice())
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let Some((length, rest)) = self.0.split_first_chunk::<LENGTH_BYTES>() else { return (&[], &[]) };
        rest.split_at_checked(u32::from_le_bytes(*length) as usize).unwrap_or((rest, &[]))
    }

    fn key(&self) -> &[u8] {
        self.parts().0
    }
}

impl Borrow<[u8]> for Piece {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl Ord for Piece {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl PartialOrd for Piece {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Piece {}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds_in_its_order(
            steps in prop::collection::vec((prop::collection::vec(0_u8..3, 0..4), prop::option::of(any::<[u8; 2]>())), 0..40),
        ) {
            let (mut kept, mut map) = (Kept::default(), BTreeMap::new());
            for (key, value) in &steps {
                match value {
                    Some(value) => {
                        kept.put(key, value);
                        map.insert(key.as_slice(), value.as_slice());
                    }
                    None => {
                        kept.remove(key);
                        map.remove(key.as_slice());
                    }
                }
                prop_assert_eq!(kept.is_empty(), map.is_empty());
            }
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), map.into_iter().collect::<Vec<_>>());
        }
    }
}
