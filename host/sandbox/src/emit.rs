//! The emit boundary: what a plugin says becomes a value of the model, or the end of the call.
//!
//! One plugin could otherwise fill the host's memory or its records: so the number of things said, the bytes of
//! their texts one by one and together, and every reference they make are checked here, and nowhere after.

use orion_model::{Change, ChangeKind, Field, Finding, Scalar, SeriesId, Severity, Timestamp};

use crate::limits::Limits;
use crate::wit::correlator::orion::plugin::incidents;
use crate::wit::detector::orion::plugin::findings;

/// Times outside of this have no form in RFC 3339, and no source ever measured them.
const EARLIEST_MILLIS: i64 = 0;
const LATEST_MILLIS: i64 = 253_402_300_799_999;

/// Why something that was said is not taken. Which call said it, the one who made the call knows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("more than {limit} {what}")]
    Quota { what: &'static str, limit: usize, setting: &'static str },
    #[error("{0}")]
    Malformed(String),
}

/// What one call may still say.
struct Allowance {
    limits: Limits,
    /// What is said here.
    what: &'static str,
    /// The call in which it is said; `None` while nothing may be.
    listening: Option<Listening>,
}

/// What is left of a call's quotas.
struct Listening {
    things: Quota,
    text: Quota,
}

/// A number that runs down, and what to say when it has.
#[derive(Clone, Copy)]
struct Quota {
    what: &'static str,
    limit: usize,
    left: usize,
    setting: &'static str,
}

impl Quota {
    const fn new(what: &'static str, limit: usize, setting: &'static str) -> Self {
        Self { what, limit, left: limit, setting }
    }

    fn take(&mut self, amount: usize) -> Result<(), Rejection> {
        match self.left.checked_sub(amount) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Rejection::Quota { what: self.what, limit: self.limit, setting: self.setting }),
        }
    }
}

impl Allowance {
    const fn new(limits: Limits, what: &'static str) -> Self {
        Self { limits, what, listening: None }
    }

    fn open(&mut self, items: usize, spare: usize, setting: &'static str) {
        let text = self.limits.emitted_bytes.saturating_add(self.limits.item_emitted_bytes.saturating_mul(items));
        self.listening = Some(Listening {
            things: Quota::new(self.what, items.saturating_add(spare), setting),
            text: Quota::new("bytes of text", text, "emitted_bytes"),
        });
    }

    fn close(&mut self) {
        self.listening = None;
    }

    fn listening(&mut self) -> Result<&mut Listening, Rejection> {
        let early = Rejection::Malformed(format!("nobody asked for {} here", self.what));
        self.listening.as_mut().ok_or(early)
    }

    fn thing(&mut self) -> Result<(), Rejection> {
        self.listening()?.things.take(1)
    }

    fn at_most(what: &str, found: usize, limit: usize, setting: &str) -> Result<(), Rejection> {
        if found <= limit {
            return Ok(());
        }
        let why = format!("{what} is {found}, at most {limit} are taken; the setting is `{setting}`");
        Err(Rejection::Malformed(why))
    }

    fn text(&mut self, what: &str, text: &str, limit: usize, setting: &str) -> Result<(), Rejection> {
        Self::at_most(what, text.len(), limit, setting)?;
        self.listening()?.text.take(text.len())
    }

    fn timestamp(millis: i64) -> Result<Timestamp, Rejection> {
        if (EARLIEST_MILLIS..=LATEST_MILLIS).contains(&millis) {
            return Ok(Timestamp::from_millis(millis));
        }
        Err(Rejection::Malformed(format!("timestamp {millis} is not between 1970 and 9999")))
    }

    fn fields<F: Into<Field>>(&mut self, fields: Vec<F>) -> Result<Vec<Field>, Rejection> {
        Self::at_most("the number of fields", fields.len(), self.limits.fields, "fields")?;
        let fields: Vec<Field> = fields.into_iter().map(Into::into).collect();
        for (index, field) in fields.iter().enumerate() {
            let (name, most) = (&field.name, self.limits.field_name_bytes);
            self.text("the length of a field's name", name, most, "field_name_bytes")?;
            if name.is_empty() {
                return Err(Rejection::Malformed("a field without a name".to_owned()));
            }
            if fields.iter().take(index).any(|earlier| earlier.name == *name) {
                return Err(Rejection::Malformed(format!("field `{name}` stands twice")));
            }
            if let Scalar::Text(text) = &field.value {
                self.text("the length of a field's text", text, self.limits.field_text_bytes, "field_text_bytes")?;
            }
        }
        Ok(fields)
    }
}

/// NaN has many bit patterns, and which one comes out of arithmetic differs between machines: records keep one.
const fn canonical(number: f64) -> f64 {
    if number.is_nan() { f64::NAN } else { number }
}

/// Where the findings of one detector go.
pub(crate) struct FindingBox {
    findings: Vec<Finding>,
    allowance: Allowance,
    defined: SeriesSet,
}

impl FindingBox {
    pub(crate) fn new(limits: Limits) -> Self {
        let allowance = Allowance::new(limits, "findings");
        Self { findings: Vec::new(), allowance, defined: SeriesSet::default() }
    }

    /// Which series it may speak about.
    pub(crate) const fn defined(&mut self) -> &mut SeriesSet {
        &mut self.defined
    }

