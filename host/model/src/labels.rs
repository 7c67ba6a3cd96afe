//! Label sets: sorted, immutable, compact, cheap to share.
//!
//! A set is one run of text and the end of each piece, three allocations however many labels it has: fifty thousand
//! active alerts with eight labels each take 15 MB instead of 60. The same form crosses into plugins.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{Fingerprint, IdBuilder};

/// Name → value pairs, sorted by name, each name once, no empty values (an empty value is no label, as in Prometheus).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<Pieces>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Pieces {
    text: Box<str>,
    /// End of name 0, value 0, name 1, value 1, …
    ends: Box<[u32]>,
}

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        LabelsBuilder::new().build()
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// All labels in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut pieces = self.pieces();
        std::iter::from_fn(move || Some((pieces.next()?, pieces.next()?)))
    }

    /// Name 0, value 0, name 1, value 1, …
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let text: &str = &self.0.text;
        let mut start = 0_usize;
        self.0.ends.iter().map(move |&end| {
            let end = end as usize;
            let piece = text.get(start..end).unwrap_or_default();
            start = end;
            piece
        })
    }

    /// The value of a label; `None` when the set has no such label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The text of all pieces and the end of each, as plugins are told labels.
    pub fn as_text_and_ends(&self) -> (&str, &[u32]) {
        (&self.0.text, &self.0.ends)
    }

    /// Whether something else holds the same set in memory, and it is worth keeping for that.
    pub fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The identity of the set: equal sets have equal fingerprints, on every machine.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut id = IdBuilder::new("labels");
        for piece in self.pieces() {
            id = id.text(piece);
        }
        Fingerprint::from(id.finish())
    }

    /// A builder that starts with these labels.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of label names and text values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut read = Read::default();
                while map.next_key_seed(Piece(&mut read))?.is_some() {
                    map.next_value_seed(Piece(&mut read))?;
                }
                Ok(read.into_labels())
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Labels as they are read: the pieces one after the other, which is how a set holds them when they come in its order. Sets that
/// Orion wrote do, so reading one takes no copy of each piece.
#[derive(Default)]
struct Read {
    text: String,
    ends: Vec<u32>,
}

/// The next piece of them.
struct Piece<'a>(&'a mut Read);

impl<'de> DeserializeSeed<'de> for Piece<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Piece<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, piece: &str) -> Result<(), E> {
        self.0.text.push_str(piece);
        self.0.ends.push(end_of(&self.0.text));
        Ok(())
    }
}

impl Read {
    fn into_labels(self) -> Labels {
        let read = Labels(Arc::new(Pieces { text: self.text.into(), ends: self.ends.into() }));
        let has_values = read.iter().all(|(_, value)| !value.is_empty());
        let in_order = read.iter().map(|(name, _)| name).is_sorted_by(|one, next| one < next);
        // Collected anew, the last word for a name counts.
        if has_values && in_order { read } else { read.to_builder().build() }
    }
}

/// Label sets are made behind doors that cap their bytes far below 4 GiB.
fn end_of(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// Collects labels in any order.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// No labels yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a label; an empty value removes it. The last word for a name counts.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.pairs.push((name.into(), value.into()));
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The finished set.
    pub fn build(mut self) -> Labels {
        // Stable, so that of equal names the one set last stands last.
        self.pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::with_capacity(self.pairs.iter().map(|(name, value)| name.len() + value.len()).sum());
        let mut ends = Vec::with_capacity(self.pairs.len() * 2);
        let mut pairs = self.pairs.iter().peekable();
        while let Some((name, value)) = pairs.next() {
            let overridden = pairs.peek().is_some_and(|next| next.0 == *name);
            if overridden || value.is_empty() {
                continue;
            }
            for piece in [name, value] {
                text.push_str(piece);
                ends.push(end_of(&text));
            }
        }
        Labels(Arc::new(Pieces { text: text.into(), ends: ends.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_word_counts_and_an_empty_value_is_no_label() {
        let labels: Labels = [("b", "1"), ("a", "x"), ("b", "2"), ("c", "")].into_iter().collect();
        assert_eq!(labels.to_string(), r#"{a="x", b="2"}"#);
        assert_eq!(labels.get("b"), Some("2"));
        assert_eq!(labels.get("c"), None);
    }

    #[test]
    fn what_others_wrote_is_read_whatever_its_order_and_only_texts_are() {
        let read = |json| serde_json::from_str::<Labels>(json).ok().map(|labels| labels.to_string());
        assert_eq!(read(r#"{"b":"1","a":"\u0078\n","b":"2","c":""}"#).as_deref(), Some("{a=\"x\\n\", b=\"2\"}"));
        assert_eq!(read(r#"{"a":"1","b":"2"}"#).as_deref(), Some(r#"{a="1", b="2"}"#));
        assert_eq!(read(r#"{"a":"1","b":""}"#).as_deref(), Some(r#"{a="1"}"#));
        for refused in [r#"{"a":1}"#, r#"{"a":null}"#, "[]", r#""a""#, r#"{"a":"1""#] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }

    proptest! {
        #[test]
        fn a_set_equals_the_sorted_map_of_its_pairs(pairs in proptest::collection::vec(("[a-c]{1,2}", ".{0,4}"), 0..8)) {
            let labels: Labels = pairs.clone().into_iter().collect();
            let map: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
            let want: Vec<_> = map.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.as_str(), v.as_str())).collect();
            prop_assert_eq!(labels.iter().collect::<Vec<_>>(), want);
            let json = serde_json::to_string(&labels).unwrap();
            prop_assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
        }
    }
}
