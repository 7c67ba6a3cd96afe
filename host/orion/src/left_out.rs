//! What a replay and a recording leave out: they are about queries, and nobody asks for lines of logs again.

use std::collections::BTreeSet;

use orion_pipeline::library::Generation;
use serde_json::{Value, json};

/// Entries that are named in a sentence; data have all of them.
const MAX_NAMED: usize = 3;

/// Entries of `logs:`, by their ids. What correlations make of their lines is missing too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeSet<String>);

impl LeftOut {
    /// Those of these rules.
    pub fn of(generation: &Generation) -> Self {
        Self(generation.logs.keys().cloned().collect())
    }

    /// These and those.
    pub fn and(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).cloned().collect())
    }

    /// As data.
    pub fn value(&self) -> Value {
        json!(self.0)
    }

    /// For people; nothing where nothing is left out.
    pub fn line(&self) -> String {
        let named: Vec<&str> = self.0.iter().take(MAX_NAMED).map(String::as_str).collect();
        let count = match self.0.len() {
            0 => return String::new(),
            1 => "1 entry".to_owned(),
            count => format!("{count} entries"),
        };
        let more = match self.0.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("left out: {count} of logs, whose lines are in no source of queries: {}{more}\n", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[&str]) -> LeftOut {
        LeftOut(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn what_is_left_out_is_told_in_one_line_however_much_it_is() {
        assert_eq!(of(&[]).line(), "");
        assert_eq!(of(&["a"]).line(), "left out: 1 entry of logs, whose lines are in no source of queries: a\n");
        let all = of(&["a", "b", "c"]).and(&of(&["c", "d", "e"]));
        assert!(
            all.line().ends_with(
                "left out: 5 entries of logs, whose lines are in no source of queries: a, b, c and 2 more\n"
            )
        );
        assert_eq!(all.value(), json!(["a", "b", "c", "d", "e"]));
    }
}
