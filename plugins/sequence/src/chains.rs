//! How far sequences have come. For each step there is one chain of events that ends with it: the one that began last,
//! because it can be completed for longest. No other could ever complete where this one cannot.

use orion_plugin::Stored;
use orion_plugin::pattern::{Moment, Track};

use crate::Steps;

/// The chain that ends at each step; empty where none does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chains(Vec<Vec<Moment<Steps>>>);

impl Chains {
    /// The chain that ends at a step.
    pub(crate) fn ending_at(&self, step: usize) -> &[Moment<Steps>] {
        self.0.get(step).map_or(&[], Vec::as_slice)
    }

    /// Drops the chains that began too early to be completed.
    pub(crate) fn forget(&mut self, left_behind: i64) {
        for chain in &mut self.0 {
            if chain.first().is_some_and(|first| first.time <= left_behind) {
                chain.clear();
            }
        }
    }

    /// The event stands for a step, if the step before it was reached.
    pub(crate) fn extend(&mut self, step: usize, moment: &Moment<Steps>) {
        if step > 0 && self.ending_at(step - 1).is_empty() {
            return;
        }
        if self.0.len() <= step {
            self.0.resize_with(step + 1, Vec::new);
        }
        let (before, after) = self.0.split_at_mut(step);
        let Some(chain) = after.first_mut() else { return };
        chain.clear();
        chain.extend(before.last().into_iter().flatten().copied());
        chain.push(*moment);
    }
}

impl Track<Steps> for Chains {
    fn events(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    fn has_firing(&self, fingerprint: u64) -> bool {
        self.0.iter().flatten().any(|moment| moment.fires && moment.fingerprint == fingerprint)
    }

    fn resolve(&mut self, fingerprint: u64) {
        let of_alert = self.0.iter_mut().flatten().filter(|moment| moment.fingerprint == fingerprint);
        of_alert.for_each(|moment| moment.fires = false);
    }
}

impl Stored for Chains {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let chains = Vec::<Vec<Moment<Steps>>>::read(from)?;
        let has_its_length = |(step, chain): (usize, &Vec<_>)| chain.is_empty() || chain.len() == step + 1;
        chains.iter().enumerate().all(has_its_length).then_some(Self(chains))
    }
}
