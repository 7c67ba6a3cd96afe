//! What comes to a hook: one that reads this kind of delivery refuses it, or makes events that are within every limit.
//!
//! The input is the kind and what the body is called on one line, a line for each attribute in the head, an empty line, the body.

use orion_model::{Delivery, HookKind, Timestamp};
use orion_pipeline::outside::hook::probe;

/// The corpus tells of the evening of this time.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn run(bytes: &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(end);
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut lines = head.lines();
    let Some((kind, content_type)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let Ok(kind) = kind.parse::<HookKind>() else { return };
    let attribute = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let delivery = Delivery {
        content_type: content_type.to_owned(),
        attributes: lines.filter_map(attribute).collect(),
        body: body.get(2..).unwrap_or_default().to_vec(),
        ..Delivery::default()
    };
    probe(kind, &delivery, NOW);
}
