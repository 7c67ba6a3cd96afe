//! The changes of one call, in order. What a call adds to one incident is one change, however many events that are.

use crate::change::{Change, ChangeKind, Changes};
use crate::finding::{Field, Scalar};
use crate::map::Id;
use crate::severity::Severity;

/// Positions in one change. The host takes ten times as many; an incident that gets more gets them in several steps.
const MOST_POSITIONS: usize = 1_000;

/// Bytes of a reason, and of a fact. The host ends a call that says more, and both may quote what others wrote.
const MOST_REASON: usize = 1_000;
const MOST_FACT: usize = 4_000;

/// Changes of a call, the last of each open incident still growing. `I` is how its owner calls an incident.
pub struct Outbox<I = Id> {
    call: u32,
    drafts: Vec<Draft<I>>,
}

impl<I> Default for Outbox<I> {
    fn default() -> Self {
        Self { call: 0, drafts: Vec::new() }
    }
}

/// Where in the outbox an incident grows. Kept with the incident and not saved: a call begins without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    call: u32,
    index: u32,
}

impl Mark {
    /// Of an incident that has not grown yet.
    pub const NONE: Self = Self { call: 0, index: 0 };
}

/// A change, and what went into it.
struct Draft<I> {
    change: Change,
    /// Whose facts are asked for when the call ends; `None` once they are there.
    facts_of: Option<I>,
    joined: usize,
    rose: bool,
    news: Option<String>,
}

/// What an incident gained with an event.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// When.
    pub time: i64,
    /// Of the incident, now.
    pub severity: Severity,
    /// Whether that is higher than before.
    pub rose: bool,
    /// Bus position of the event.
    pub position: u64,
    /// Whether it is an event that the incident did not have.
    pub is_new: bool,
}

/// What is said of an incident as a whole: when, how bad, why.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub time: i64,
    /// How bad it is.
    pub severity: Severity,
    /// Why.
    pub reason: String,
}

impl<I> Outbox<I> {
    /// A call begins.
    pub fn begin(&mut self) {
        // Never zero: that is the call of a mark that was never set.
        self.call = self.call.wrapping_add(1).max(1);
    }

    /// An incident opens. Its facts are asked for when the call ends.
    pub fn open(&mut self, id: I, key: &str, step: Step, positions: Vec<u64>) -> Mark {
        let mark = self.next_mark();
        let draft = self.push(ChangeKind::Opened, key, step);
        draft.change.positions = positions;
        draft.facts_of = Some(id);
        mark
    }

    /// An incident grows by an event.
    pub fn update(&mut self, id: I, key: &str, mark: &mut Mark, growth: Growth) {
        let Growth { time, severity, .. } = growth;
        let Some(draft) = self.growing(id, key, mark, time, severity) else { return };
        draft.joined += usize::from(growth.is_new);
        draft.rose |= growth.rose;
        draft.change.positions.push(growth.position);
    }

    /// Something else is to be said of an open incident. Of several such things in one call the last is said.
    pub fn remark(&mut self, id: I, key: &str, mark: &mut Mark, step: Step) {
        // Why it opened stays what it was: a remark in the same call is a change of its own.
        let opens = |draft: &&Draft<I>| draft.change.kind == ChangeKind::Opened;
        if mark.call == self.call && self.drafts.get(mark.index as usize).filter(opens).is_some() {
            *mark = Mark::default();
        }
        let Some(draft) = self.growing(id, key, mark, step.time, step.severity) else { return };
        draft.news = Some(step.reason);
    }

    /// An incident is over.
    pub fn resolve(&mut self, key: &str, mark: Mark, step: Step, facts: &[Field]) {
        // What it gained in this call is said with the facts of now; when the call ends they are gone.
        if let Some(draft) = self.drafts.get_mut(mark.index as usize).filter(|_| mark.call == self.call) {
            draft.facts_of = None;
            draft.change.fields = facts.to_vec();
        }
        self.push(ChangeKind::Resolved, key, step).change.fields = facts.to_vec();
    }

    /// Hands the changes of the call over. `facts` are those of an incident that is open now.
    pub fn send(&mut self, changes: &mut Changes, mut facts: impl FnMut(I) -> Vec<Field>) {
        for mut draft in self.drafts.drain(..) {
            if let Some(id) = draft.facts_of.take() {
                draft.change.fields = facts(id);
            }
            draft.finish().into_iter().for_each(|change| changes.emit(change));
        }
    }

    fn next_mark(&self) -> Mark {
        Mark { call: self.call, index: u32::try_from(self.drafts.len()).unwrap_or(u32::MAX) }
    }

    fn push(&mut self, kind: ChangeKind, key: &str, step: Step) -> &mut Draft<I> {
        let Step { time: timestamp, severity, reason } = step;
        let (key, positions, fields) = (key.to_owned(), Vec::new(), Vec::new());
        let change = Change { key, kind, severity, timestamp, reason, positions, fields };
        self.drafts.push_mut(Draft { change, facts_of: None, joined: 0, rose: false, news: None })
    }

