//! How incidents are called, and what they say of themselves.

use orion_plugin::{Field, Scalar};

use crate::happening::Happening;
use crate::memory::{Kind, Memory};

/// Groups that an incident of a cause lists by name.
const MOST_LISTED: usize = 5;

/// How an incident is called.
pub(crate) fn shown_key(kind: Kind, key: &str) -> String {
    match kind {
        Kind::Scope => incident_key(key),
        Kind::Group => key.to_owned(),
    }
}

/// How the incident of a cause is called.
pub(crate) fn incident_key(scope: &str) -> String {
    if scope.is_empty() { "cause".to_owned() } else { format!("cause {scope}") }
}

pub(crate) fn shown(cause: &Happening) -> &str {
    if cause.key.is_empty() { "this" } else { &cause.key }
}

/// What an incident says of itself.
pub(crate) fn facts_of(memory: &Memory, kind: Kind, key: &str) -> Vec<Field> {
    let field = |name: &str, value: Scalar| Field { name: name.to_owned(), value };
    let count = |number: u64| Scalar::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    match kind {
        Kind::Scope => {
            let Some(scope) = memory.scopes.get(key) else { return Vec::new() };
            let silenced: Vec<_> = memory.groups.iter().filter(|(_, group)| group.is_silenced_by(key)).collect();
            let names: Vec<_> = silenced.iter().take(MOST_LISTED).map(|(name, _)| *name).collect();
            vec![
                field("events", count(scope.events)),
                field("suppressed", count(scope.suppressed)),
                field("suppressed_groups", count(silenced.len() as u64)),
                field("suppressed_now", names.join("; ").into()),
            ]
        }
        Kind::Group => {
            let Some(group) = memory.groups.get(key) else { return Vec::new() };
            let Some(incident) = &group.incident else { return Vec::new() };
            let explained = group.scopes().find(|scope| memory.scopes.get(scope).is_some());
            let mut facts = vec![field("events", count(incident.events))];
            facts.extend(explained.map(|scope| field("explained_by", incident_key(scope).into())));
            facts.extend((group.dropped > 0).then(|| field("events_dropped", count(group.dropped))));
            facts
        }
    }
}
