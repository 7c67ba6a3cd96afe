//! A `match` whose every word is right and which still says nothing, or cannot hold.

use orion_model::Severity;

use crate::checker::Checker;
use crate::keys::Text;
use crate::matcher::Condition;

/// One of the texts of a field, and what it was read as.
pub(crate) type Alternative<'n> = (Text<'n>, Condition);

/// Says what is superfluous or contradictory among the alternatives of one field.
pub(crate) fn check(checker: &mut Checker<'_, '_>, name: &str, alternatives: &[Alternative<'_>]) {
    for (index, (text, condition)) in alternatives.iter().enumerate() {
        let before = alternatives.get(..index).unwrap_or_default();
        if before.iter().any(|(_, other)| other == condition) {
            let message = format!("`{}` stands twice in this list", text.as_str());
            checker.report.warning(text.bytes(), message).label("has no effect");
        } else if let Condition::Severity(..) = condition {
            severity(checker, name, (text, condition), alternatives);
        }
    }
}

fn severity(checker: &mut Checker<'_, '_>, name: &str, one: (&Text<'_>, &Condition), all: &[Alternative<'_>]) {
    let (text, condition) = one;
    let holds = |condition: &Condition, severity: Severity| matches!(condition, Condition::Severity(comparison, bound) if comparison.holds(severity.cmp(bound)));
    let met: Vec<Severity> = Severity::ALL.into_iter().filter(|severity| holds(condition, *severity)).collect();
    let others = || all.iter().map(|(_, other)| other).filter(|other| *other != condition);
    let written = text.as_str();
    if met.is_empty() {
        let message = format!("no severity is `{written}`, so this never holds");
        checker.report.warning(text.bytes(), message).help("they are, in this order: info, warning, error, critical");
    } else if met.len() == Severity::ALL.len() {
        let message = format!("every severity is `{written}`, so this asks for nothing");
        checker.report.warning(text.bytes(), message).help(format!("leave `{name}` out to read all of them"));
    } else if others().any(|other| met.iter().all(|severity| holds(other, *severity))) {
        let message = format!("`{written}` says nothing that another of this list does not say");
        checker.report.warning(text.bytes(), message).label("has no effect");
    }
}
