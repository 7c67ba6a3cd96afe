//! Sets by themselves: versions, differences, rollouts, and what is recorded of them.

use std::sync::Arc;

use orion_bus::{Bus, RecordKind, SqliteBus};
use orion_model::{Event, Push, Pushed, SetFile, SetRefusal, SetReport, Timestamp};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::{ApplyContext, NotApplied, RuleSets};
use crate::library::Shelf;
use crate::shipped::{defaults, shelf};

const DAY_MILLIS: i64 = 24 * 3_600_000;

/// A rule with this query, and a correlation.
fn rules(expr: &str) -> String {
    format!(
        "groups: [{{ name: g, rules: [{{ alert: A, expr: {expr} }}] }}]\ncorrelations: [{{ name: c, match: {{ event_type: a }}, group_by: \
         [x], plugin: grouping, incident: {{ type: t, severity: error, summary: s }} }}]\n"
    )
}

struct Place {
    _dir: TempDir,
    bus: Arc<SqliteBus>,
    shelf: Shelf,
    look: Arc<Notify>,
    sets: RuleSets,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bus = Arc::new(SqliteBus::open(dir.path()).unwrap());
        let shelf = shelf();
        let look: Arc<Notify> = Arc::default();
        let sets = RuleSets::open(bus.clone(), look.clone()).await.unwrap();
        Self { _dir: dir, bus, shelf, look, sets }
    }

    /// As after a restart.
    async fn again(&mut self) {
        self.sets = RuleSets::open(self.bus.clone(), self.look.clone()).await.unwrap();
    }

    async fn push(&self, at: i64, push: Push) -> Result<Pushed, NotApplied> {
        let context = ApplyContext {
            shelf: self.shelf.clone(),
            defaults: defaults(),
            now: Timestamp::from_millis(at),
            generation: 3,
        };
        self.sets.apply(push, context).await
    }

    async fn apply(&self, at: i64, text: &str) -> Pushed {
        self.push(at, pushed(text)).await.unwrap()
    }

    async fn roll(&self, at: i64, text: &str, at_a_time: u32) -> Pushed {
        self.push(at, Push { at_a_time: Some(at_a_time), ..pushed(text) }).await.unwrap()
    }

    async fn say(&self, at: i64, node: &str, version: u64, refused: Option<u64>) {
        let refused = refused.map(|version| SetRefusal { version, why: "no such plugin".to_owned() });
        let report = SetReport { set: "default".to_owned(), version: Some(version), refused };
        self.sets.reported(node, report, Timestamp::from_millis(at), 3).await.unwrap();
    }

    /// The version that each of these is to run.
    fn runs(&self, nodes: &str) -> Vec<u64> {
        let of = |node: &str| self.sets.version("default", Some(node)).unwrap().version;
        nodes.split(' ').map(of).collect()
    }

    async fn events(&self) -> Vec<Event> {
        let entries = self.bus.read(0, 99).await.unwrap();
        assert!(entries.iter().all(|entry| entry.kind == RecordKind::Event));
        entries.iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
    }

    async fn last_event(&self) -> (String, String) {
        let event = self.events().await.pop().unwrap();
        (event.event_type, event.data["message"].as_str().unwrap().to_owned())
    }
}

fn pushed(text: &str) -> Push {
    Push {
        set: "default".to_owned(),
        files: vec![SetFile { name: "a.yaml".to_owned(), text: text.to_owned() }],
        by: "ada".to_owned(),
        base_version: None,
        at_a_time: None,
        dry_run: false,
    }
}

#[tokio::test]
async fn a_set_is_kept_in_versions_with_who_when_and_what_is_other_and_the_same_again_is_none() {
    let mut place = Place::new().await;
    let first = place.apply(1, &rules("up")).await;
    assert_eq!((first.version, first.applied), (1, true));
    assert_eq!(
        (&first.diff.rules.added, &first.diff.correlations.added),
        (&vec!["a.yaml/g/A".to_owned()], &vec!["a.yaml/c".to_owned()])
    );
    let same = place.apply(2, &rules("up")).await;
    assert_eq!((same.version, same.applied, same.digest), (1, false, first.digest));
    let asked = place.push(3, Push { dry_run: true, ..pushed(&rules("down")) }).await.unwrap();
    assert_eq!((asked.version, asked.applied, asked.diff.rules.changed.len()), (2, false, 1));
    let second = place.apply(4, &format!("# moved\n{}", rules("down"))).await;
    assert_eq!((second.version, second.diff.clone()), (2, asked.diff), "where a rule stands does not count");
    assert!(second.diff.correlations.is_empty());
    place.again().await;
    let kept = place.sets.version("default", None).unwrap();
    assert_eq!((kept.version, kept.applied_by.as_str(), kept.applied_at.as_millis()), (2, "ada", 4));
    let older = place.sets.kept_version("default", 1).await.unwrap().unwrap();
    assert_eq!(older.files, pushed(&rules("up")).files);
    let events = place.events().await;
    let said: Vec<_> = events.iter().map(|event| event.data["message"].as_str().unwrap()).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    ada applied version 1 of the rule set `default`: 1 rule added, 1 correlation added
    ada applied version 2 of the rule set `default`: 1 rule changed
    ");
    assert_eq!(events[1].data["rules"]["changed"], json!({ "count": 1, "ids": ["a.yaml/g/A"] }));
    assert_eq!((events[1].data["by"].clone(), events[1].data["digest"].clone()), (json!("ada"), json!(second.digest)));
}

