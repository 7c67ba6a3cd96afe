//! What is known of one key, and what time brings to it next.

use orion_plugin::Stored;
use orion_plugin::pattern::{End, Few, Incident, Life, Moment};

use crate::Part;

/// Events of a key that expect another. More of them expect the same one: they are counted and not listed.
const MOST_WAITING: usize = 1_000;

/// Events of a key that wait for their instant to be over. With more, the oldest is looked at at once.
const MOST_RECENT: usize = 10_000;

/// One key.
#[derive(Default)]
pub(crate) struct Case {
    /// Events that were not looked at, in order: others may still come before them.
    pub(crate) recent: Few<Moment<Part>>,
    /// Events that expect another, in order.
    pub(crate) waiting: Few<Moment<Part>>,
    pub(crate) incident: Option<Box<Incident>>,
    /// Events that expect another and found no room among these.
    pub(crate) dropped: u32,
}

/// What happens to a key if nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// What its incident gained is to be said.
    Say { at: i64 },
    /// What was expected is missed.
    Missed { at: i64 },
    /// The incident ends.
    End { at: i64, end: End },
    /// The instant of an event is over.
    Happened { at: i64 },
}

impl Next {
    /// Up to when everything must have been observed.
    pub(crate) const fn due(self) -> i64 {
        match self {
            Self::Say { at } | Self::Missed { at } | Self::End { at, .. } => at,
            // Another event of this instant may come before it.
            Self::Happened { at } => at.saturating_add(1),
        }
    }

    /// Its place in time. At one instant what is missed comes before what happens: exactly the window is too late.
    const fn order(self) -> (i64, u8) {
        match self {
            Self::Say { at } => (at, 0),
            Self::Missed { at } => (at, 1),
            Self::End { at, .. } => (at, 2),
            Self::Happened { at } => (at, 3),
        }
    }
}

impl Case {
    pub(crate) fn keep(&mut self, moment: Moment<Part>) {
        let place = self.recent.partition_point(|other| other.order() <= moment.order());
        self.recent.insert(place, moment);
    }

    pub(crate) fn wait(&mut self, moment: Moment<Part>) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push(moment);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    pub(crate) fn next(&self, life: &Life) -> Option<Next> {
        let missed =
            self.waiting.first().map(|first| Next::Missed { at: first.time.saturating_add(life.window_millis) });
        let end = self.incident.as_deref().map(|incident| incident.end(life)).map(|(at, end)| Next::End { at, end });
        let happened = self.recent.first().map(|first| Next::Happened { at: first.time });
        let say = self.incident.as_deref().and_then(|incident| incident.gains.due()).map(|at| Next::Say { at });
        say.into_iter().chain(missed).chain(end).chain(happened).min_by_key(|next| next.order())
    }

    /// Whether there are more events than may wait.
    pub(crate) fn is_crowded(&self) -> bool {
        self.recent.len() > MOST_RECENT
    }
}

impl Stored for Case {
    fn write(&self, out: &mut Vec<u8>) {
        self.recent.write(out);
        self.waiting.write(out);
        self.incident.is_some().write(out);
        if let Some(incident) = &self.incident {
            incident.write(out);
        }
        self.dropped.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (recent, waiting) = (Few::<Moment<Part>>::read(from)?, Few::<Moment<Part>>::read(from)?);
        let is_sorted = |moments: &Few<Moment<Part>>| moments.iter().is_sorted_by_key(Moment::order);
        let incident = Option::read(from)?.map(Box::new);
        let dropped = u32::read(from)?;
        (is_sorted(&recent) && is_sorted(&waiting)).then_some(Self { recent, waiting, incident, dropped })
    }
}