    /// The change of this call in which an incident grows; a new one if there is none.
    fn growing(&mut self, id: I, key: &str, mark: &mut Mark, time: i64, severity: Severity) -> Option<&mut Draft<I>> {
        if mark.call != self.call {
            *mark = self.next_mark();
            self.push(ChangeKind::Updated, key, Step { time, severity, reason: String::new() }).facts_of = Some(id);
        }
        let draft = self.drafts.get_mut(mark.index as usize)?;
        draft.change.severity = severity;
        if draft.change.kind == ChangeKind::Updated {
            draft.change.timestamp = draft.change.timestamp.max(time);
        }
        Some(draft)
    }
}

impl<I> Draft<I> {
    /// The change, in as many steps as its positions need.
    fn finish(mut self) -> Vec<Change> {
        if self.change.kind == ChangeKind::Updated {
            self.change.reason = self.growth();
        }
        shorten(&mut self.change.reason, MOST_REASON);
        for field in &mut self.change.fields {
            if let Scalar::Text(text) = &mut field.value {
                shorten(text, MOST_FACT);
            }
        }
        let positions = std::mem::take(&mut self.change.positions);
        let mut pieces = positions.chunks(MOST_POSITIONS);
        self.change.positions = pieces.next().unwrap_or_default().to_vec();
        let further = |piece: &[u64]| Change {
            kind: ChangeKind::Updated,
            reason: "further events".to_owned(),
            positions: piece.to_vec(),
            ..self.change.clone()
        };
        let further: Vec<_> = pieces.map(further).collect();
        std::iter::once(self.change).chain(further).collect()
    }

    fn growth(&mut self) -> String {
        let joined = match self.joined {
            0 => None,
            1 => Some("1 new event".to_owned()),
            more => Some(format!("{more} new events")),
        };
        let rose = self.rose.then(|| format!("severity rose to {}", self.change.severity.as_str()));
        joined.into_iter().chain(rose).chain(self.news.take()).collect::<Vec<_>>().join(", ")
    }
}

/// Cuts a text that is too long, and shows that.
fn shorten(text: &mut String, most: usize) {
    const CUT: &str = "…";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(time: i64, reason: &str) -> Step {
        Step { time, severity: Severity::Info, reason: reason.to_owned() }
    }

    fn sent(outbox: &mut Outbox<u8>) -> Vec<Change> {
        let mut changes = Changes::default();
        outbox.send(&mut changes, |id| vec![Field { name: "id".to_owned(), value: i64::from(id).into() }]);
        changes.said
    }

    #[test]
    fn what_a_call_adds_to_an_incident_is_one_change_with_its_facts() {
        let mut outbox = Outbox::default();
        let growth = |time, position| Growth { time, severity: Severity::Error, rose: true, position, is_new: true };
        outbox.begin();
        let mut mark = outbox.open(7, "k", step(1, "opens"), vec![1]);
        outbox.update(7, "k", &mut mark, growth(2, 2));
        outbox.update(7, "k", &mut mark, growth(3, 3));
        let said = sent(&mut outbox);
        assert_eq!(
            (said.len(), &*said[0].reason, said[0].timestamp, &*said[0].positions),
            (1, "opens", 1, &[1, 2, 3][..])
        );
        assert_eq!((said[0].severity, &said[0].fields[0].value), (Severity::Error, &7_i64.into()));
        outbox.begin();
        outbox.update(7, "k", &mut mark, growth(4, 4));
        outbox.remark(7, "k", &mut mark, step(5, "by the way"));
        outbox.resolve("k", mark, step(6, "over"), &[]);
        let said = sent(&mut outbox);
        assert_eq!((&*said[0].reason, said[0].timestamp), ("1 new event, severity rose to info, by the way", 5));
        assert_eq!((said[1].kind, &said[0].fields[..]), (ChangeKind::Resolved, &[][..]));
    }

    #[test]
    fn a_remark_leaves_the_reason_of_opening_alone() {
        let mut outbox = Outbox::default();
        outbox.begin();
        let mut mark = outbox.open(7, "k", step(1, "opens"), vec![1]);
        outbox.remark(7, "k", &mut mark, step(2, "by the way"));
        let reasons: Vec<_> = sent(&mut outbox).into_iter().map(|change| change.reason).collect();
        assert_eq!(reasons, ["opens", "by the way"]);
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        let mut outbox = Outbox::default();
        outbox.begin();
        outbox.open(7, "k", step(1, &"ä".repeat(600)), vec![1]);
        let reason = sent(&mut outbox).remove(0).reason;
        assert!(reason.len() <= 1_000 && reason.ends_with("ä…"), "{}", reason.len());
    }
}
