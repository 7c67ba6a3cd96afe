//! The group as the store has it.

use orion_bus::Loaded;
use orion_model::Timestamp;

use super::session::SERIES_ROOM;
use super::{FIRST_EDITION, Group, RETURNED};
use crate::aside::ASIDE_ROOM;
use crate::condition;
use crate::draft::{NotWritable, key};
use crate::lifecycle::SavedAlert;
use crate::plugin_state::{OWNER_ROOM, PLUGIN_ROOM};
use crate::supervision::SUPERVISION_ROOM;
use crate::watcher::changes::ALERT_ROOM;
use crate::watcher::ended::{ENDED, end_saved, read, written};
use crate::watcher::outcome::HEALTH_ROOM;
use crate::watcher::rule::RuleRun;

impl Group {
    pub(super) fn restore(&mut self, loaded: Loaded, now: Timestamp) -> Result<(), NotWritable> {
        for (state_key, value) in loaded.state {
            let parts = key::split(&state_key, 3);
            match parts.as_slice() {
                [condition::ROOM, ..] => self.conditions.restore(&value),
                [ALERT_ROOM, rule, _] => match serde_json::from_slice::<SavedAlert>(&value) {
                    Ok(saved) => match self.run_of(rule) {
                        Some(run) => run.restore_alert(saved),
                        // The rule went away while Orion was down.
                        None => {
                            end_saved(rule, saved, now, self.plan.generation, &mut self.pending)?;
                            self.pending.delete(state_key);
                        }
                    },
                    Err(_) => self.pending.delete(state_key),
                },
                [ENDED] => {
                    self.last = None;
                    self.first_edition = read(&value).unwrap_or(self.plan.generation);
                    self.pending.delete(state_key);
                    self.pending.put_bytes(RETURNED.to_vec(), written(self.first_edition));
                }
                [RETURNED] => self.first_edition = read(&value).unwrap_or(FIRST_EDITION),
                [PLUGIN_ROOM, rule, name] => match self.run_of(rule) {
                    Some(run) => run.seat.state().restore_entry(name, &value),
                    None => self.pending.delete(state_key),
                },
                [HEALTH_ROOM, rule] => match self.run_of(rule) {
                    Some(run) => run.restore_health(&value),
                    None => self.pending.delete(state_key),
                },
                [SUPERVISION_ROOM, rule] => match self.run_of(rule) {
                    Some(run) => run.supervisor.restore(&value),
                    None => self.pending.delete(state_key),
                },
                [ASIDE_ROOM, rule, name] => match self.run_of(rule) {
                    Some(run) => run.asides.restore(name),
                    None => self.pending.delete(state_key),
                },
                [OWNER_ROOM, rule] => match self.run_of(rule) {
                    Some(run) => run.seat.state().restore_owner(&value),
                    None => self.pending.delete(state_key),
                },
                [SERIES_ROOM, expr, id] => {
                    if !self.restore_series(expr, id, &value) {
                        self.pending.delete(state_key);
                    }
                }
                _ => self.pending.delete(state_key),
            }
        }
        let generation = self.plan.generation;
        self.rules.iter_mut().try_for_each(|run| run.seat.restored(now, generation, &mut self.pending))
    }

    fn run_of(&mut self, rule: &[u8]) -> Option<&mut RuleRun> {
        self.rules.iter_mut().find(|run| run.rule().id.as_bytes() == rule)
    }
}
