//! Where the audit trail begins, once retention has taken away its beginning: what the chains were there. Without it nobody
//! could tell a trail whose beginning was kept for its time from one whose beginning somebody removed.
//!
//! Memory keeps it in the store, in the same commit with which the store forgets, and before a file is deleted.

use orion_bus::{Loaded, StateChange};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::MemoryError;
use super::head::Heads;

/// The name under which Memory commits, which every host does for its own files. Its offset is the position up to which the
/// store has forgotten.
pub const MEMORY_OWNER: &str = "local/memory";

const STORE_KEY: &[u8] = b"begin\0store";
const FILES_KEY: &[u8] = b"begin\0files";

/// Where the two halves of the trail begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begins {
    /// The first record that the store still has comes behind this.
    pub store: Begin,
    /// Files up to the ends of these chains were deleted, each kind by its own files.
    pub files: Heads,
}

/// A position, and what the chains were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// On the bus.
    pub position: u64,
    /// The chains up to there.
    pub heads: Heads,
}

impl Begins {
    /// Of a trail that is all there.
    pub const NONE: Self = Self { store: Begin { position: 0, heads: Heads::NONE }, files: Heads::NONE };

    /// As Memory left them in the store.
    pub fn of(loaded: &Loaded) -> Result<Self, MemoryError> {
        let store = read(loaded, STORE_KEY)?.unwrap_or(Self::NONE.store);
        Ok(Self { store, files: read(loaded, FILES_KEY)?.unwrap_or(Heads::NONE) })
    }

    /// What the store has to keep of them.
    pub(super) fn changes(&self) -> Result<Vec<StateChange>, MemoryError> {
        Ok(vec![put(STORE_KEY, &self.store)?, put(FILES_KEY, &self.files)?])
    }
}

fn read<T: DeserializeOwned>(loaded: &Loaded, key: &[u8]) -> Result<Option<T>, MemoryError> {
    let Some((_, value)) = loaded.state.iter().find(|(known, _)| known == key) else { return Ok(None) };
    serde_json::from_slice(value).map(Some).map_err(|error| MemoryError::Begins { why: error.to_string() })
}

fn put(key: &[u8], value: &impl Serialize) -> Result<StateChange, MemoryError> {
    let value = serde_json::to_vec(value).map_err(|error| MemoryError::Begins { why: error.to_string() })?;
    Ok(StateChange::Put { key: key.to_vec(), value })
}
