//! Queries, checked at load.

use crate::checker::Checker;
use crate::keys::Text;

/// Work left.
#[derive(Default)]
pub(crate) struct SearchBudget;

/// Checks a query.
pub(crate) fn check(checker: &mut Checker<'_, '_>, text: Text<'_>, is_promql: bool) {
    if let Err(m) = promql_parser::parser::parse(text.as_str()) {
        let level = if is_promql { Some(()) } else { None };
        match level {
            Some(()) => drop(checker.report.error(text.bytes(), m)),
            None => drop(checker.report.warning(text.bytes(), m)),
        }
    }
}
