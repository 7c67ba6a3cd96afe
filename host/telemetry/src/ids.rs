//! Ids of traces and spans.
//!
//! Those of the library come from a generator that finds no function for random bytes in a static program and opens a device instead. A
//! confined process may not, and the first span would end it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

/// Hashes of a counter, under keys that the standard library had from the system.
#[derive(Debug, Default)]
pub struct Ids {
    keys: RandomState,
    given: AtomicU64,
}

impl Ids {
    fn next(&self) -> [u8; 8] {
        self.keys.hash_one(self.given.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let mut bytes = [0; 16];
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&self.next());
        second.copy_from_slice(&self.next());
        TraceId::from_bytes(bytes)
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(self.next())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_id_is_given_twice_nor_by_two_processes() {
        let (here, elsewhere) = (Ids::default(), Ids::default());
        let spans: HashSet<_> = (0..1_000).flat_map(|_| [here.new_span_id(), elsewhere.new_span_id()]).collect();
        let traces: HashSet<_> = (0..1_000).flat_map(|_| [here.new_trace_id(), elsewhere.new_trace_id()]).collect();
        assert_eq!((spans.len(), traces.len()), (2_000, 2_000));
        assert!(!spans.contains(&SpanId::INVALID) && !traces.contains(&TraceId::INVALID));
    }
}
