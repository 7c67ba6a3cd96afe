//! What is other in one version of a set than in another, rule by rule. Where a rule stands in its file does not count.

use std::collections::BTreeMap;

use orion_model::{Changes, SetDiff};
use orion_rules::{AlertRule, Correlation, Group, LogEntry, RuleFile};

/// What each thing says, by its id: in the order in which a difference is told.
type ById = BTreeMap<String, String>;

/// Everything that a set has, by its id.
#[derive(Default)]
pub(super) struct Things {
    rules: ById,
    correlations: ById,
    logs: ById,
}

impl Things {
    pub(super) fn of<'a>(files: impl Iterator<Item = &'a RuleFile>) -> Self {
        let mut things = Self::default();
        for file in files {
            for group in &file.groups {
                // What the group says is said for each of its rules.
                let of_group = Group { rules: Vec::new(), ..group.clone() };
                let rule = |rule: &AlertRule| {
                    (rule.id.clone(), format!("{of_group:?} {:?}", AlertRule { line: 0, ..rule.clone() }))
                };
                things.rules.extend(group.rules.iter().map(rule));
            }
            let correlation =
                |it: &Correlation| (it.id.clone(), format!("{:?}", Correlation { line: 0, ..it.clone() }));
            things.correlations.extend(file.correlations.iter().map(correlation));
            let log = |it: &LogEntry| (it.id.clone(), format!("{:?}", LogEntry { line: 0, ..it.clone() }));
            things.logs.extend(file.logs.iter().map(log));
        }
        things
    }
}

/// What is other in `new`.
pub(super) fn diff(old: &Things, new: &Things) -> SetDiff {
    SetDiff {
        rules: changes(&old.rules, &new.rules),
        correlations: changes(&old.correlations, &new.correlations),
        logs: changes(&old.logs, &new.logs),
    }
}

fn changes(old: &ById, new: &ById) -> Changes {
    let ids = |of: &ById, wanted: &dyn Fn(&String, &String) -> bool| {
        of.iter().filter(|(id, is)| wanted(id, is)).map(|(id, _)| id.clone()).collect()
    };
    Changes {
        added: ids(new, &|id, _| !old.contains_key(id)),
        removed: ids(old, &|id, _| !new.contains_key(id)),
        changed: ids(new, &|id, is| old.get(id).is_some_and(|was| was != is)),
    }
}
