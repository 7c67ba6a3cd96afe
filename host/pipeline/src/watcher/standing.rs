//! How rules stand, as the store has it: for people who ask why something fires, or why it does not.

use std::collections::BTreeMap;

use orion_bus::Loaded;
use orion_model::{Labels, Timestamp};
use serde::Serialize;

use super::changes::ALERT_ROOM;
use super::outcome::{HEALTH_ROOM, RuleHealth};
use crate::draft::key;
use crate::lifecycle::SavedAlert;

/// First part of the names under which groups commit.
pub const GROUP_OWNERS: &str = "group/";

/// How one rule stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Standing {
    /// The rule.
    pub rule: String,
    /// The last instant that was committed for its group. A quiet group keeps its instants every half a minute.
    pub evaluated_until: Option<Timestamp>,
    /// What its evaluations come to; `None` when it was never evaluated.
    pub health: Option<RuleHealth>,
    /// Its alerts, by their labels.
    pub alerts: Vec<StandingAlert>,
}

/// An alert as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StandingAlert {
    /// Its identity.
    pub labels: Labels,
    /// The instant it was first seen.
    pub since: Timestamp,
    /// The instant it fired; `None` while it is pending.
    pub fired_at: Option<Timestamp>,
    /// Since when it fires without being seen, under `keep_firing_for`.
    pub absent_since: Option<Timestamp>,
    /// For how many evaluations its data have been missing.
    pub missing: u32,
}

/// How the rules of a group stand, by their ids.
pub fn standings(loaded: &Loaded) -> BTreeMap<String, Standing> {
    let mut standings: BTreeMap<String, Standing> = BTreeMap::new();
    let evaluated_until = loaded.offset.map(Timestamp::from_millis);
    for (state_key, value) in &loaded.state {
        let parts = key::split(state_key, 3);
        let (room, rule) = match parts.as_slice() {
            [room, rule, ..] => (*room, String::from_utf8_lossy(rule).into_owned()),
            _ => continue,
        };
        let standing = || Standing { rule: rule.clone(), evaluated_until, ..Standing::default() };
        match room {
            HEALTH_ROOM => {
                standings.entry(rule.clone()).or_insert_with(standing).health = serde_json::from_slice(value).ok();
            }
            ALERT_ROOM => {
                let alert = serde_json::from_slice::<SavedAlert>(value).ok().map(standing_alert);
                standings.entry(rule.clone()).or_insert_with(standing).alerts.extend(alert);
            }
            _ => {}
        }
    }
    for standing in standings.values_mut() {
        standing.alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    standings
}

fn standing_alert(saved: SavedAlert) -> StandingAlert {
    let alert = saved.into_alert();
    StandingAlert {
        labels: alert.labels,
        since: alert.since,
        fired_at: alert.fired.map(|(at, _)| at),
        absent_since: alert.absent_since,
        missing: alert.missing,
    }
}
