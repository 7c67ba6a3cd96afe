//! What one Guardian of all correlations knows, cut for the Guardians of partitions: as a host does that was alone and goes on
//! among others.

use std::collections::BTreeMap;

use orion_bus::{Loaded, Partition, Role};

use crate::condition::{self, Condition};
use crate::draft::key;

/// Cuts it. Every part stands at the same position; parts of which nothing is known are left out.
pub fn split(whole: Loaded) -> BTreeMap<Partition, Loaded> {
    let mut parts: BTreeMap<Partition, Loaded> = BTreeMap::new();
    for (state_key, value) in whole.state {
        let Some(correlation) = correlation_of(&state_key, &value) else { continue };
        let part = parts.entry(Partition::of(Role::Guardian, &correlation)).or_default();
        part.offset = whole.offset;
        part.state.push((state_key, value));
    }
    parts
}

/// The correlation that an entry is about.
fn correlation_of(state_key: &[u8], value: &[u8]) -> Option<String> {
    match key::split(state_key, 3).as_slice() {
        [condition::ROOM, ..] => {
            let condition: Condition = serde_json::from_slice(value).ok()?;
            condition.labels.get("rule").map(str::to_owned)
        }
        [_, correlation, ..] => Some(String::from_utf8_lossy(correlation).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use orion_model::Severity;

    use super::*;
    use crate::guardian::Share;

    #[test]
    fn every_entry_goes_to_the_guardian_that_has_its_correlation() {
        let about = Condition::new("plugin_fault", Severity::Error, "orion", [("rule", "f.yaml/b"), ("plugin", "p")]);
        let fault = (key::of(&[condition::ROOM, b"00"]), serde_json::to_vec(&about).unwrap());
        let state: Vec<(Vec<u8>, Vec<u8>)> = vec![
            fault.clone(),
            (key::of(&[b"open", b"f.yaml/a", b"k\0with\0zeros"]), b"1".to_vec()),
            (key::of(&[b"open", b"f.yaml/b", b"k"]), b"2".to_vec()),
            (key::of(&[b"plugin-owner", b"f.yaml/a"]), b"3".to_vec()),
        ];
        let parts = split(Loaded { offset: Some(9), state: state.clone() });
        let of = |id: &str| parts[&Partition::of(Role::Guardian, id)].clone();
        assert_eq!(of("f.yaml/a"), Loaded { offset: Some(9), state: vec![state[1].clone(), state[3].clone()] });
        assert_eq!(of("f.yaml/b").state, [fault, state[2].clone()]);
        for (partition, part) in parts {
            assert!(
                part.state.iter().all(|(key, value)| Share::Of(partition).has(&correlation_of(key, value).unwrap()))
            );
        }
    }
}