#[tokio::test]
async fn a_set_that_cannot_run_changes_nothing_and_says_everything() {
    let place = Place::new().await;
    place.apply(1, &rules("up")).await;
    let mut bad = pushed("groups: [{ name: g, rules: [{ alert: A, exprr: up }] }]\n");
    bad.files.push(SetFile { name: "b.yaml".to_owned(), text: "groups: 3\n".to_owned() });
    let Err(NotApplied::Refused(said)) = place.push(2, bad).await else { panic!("it was taken") };
    assert_eq!(
        said.iter().map(|said| (said.file.as_str(), said.ok)).collect::<Vec<_>>(),
        [("a.yaml", false), ("b.yaml", false)]
    );
    assert!(said.iter().all(|said| said.report.contains(&format!("{}:1:", said.file))), "{said:?}");
    assert_eq!(said[0].diagnostics[0].line, Some(1));
    assert_eq!(place.sets.version("default", None).unwrap().version, 1);
    assert_eq!(place.events().await.len(), 1);
}

#[tokio::test]
async fn who_made_it_for_another_version_is_refused() {
    let place = Place::new().await;
    let for_version = |base_version, text: &str| Push { base_version: Some(base_version), ..pushed(text) };
    assert!(matches!(place.push(1, for_version(1, "groups: []")).await, Err(NotApplied::Overtaken { found: 0, .. })));
    assert!(place.push(1, for_version(0, "groups: []")).await.is_ok());
    assert!(place.push(2, for_version(1, &rules("up"))).await.is_ok());
    let late = place.push(3, for_version(1, &rules("down"))).await.unwrap_err();
    insta::assert_snapshot!(late.to_string(), @"the set `default` has version 2 by now, and this was made for version 1: look at that one, and apply again");
}

