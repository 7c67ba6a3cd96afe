//! One label set for all the events of an alert: in a long stretch of the past an alert is heard of again and again, and what is
//! remembered of its events would hold its labels as often.

use std::collections::HashMap;

use orion_model::{Event, Labels};

/// How many sets are kept before those that nothing else holds are looked for: a few megabytes of them.
const FIRST_SWEEP: usize = 16_384;

/// The label sets of alerts, by the alert.
pub struct SharedLabels {
    by_alert: HashMap<u64, Labels>,
    /// How many there are when it is worth looking again: twice as many as were needed the last time, so that looking costs
    /// each event the same however many alerts there are.
    sweep_at: usize,
}

impl Default for SharedLabels {
    fn default() -> Self {
        Self { by_alert: HashMap::new(), sweep_at: FIRST_SWEEP }
    }
}

impl SharedLabels {
    /// Gives an event the set that earlier events of its alert have, if it is the same.
    pub fn share(&mut self, event: &mut Event) {
        let known = self.by_alert.entry(event.fingerprint.as_u64()).or_insert_with(|| event.labels.clone());
        if *known == event.labels {
            event.labels = known.clone();
        } else {
            *known = event.labels.clone();
        }
        if self.by_alert.len() >= self.sweep_at {
            self.by_alert.retain(|_, labels| labels.is_held_elsewhere());
            self.sweep_at = FIRST_SWEEP.max(self.by_alert.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use orion_model::{Fingerprint, IdBuilder, Severity, Status, Timestamp};

    use super::*;

    fn event(alert: usize) -> Event {
        let id = IdBuilder::new("alert").number(i64::try_from(alert).unwrap()).finish();
        Event {
            event_id: id,
            event_type: "t".to_owned(),
            severity: Severity::Info,
            status: Status::Occurred,
            ts: Timestamp::from_millis(0),
            rule: "r".to_owned(),
            source: "s".to_owned(),
            generation: 1,
            fingerprint: Fingerprint::from(id),
            labels: Labels::from_iter([("alert", alert.to_string().as_str())]),
            annotations: Labels::empty(),
            data: serde_json::Map::new(),
            evidence: None,
        }
    }

    #[test]
    fn events_of_an_alert_have_one_set() {
        let mut shared = SharedLabels::default();
        let (mut first, mut second) = (event(7), event(7));
        shared.share(&mut first);
        shared.share(&mut second);
        assert!(std::ptr::eq(first.labels.as_text_and_ends().0, second.labels.as_text_and_ends().0));
    }

    #[test]
    fn sets_of_alerts_that_nobody_remembers_are_let_go_and_others_are_kept() {
        let mut shared = SharedLabels::default();
        let mut remembered = Vec::new();
        for alert in 0..4 * FIRST_SWEEP {
            let mut event = event(alert);
            shared.share(&mut event);
            if alert.is_multiple_of(8) {
                remembered.push(event);
            }
            assert!(shared.by_alert.len() < FIRST_SWEEP, "{} sets", shared.by_alert.len());
        }
        let kept = |event: &Event| shared.by_alert.contains_key(&event.fingerprint.as_u64());
        assert!(remembered.iter().all(kept));
    }
}
