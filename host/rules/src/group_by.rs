//! What must be equal for events to belong together.

use std::collections::BTreeMap;

use orion_model::{Event, write_labels};

use crate::matcher::look_up;

/// One name that events are grouped by, and where an event has the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName {
    /// What it is called in the key.
    pub name: String,
    /// The field that events of a type have it in, where that is not the name itself.
    pub fields: BTreeMap<String, String>,
}

impl GroupName {
    /// A name that is a field of every event.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), fields: BTreeMap::new() }
    }

    fn field_of(&self, event: &Event) -> &str {
        self.fields.get(&event.event_type).unwrap_or(&self.name)
    }
}

/// Writes what the event has for each name, as one text; a name it has nothing for is left out. The names come in their
/// order, as rule files are read.
pub fn write_group_key(out: &mut String, event: &Event, group_by: &[GroupName]) {
    let value = |name: &GroupName| look_up(event, name.field_of(event)).map(|field| field.text());
    write_labels(out, group_by.iter().filter_map(|name| Some((name.name.as_str(), value(name)?))));
}

/// The names in the order in which they stand in a key.
pub(crate) fn in_order(mut group_by: Vec<GroupName>) -> Vec<GroupName> {
    group_by.sort_by(|a, b| a.name.cmp(&b.name));
    group_by
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::tests::event;
    use orion_model::Severity;

    #[test]
    fn a_field_is_looked_up_in_the_event_then_its_labels_then_its_data() {
        let key = |names: &[&str]| {
            let names = in_order(names.iter().copied().map(GroupName::plain).collect());
            let mut key = String::new();
            write_group_key(&mut key, &event("service_down", Severity::Error), &names);
            key
        };
        assert_eq!(key(&["rule", "service", "value"]), r#"{rule="file/group/alert", service="jellyfin", value="5.5"}"#);
        assert_eq!(key(&["event_type", "severity", "status", "source"]).matches('=').count(), 4);
        assert_eq!(key(&["absent", "nothing", "known"]), r#"{known="true"}"#);
        assert_eq!(key(&[]), "{}");
    }

    #[test]
    fn a_name_may_stand_for_another_field_in_each_kind_of_event() {
        let address = GroupName {
            name: "address".to_owned(),
            fields: [("service_down", "service"), ("other", "port")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        };
        let key = |event_type: &str| {
            let mut key = String::new();
            write_group_key(&mut key, &event(event_type, Severity::Error), std::slice::from_ref(&address));
            key
        };
        assert_eq!(key("service_down"), r#"{address="jellyfin"}"#);
        assert_eq!(key("other"), r#"{address="8096"}"#);
        assert_eq!(key("neither"), "{}");
    }
}