    /// Makes room for one call about `samples`, appending to `findings`.
    pub(crate) fn open(&mut self, samples: usize, findings: &mut Vec<Finding>) {
        self.allowance.open(samples, self.allowance.limits.spare_findings, "spare_findings");
        std::mem::swap(&mut self.findings, findings);
    }

    /// Ends the call: what it said is in `findings` again, and until the next one nothing more may be said.
    pub(crate) fn close(&mut self, findings: &mut Vec<Finding>) {
        std::mem::swap(&mut self.findings, findings);
        self.allowance.close();
    }

    fn check(&mut self, said: findings::Finding) -> Result<Finding, Rejection> {
        let allowance = &mut self.allowance;
        allowance.thing()?;
        if let Some(series) = said.series
            && !self.defined.contains(series)
        {
            return Err(Rejection::Malformed(format!("series {series} was not defined")));
        }
        let most = allowance.limits.message_bytes;
        allowance.text("the length of the message", &said.message, most, "message_bytes")?;
        Ok(Finding {
            series: said.series,
            severity: said.severity.map(Into::into),
            timestamp: Allowance::timestamp(said.timestamp)?,
            value: canonical(said.value),
            score: said.score.map(canonical),
            message: said.message.into_boxed_str(),
            fields: allowance.fields(said.fields)?,
        })
    }
}

impl findings::Host for FindingBox {
    fn emit(&mut self, said: findings::Finding) -> wasmtime::Result<()> {
        let finding = self.check(said)?;
        self.findings.push(finding);
        Ok(())
    }
}

/// Where the changes of one correlator go.
pub(crate) struct ChangeBox {
    changes: Vec<Change>,
    allowance: Allowance,
}

impl ChangeBox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { changes: Vec::new(), allowance: Allowance::new(limits, "changes") }
    }

    /// Makes room for one call about `events`, appending to `changes`.
    pub(crate) fn open(&mut self, events: usize, changes: &mut Vec<Change>) {
        self.allowance.open(events, self.allowance.limits.spare_changes, "spare_changes");
        std::mem::swap(&mut self.changes, changes);
    }

    /// Ends the call: what it said is in `changes` again, and until the next one nothing more may be said.
    pub(crate) fn close(&mut self, changes: &mut Vec<Change>) {
        std::mem::swap(&mut self.changes, changes);
        self.allowance.close();
    }

    fn check(&mut self, said: incidents::Change) -> Result<Change, Rejection> {
        let allowance = &mut self.allowance;
        allowance.thing()?;
        let (key_bytes, reason_bytes) = (allowance.limits.key_bytes, allowance.limits.reason_bytes);
        allowance.text("the length of the key", &said.key, key_bytes, "key_bytes")?;
        allowance.text("the length of the reason", &said.reason, reason_bytes, "reason_bytes")?;
        let positions = allowance.limits.positions;
        Allowance::at_most("the number of positions", said.positions.len(), positions, "positions")?;
        let timestamp = Allowance::timestamp(said.timestamp)?;
        let fields = allowance.fields(said.fields)?;
        let kind = match said.kind {
            incidents::ChangeKind::Opened => ChangeKind::Opened,
            incidents::ChangeKind::Updated => ChangeKind::Updated,
            incidents::ChangeKind::Resolved => ChangeKind::Resolved,
        };
        let (severity, positions) = (said.severity.into(), said.positions);
        Ok(Change { key: said.key, kind, severity, timestamp, reason: said.reason, positions, fields })
    }
}

impl incidents::Host for ChangeBox {
    fn emit(&mut self, said: incidents::Change) -> wasmtime::Result<()> {
        let change = self.check(said)?;
        self.changes.push(change);
        Ok(())
    }
}

/// The contract repeats these types in both interfaces, because a shared one would be a second import.
macro_rules! from_contract {
    ($interface:ident) => {
        impl From<$interface::Severity> for Severity {
            fn from(severity: $interface::Severity) -> Self {
                match severity {
                    $interface::Severity::Info => Self::Info,
                    $interface::Severity::Warning => Self::Warning,
                    $interface::Severity::Error => Self::Error,
                    $interface::Severity::Critical => Self::Critical,
                }
            }
        }

        impl From<$interface::Field> for Field {
            fn from(field: $interface::Field) -> Self {
                let value = match field.value {
                    $interface::Scalar::Text(text) => Scalar::Text(text),
                    $interface::Scalar::Number(number) => Scalar::Number(canonical(number)),
                    $interface::Scalar::Integer(integer) => Scalar::Integer(integer),
                    $interface::Scalar::Flag(flag) => Scalar::Flag(flag),
                };
                Self { name: field.name, value }
            }
        }
    };
}

from_contract!(findings);
from_contract!(incidents);

/// Which ids stand for a series. Ids are dense, so this is a bit each.
#[derive(Default)]
pub(crate) struct SeriesSet(Vec<u64>);

impl SeriesSet {
    const BITS: u32 = u64::BITS;

    const fn place(id: SeriesId) -> (usize, u64) {
        ((id / Self::BITS) as usize, 1 << (id % Self::BITS))
    }

    pub(crate) fn insert(&mut self, id: SeriesId) {
        let (word, bit) = Self::place(id);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    pub(crate) fn remove(&mut self, id: SeriesId) {
        let (word, bit) = Self::place(id);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }

    fn contains(&self, id: SeriesId) -> bool {
        let (word, bit) = Self::place(id);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}
