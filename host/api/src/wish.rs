//! What somebody wants to say, beside what was said before: the same again is no new mark, and what nobody says cannot be withdrawn. The
//! host that runs decides so, and the command where none does.

use orion_model::{About, BadMark, Mark, Marked, RecordId, Said};

use crate::register::Register;

/// What somebody wants to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// This.
    Say(Said),
    /// What was said of this last no more.
    Withdraw(About),
}

/// What has to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// Nothing: it stands there already.
    Stands(Marked),
    /// It has to be recorded.
    New {
        /// The mark.
        mark: Mark,
        /// What was said of the same last.
        before: Option<RecordId>,
    },
}

/// Why it cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmarkable {
    /// It is no mark.
    #[error(transparent)]
    Bad(#[from] BadMark),
    /// Nothing is said of it.
    #[error("{0} is not marked, or that was withdrawn: there is nothing to withdraw")]
    Nothing(About),
}

impl Wish {
    /// What it is about.
    pub const fn about(&self) -> About {
        match self {
            Self::Say(said) => said.about(),
            Self::Withdraw(about) => *about,
        }
    }
}

impl Register {
    /// What is to be recorded when this person wants to say this.
    pub fn weigh(&self, wish: Wish, by: String, note: Option<String>) -> Result<Weighed, Unmarkable> {
        let about = wish.about();
        let last = self.said_last(about);
        let (said, withdrawn) = match wish {
            Wish::Say(said) => (said, false),
            Wish::Withdraw(_) => (last.ok_or(Unmarkable::Nothing(about))?.mark.said.clone(), true),
        };
        let mark = Mark { said, withdrawn, by, note };
        mark.check()?;
        match last {
            Some(same) if same.mark == mark => Ok(Weighed::Stands(same.clone())),
            Some(last) if withdrawn && last.mark.withdrawn => Err(Unmarkable::Nothing(about)),
            last => Ok(Weighed::New { mark, before: last.map(|last| last.event_id) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_bus::{Entry, RecordKind};
    use orion_model::{INCIDENT_MARKED, MARK_RULE, Timestamp};
    use serde_json::json;

    /// Somebody says something of a time; what there was to record is taken in.
    fn said(register: &mut Register, wish: Wish, by: &str) -> Result<Weighed, Unmarkable> {
        let weighed = register.weigh(wish, by.to_owned(), None);
        if let Ok(Weighed::New { mark, before }) = &weighed {
            let (id, at) = (mark.event_id(*before), Timestamp::from_millis(1));
            let event = json!({
                "event_id": id, "event_type": INCIDENT_MARKED, "severity": "info", "status": "occurred", "ts": at, "rule": MARK_RULE,
                "source": "orion", "generation": 0, "fingerprint": id, "labels": {}, "data": mark,
            });
            let body = event.to_string().into();
            register.note(&Entry { seq: 1, kind: RecordKind::Event, id, ts: at, body });
        }
        weighed
    }

    fn missed() -> Said {
        Said::missed(Timestamp::from_millis(1_000), Timestamp::from_millis(2_000))
    }

    #[test]
    fn what_is_said_can_be_withdrawn_once_and_said_again() {
        let mut register = Register::keeping(9);
        let (about, nothing) = (missed().about(), Err(Unmarkable::Nothing(missed().about())));
        let is_new = |weighed: &Result<Weighed, Unmarkable>| matches!(weighed, Ok(Weighed::New { .. }));
        assert_eq!(said(&mut register, Wish::Withdraw(about), "ada"), nothing);
        assert!(is_new(&said(&mut register, Wish::Say(missed()), "ada")));
        assert_eq!(register.missed().count(), 1);
        assert!(is_new(&said(&mut register, Wish::Withdraw(about), "bob")));
        assert_eq!(register.missed().count(), 0);
        // Whoever sends it twice, because an answer was lost, has withdrawn it; somebody else comes too late.
        assert!(matches!(said(&mut register, Wish::Withdraw(about), "bob"), Ok(Weighed::Stands(_))));
        assert_eq!(said(&mut register, Wish::Withdraw(about), "ada"), nothing);
        assert!(is_new(&said(&mut register, Wish::Say(missed()), "ada")));
        assert_eq!(register.missed().count(), 1);
    }

    #[test]
    fn a_withdrawal_is_about_what_it_names_and_says_what_it_withdraws() {
        let mut register = Register::keeping(9);
        said(&mut register, Wish::Say(missed()), "ada").unwrap();
        let other = About::Time { from: Timestamp::from_millis(1_000), to: Timestamp::from_millis(2_001) };
        assert_eq!(said(&mut register, Wish::Withdraw(other), "ada"), Err(Unmarkable::Nothing(other)));
        let Ok(Weighed::New { mark, before: Some(_) }) = said(&mut register, Wish::Withdraw(missed().about()), "bob")
        else {
            panic!("it stands there")
        };
        assert_eq!((mark.said, mark.withdrawn), (missed(), true));
        let nameless = register.weigh(Wish::Withdraw(missed().about()), String::new(), None);
        assert_eq!(nameless, Err(Unmarkable::Bad(BadMark::By)));
    }
}