#[tokio::test]
async fn ten_versions_are_kept_and_sixteen_sets() {
    let place = Place::new().await;
    for version in 1..=12 {
        place.apply(version, &format!("groups: [] # {version}\n")).await;
    }
    let kept = place.sets.list()[0]["kept"].clone();
    assert_eq!(kept, json!([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
    assert!(place.sets.kept_version("default", 2).await.unwrap().is_none());
    assert!(place.sets.kept_version("default", 3).await.unwrap().is_some());
    let of = |set: usize| Push { set: format!("set-{set}"), ..pushed("groups: []\n") };
    for set in 1..16 {
        place.push(20, of(set)).await.unwrap();
    }
    assert!(matches!(place.push(20, of(16)).await, Err(NotApplied::Malformed(_))));
}

#[tokio::test]
async fn only_files_with_correlations_are_for_the_library() {
    let place = Place::new().await;
    let mut push = pushed(&rules("up"));
    push.files.push(SetFile { name: "b.yaml".to_owned(), text: "groups: []\n".to_owned() });
    place.push(1, push).await.unwrap();
    assert_eq!(place.sets.correlating(), [("default/a.yaml".to_owned(), rules("up"))]);
    place.look.notified().await;
}

#[tokio::test]
async fn a_version_is_given_to_some_at_a_time_and_to_the_next_when_all_before_run_it_over_a_restart_too() {
    let mut place = Place::new().await;
    place.apply(1, &rules("up")).await;
    for node in ["a", "b", "c", "d", "e"] {
        place.say(2, node, 1, None).await;
    }
    place.roll(3, &rules("down"), 2).await;
    assert_eq!(place.runs("a b c d e"), [2, 2, 1, 1, 1]);
    place.say(4, "a", 2, None).await;
    place.say(4, "c", 1, None).await;
    assert_eq!(place.runs("a b c d e new"), [2, 2, 1, 1, 1, 1]);
    place.again().await;
    place.say(5, "b", 2, None).await;
    assert_eq!(place.runs("a b c d e"), [2, 2, 2, 2, 1]);
    place.say(6, "d", 2, None).await;
    place.say(6, "c", 2, None).await;
    assert_eq!(place.runs("a b c d e"), [2; 5]);
    assert!(place.sets.list()[0]["rollout"].is_object());
    place.say(7, "e", 2, None).await;
    assert!(place.sets.list()[0]["rollout"].is_null());
    assert_eq!(place.runs("new"), [2]);
    insta::assert_snapshot!(place.last_event().await.1, @"all nodes run version 2 of the rule set `default`");
}

#[tokio::test]
async fn one_that_cannot_run_it_halts_all_until_it_can_and_that_is_said_once() {
    let place = Place::new().await;
    place.apply(1, &rules("up")).await;
    for node in ["a", "b", "c"] {
        place.say(2, node, 1, None).await;
    }
    place.roll(3, &rules("down"), 1).await;
    for at in [4, 5] {
        place.say(at, "a", 1, Some(2)).await;
    }
    assert_eq!(place.runs("a b c"), [2, 1, 1]);
    let (kind, message) = place.last_event().await;
    assert_eq!((kind.as_str(), place.events().await.len()), ("rule_set_rollout_halted", 3));
    insta::assert_snapshot!(message, @"version 2 of the rule set `default` is given to no more nodes, because a cannot run it: no such plugin");
    // Another version takes its place, for all that run what ran before.
    place.roll(6, &rules("vector(1)"), 1).await;
    assert_eq!(place.runs("a b c"), [3, 1, 1]);
    place.say(7, "a", 1, Some(3)).await;
    place.say(8, "a", 3, None).await;
    assert_eq!(place.runs("a b c"), [3, 3, 1]);
}

#[tokio::test]
async fn a_node_that_is_gone_is_not_waited_for_and_without_nodes_everybody_gets_it() {
    let place = Place::new().await;
    place.apply(1, &rules("up")).await;
    place.roll(2, &rules("down"), 1).await;
    assert_eq!(place.runs("a"), [2], "there was nobody to begin with");
    place.say(3, "a", 2, None).await;
    place.say(DAY_MILLIS, "b", 2, None).await;
    place.roll(DAY_MILLIS + 3, &rules("up"), 1).await;
    assert_eq!(place.runs("a b"), [2, 3]);
    place.say(DAY_MILLIS + 4, "b", 3, None).await;
    assert_eq!(place.runs("a b"), [3, 3]);
}

#[tokio::test]
async fn what_a_node_says_again_is_written_down_seldom() {
    let place = Place::new().await;
    place.apply(1, &rules("up")).await;
    let offset = async || place.bus.offset(super::OWNER).await.unwrap();
    place.say(2, "a", 1, None).await;
    let before = offset().await;
    place.say(3_600_001, "a", 1, None).await;
    assert_eq!(offset().await, before);
    place.say(3_600_002, "a", 1, None).await;
    assert_ne!(offset().await, before);
}

#[tokio::test]
async fn a_set_that_agents_could_not_be_given_as_json_is_refused() {
    let place = Place::new().await;
    // A character of one byte that JSON writes as six.
    let of = |bytes: usize| pushed(&"\u{1}".repeat(bytes / 6));
    let fits = place.push(1, of(super::MAX_SET_JSON_BYTES - 100)).await;
    assert!(matches!(fits, Err(NotApplied::Refused(_))), "it was looked at");
    let Err(NotApplied::Malformed(why)) = place.push(1, of(super::MAX_SET_JSON_BYTES)).await else {
        panic!("it was taken")
    };
    assert!(why.contains("as JSON"), "{why}");
}

#[tokio::test]
async fn a_thousand_nodes_are_known_and_those_that_are_gone_make_room() {
    let place = Place::new().await;
    place.apply(1, &rules("up")).await;
    for node in 0..super::rollout::MAX_NODES {
        place.say(2, &format!("node-{node}"), 1, None).await;
    }
    let report = || SetReport { set: "default".to_owned(), version: Some(1), refused: None };
    let at = Timestamp::from_millis;
    let one_more = place.sets.reported("one-more", report(), at(3), 3).await;
    assert!(matches!(one_more, Err(NotApplied::Malformed(_))));
    place.sets.reported("one-more", report(), at(DAY_MILLIS + 2), 3).await.unwrap();
    assert_eq!(place.sets.list()[0]["nodes"].as_array().unwrap().len(), 1);
}
