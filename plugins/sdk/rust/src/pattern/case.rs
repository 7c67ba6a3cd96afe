//! What is known of one key of a [`Watch`](super::Watch), and what time brings to it next.

use super::incident::{End, Incident, Life};
use super::timeline::Timeline;
use super::watch::Pattern;
use crate::stored::Stored;

/// One key.
pub(super) struct Case<P: Pattern> {
    pub(super) timeline: Timeline<P::Role, P::Track>,
    pub(super) incident: Option<Box<Incident>>,
    /// Events of the window that found no room in it.
    pub(super) dropped: u32,
}

impl<P: Pattern> Default for Case<P> {
    fn default() -> Self {
        Self { timeline: Timeline::default(), incident: None, dropped: 0 }
    }
}

/// What happens to a key if nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// What its incident gained is to be said.
    Say { at: i64 },
    /// Its events are too old to matter.
    Forget { at: i64 },
    /// The window is over that its first event began.
    Judge { at: i64 },
    /// Its incident ends.
    End { at: i64, end: End },
}

impl Next {
    pub(super) const fn at(self) -> i64 {
        match self {
            Self::Say { at } | Self::Forget { at } | Self::Judge { at } | Self::End { at, .. } => at,
        }
    }
}

impl<P: Pattern> Case<P> {
    pub(super) fn next(&self, life: &Life, judged_at_the_end: bool) -> Option<Next> {
        let say = self.incident.as_deref().and_then(|incident| incident.gains.due()).map(|at| Next::Say { at });
        // At one instant what was gained is said first: it is part of what happens next.
        say.into_iter().chain(self.next_but_words(life, judged_at_the_end)).min_by_key(|next| next.at())
    }

    fn next_but_words(&self, life: &Life, judged_at_the_end: bool) -> Option<Next> {
        let end = self.incident.as_deref().map(|incident| incident.end(life));
        if judged_at_the_end {
            return self.next_of_windows(life, end);
        }
        match end {
            Some((at, end)) => Some(Next::End { at, end }),
            None => Some(Next::Forget { at: self.timeline.newest()?.saturating_add(life.window_millis) }),
        }
    }

    /// An incident does not lapse while a window is open that may prolong it.
    fn next_of_windows(&self, life: &Life, end: Option<(i64, End)>) -> Option<Next> {
        let begun = self.timeline.oldest();
        let judge = begun.map(|begun| Next::Judge { at: begun.saturating_add(life.window_millis) });
        let waits = |(at, end): &(i64, End)| *end == End::Aged || begun.is_none_or(|begun| begun >= *at);
        // What kept it open was a window, never an alert.
        let end = end.filter(waits).map(|(at, end)| match end {
            End::Aged => Next::End { at, end },
            End::Lapsed | End::Resolved => Next::End { at, end: End::Lapsed },
        });
        // At one instant the window comes first: it still belongs to the incident.
        judge.into_iter().chain(end).min_by_key(|next| next.at())
    }

    /// Whether something is kept here as firing.
    pub(super) fn has_firing(&self, fingerprint: u64) -> bool {
        self.timeline.has_firing(fingerprint)
            || self.incident.as_deref().is_some_and(|incident| incident.waits_for(fingerprint))
    }
}

impl<P: Pattern> Stored for Case<P> {
    fn write(&self, out: &mut Vec<u8>) {
        self.timeline.write(out);
        self.incident.is_some().write(out);
        if let Some(incident) = &self.incident {
            incident.write(out);
        }
        self.dropped.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let timeline = Timeline::read(from)?;
        let incident = Option::read(from)?.map(Box::new);
        Some(Self { timeline, incident, dropped: u32::read(from)? })
    }
}
