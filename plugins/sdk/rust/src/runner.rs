//! A plugin being called: the same steps whether a host calls it through WebAssembly or a test calls it directly.

use crate::event::{Batch, Columns};
use crate::frame::{Frame, SeriesBook, SeriesId};
use crate::state::Entry;
use crate::{Changes, Correlator, Detector, Findings, Parameters, Refused, Stateful};

/// One instance of a detector.
#[derive(Default)]
pub struct DetectorRunner<D> {
    detector: Option<D>,
    book: SeriesBook,
}

impl<D: Detector> DetectorRunner<D> {
    /// Not configured yet.
    pub const fn new() -> Self {
        Self { detector: None, book: SeriesBook::new() }
    }

    pub(crate) fn configure(&mut self, parameters: &Parameters) -> Result<(), Refused> {
        self.detector = Some(D::configure(parameters)?);
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        self.detector.as_mut()?.state()
    }

    pub(crate) fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        restore(self.state(), version, entries)
    }

    pub(crate) fn define(&mut self, ids: &[SeriesId], label_counts: &[u32], text: Vec<u8>, ends: Vec<u32>) {
        self.book.define(ids, label_counts, text, ends);
    }

    pub(crate) fn drop_series(&mut self, ids: &[SeriesId]) {
        self.book.drop_series(ids);
        if let Some(state) = self.state() {
            state.series_dropped(ids);
        }
    }

    pub(crate) fn observe(
        &mut self,
        now: i64,
        ids: &[SeriesId],
        timestamps: &[i64],
        values: &[f64],
        findings: &mut Findings,
    ) {
        if let Some(detector) = &mut self.detector {
            detector.observe(&Frame::new(now, ids, timestamps, values, &self.book), findings);
        }
    }

    pub(crate) fn checkpoint(&mut self) -> Vec<Entry> {
        self.state().map(Stateful::checkpoint).unwrap_or_default()
    }
}

/// One instance of a correlator.
#[derive(Default)]
pub struct CorrelatorRunner<C> {
    correlator: Option<C>,
}

impl<C: Correlator> CorrelatorRunner<C> {
    /// Not configured yet.
    pub const fn new() -> Self {
        Self { correlator: None }
    }

    pub(crate) fn configure(&mut self, parameters: &Parameters) -> Result<(), Refused> {
        self.correlator = Some(C::configure(parameters)?);
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn Stateful> {
        self.correlator.as_mut()?.state()
    }

    pub(crate) fn restore(&mut self, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
        restore(self.state(), version, entries)
    }

    pub(crate) fn correlate(&mut self, now: i64, events: &Columns, changes: &mut Changes) {
        if let Some(correlator) = &mut self.correlator {
            correlator.correlate(now, &Batch(events), changes);
        }
    }

    pub(crate) fn checkpoint(&mut self) -> Vec<Entry> {
        self.state().map(Stateful::checkpoint).unwrap_or_default()
    }
}

fn restore(state: Option<&mut dyn Stateful>, version: u32, entries: Vec<Entry>) -> Result<(), Refused> {
    match state {
        Some(state) => state.restore(version, entries),
        None if entries.is_empty() => Ok(()),
        None => Err("there is saved state, and this plugin keeps none".into()),
    }
}
