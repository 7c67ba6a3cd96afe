//! What waits to be forwarded, with a bound.
//!
//! At the bound nothing is thrown away: records are not taken any more. A group whose commit is refused tries again and stands still, and
//! when there is room it evaluates what it missed, as far back as the source remembers and `--catch-up` goes; what is further back is
//! said to be missed. To drop the oldest instead would take away that something fires, and leave that it ended.

use std::sync::Arc;

use async_trait::async_trait;
use orion_bus::{Bus, BusError, Commit, Committed, Front};

use super::FORWARD_OWNER;
use super::meter::ForwardMeter;
use super::progress::position_of;

/// What may wait: some hundred thousand events, days of a busy host.
pub const DEFAULT_BUFFER_MIB: u64 = 256;

/// Records that are counted at once.
const COUNTED_AT_ONCE: usize = 1_024;

/// A bus that takes records while there is room for them.
pub struct Buffer {
    bus: Arc<dyn Bus>,
    meter: Arc<ForwardMeter>,
}

impl Buffer {
    /// Counts what waits now.
    pub async fn open(bus: Arc<dyn Bus>, limit_bytes: u64) -> Result<Self, BusError> {
        let meter = Arc::new(ForwardMeter::with_limit(limit_bytes));
        let buffer = Self { bus, meter };
        let position = position_of(&buffer.bus.load(FORWARD_OWNER).await?);
        buffer.count_behind(position).await?;
        Ok(buffer)
    }

    pub(super) fn meter(&self) -> Arc<ForwardMeter> {
        self.meter.clone()
    }

    /// Counts anew. Nobody commits meanwhile what is not counted: a commit counts itself, and is counted twice at worst until the next
    /// start.
    pub(super) async fn count_behind(&self, mut position: u64) -> Result<(), BusError> {
        let (mut records, mut bytes) = (0, 0);
        loop {
            let entries = self.bus.read(position, COUNTED_AT_ONCE).await?;
            let Some(last) = entries.last().map(|entry| entry.seq) else { break };
            records += entries.len() as u64;
            bytes += entries.iter().map(|entry| entry.body.len() as u64).sum::<u64>();
            position = last;
        }
        self.meter.waits(signed(records), signed(bytes));
        Ok(())
    }

    /// So much does not wait any more.
    pub(super) fn passed(&self, records: u64, bytes: u64) {
        self.meter.wait(signed(records).saturating_neg(), signed(bytes).saturating_neg());
    }

    async fn count(&self, committed: &Committed, bytes: u64) -> Result<(), BusError> {
        let bytes = match committed.duplicates {
            0 => bytes,
            // What was left out of the commit does not wait.
            _ => {
                let after = committed.positions.start.saturating_sub(1);
                let entries = self.bus.read(after, committed.appended).await?;
                entries.iter().map(|entry| entry.body.len() as u64).sum()
            }
        };
        self.meter.wait(signed(committed.appended as u64), signed(bytes));
        Ok(())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl Front for Buffer {
    fn behind(&self) -> &dyn Bus {
        &*self.bus
    }

    async fn hand_over(&self, commit: Commit) -> Result<Committed, BusError> {
        if commit.records.is_empty() {
            return self.bus.commit(commit).await;
        }
        let (kept, limit) = (self.meter.backlog_bytes(), self.meter.limit_bytes());
        // What forwarding itself has to say goes with what it took out.
        if kept >= limit && commit.owner != FORWARD_OWNER {
            return Err(BusError::BufferFull { kept, limit });
        }
        let bytes = commit.records.iter().map(|record| record.body.len() as u64).sum();
        let committed = self.bus.commit(commit).await?;
        if committed.appended > 0 {
            // It is committed whether it could be counted or not.
            let counted = self.count(&committed, bytes).await;
            counted.unwrap_or_else(|error| tracing::warn!("what waits to be forwarded is not counted whole: {error}"));
        }
        Ok(committed)
    }
}
