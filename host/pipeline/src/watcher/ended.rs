//! The end of a group that is in no rule file any more, from what the store has of it.
//!
//! The same for a group that was running and for one that went away while Orion was down.

use orion_bus::{Bus, BusError, Commit, Loaded};
use orion_model::Timestamp;

use super::changes::ALERT_ROOM;
use super::event::removed;
use super::standing::GROUP_OWNERS;
use crate::condition::{self, Conditions};
use crate::draft::{Draft, NotWritable, key};
use crate::lifecycle::{Lifecycle, SavedAlert};

/// The state key that says: this group was removed, and should it return, the time in between is not caught up. Its value is the
/// generation that removed it, as [`written`] writes it.
pub const ENDED: &[u8] = b"ended";

/// A number as it stands in the state of a group.
pub fn written(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Reads what [`written`] wrote.
pub fn read(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The owner under which a group commits.
pub fn owner_of(group_id: &str) -> String {
    format!("{GROUP_OWNERS}{group_id}")
}

/// The commit that ends a group which is in no rule file any more, from what the store has of it: its alerts resolve,
/// its state is forgotten. `None` when there is nothing to end.
fn end_group(group_id: &str, loaded: Loaded, now: Timestamp, generation: u64) -> Result<Option<Commit>, NotWritable> {
    let is_ended = loaded.state.iter().all(|(key, _)| key.as_slice() == ENDED);
    let Some(offset) = loaded.offset.filter(|_| !is_ended || loaded.state.is_empty()) else { return Ok(None) };
    let mut draft = Draft::default();
    let mut conditions = Conditions::default();
    for (state_key, value) in loaded.state {
        match key::split(&state_key, 3).as_slice() {
            [condition::ROOM, ..] => conditions.restore(&value),
            [ALERT_ROOM, rule, _] => {
                if let Ok(saved) = serde_json::from_slice(&value) {
                    end_saved(rule, saved, now, generation, &mut draft)?;
                }
            }
            _ => {}
        }
    }
    for condition in conditions.iter().cloned().collect::<Vec<_>>() {
        conditions.clear(&mut draft, &condition, now, generation, "the group was removed")?;
    }
    draft.clear();
    draft.put_bytes(ENDED.to_vec(), written(generation));
    // Another offset, so that a group of the same id that was started meanwhile finds out and starts again from this.
    Ok(Some(draft.into_commit(&owner_of(group_id), Some(offset), offset.saturating_add(1))))
}

/// Ends what the store has of a group that is in no rule file any more.
pub async fn end_stored_group(
    bus: &dyn Bus,
    group_id: &str,
    now: Timestamp,
    generation: u64,
) -> Result<(), EndGroupError> {
    let loaded = bus.load(&owner_of(group_id)).await?;
    if let Some(commit) = end_group(group_id, loaded, now, generation)? {
        orion_bus::crash_point!("group_end::before_commit");
        bus.commit(commit).await?;
        orion_bus::crash_point!("group_end::after_commit");
    }
    Ok(())
}

/// Why a group's end could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum EndGroupError {
    /// The bus did not take it.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
}

/// The end of one alert of a rule that is gone.
pub fn end_saved(
    rule: &[u8],
    saved: SavedAlert,
    now: Timestamp,
    generation: u64,
    draft: &mut Draft,
) -> Result<(), NotWritable> {
    let mut lifecycle = Lifecycle::default();
    lifecycle.restore(saved);
    for changed in lifecycle.end().iter().filter(|changed| changed.transition.is_some()) {
        draft.event(&removed(&String::from_utf8_lossy(rule), &changed.alert, now, generation))?;
    }
    Ok(())
}
