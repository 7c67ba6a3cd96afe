//! Why an alert was not seen: what an answer says of the series the alert is about.
//!
//! Asked only about alerts that no finding showed, so what it takes to answer is put together when it is first needed.

use std::collections::HashSet;

use orion_model::{Fingerprint, Frame, Labels, SeriesTable};
use orion_rules::{AlertRule, OnEmpty};

use super::event::alert_labels;
use crate::lifecycle::{Absence, Alert};

/// An answer, as the alerts of one rule look at it.
pub struct AnswerOf<'a> {
    /// The rule.
    pub rule: &'a AlertRule,
    /// Whether the identity of its alerts changes with their value.
    pub identity_needs_value: bool,
    /// Which series the ids stand for.
    pub table: &'a SeriesTable,
    /// The answer.
    pub frame: &'a Frame,
    present: Option<Vec<bool>>,
    identities: Option<HashSet<Fingerprint>>,
}

impl<'a> AnswerOf<'a> {
    /// Of that frame.
    pub fn new(rule: &'a AlertRule, identity_needs_value: bool, table: &'a SeriesTable, frame: &'a Frame) -> Self {
        Self { rule, identity_needs_value, table, frame, present: None, identities: None }
    }

    /// Why an alert was not seen.
    pub fn absence(&mut self, alert: &Alert) -> Absence {
        let no_data = self.rule.no_data;
        let is_partial = self.frame.is_partial();
        if self.frame.is_empty() {
            return match no_data.on_empty {
                OnEmpty::Resolve if !is_partial => Absence::Recovered,
                OnEmpty::Keep => Absence::Held,
                OnEmpty::Resolve | OnEmpty::Missing | OnEmpty::Fire => Absence::Missing,
            };
        }
        match (no_data.absent_is_missing || is_partial) && !self.is_present(alert) {
            true => Absence::Missing,
            false => Absence::Recovered,
        }
    }

    fn is_present(&mut self, alert: &Alert) -> bool {
        match alert.series {
            Some((id, generation)) => {
                self.table.generation_of(id) == Some(generation)
                    && self.present().get(id as usize).copied().unwrap_or(false)
            }
            // Nobody can tell which series it was: that the data are there has to be enough.
            None if self.identity_needs_value => true,
            None => self.identities().contains(&alert.fingerprint),
        }
    }

    fn present(&mut self) -> &[bool] {
        self.present.get_or_insert_with(|| {
            let mut present = vec![false; self.table.capacity()];
            for id in &self.frame.ids {
                if let Some(place) = present.get_mut(*id as usize) {
                    *place = true;
                }
            }
            present
        })
    }

    /// What the alerts of the series in the answer would be called, and one about the answer as a whole.
    fn identities(&mut self) -> &HashSet<Fingerprint> {
        self.identities.get_or_insert_with(|| {
            let nameless = Labels::empty();
            let series = self.frame.samples().filter_map(|(id, _, value)| Some((self.table.labels(id)?, value)));
            let all = series.chain(std::iter::once((&nameless, f64::NAN)));
            all.map(|(labels, value)| alert_labels(self.rule, labels, value).fingerprint()).collect()
        })
    }
}
