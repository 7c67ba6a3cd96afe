//! What topology says, case by case and against a plain model of it, whatever the batches and the restarts.

use orion_plugin::testing::{CorrelatorProbe, Cut, Story, TestEvent, ToldEvent, of_each, play, stories};
use orion_plugin::{ParameterValue, Severity};
use proptest::prelude::*;

use super::*;

mod model;

const MINUTE: i64 = 60_000;

/// A household of services; `x` needs nothing and nobody needs it.
const NEEDS: [(&str, &str); 6] = [
    ("radarr", "qbittorrent"),
    ("radarr", "prowlarr"),
    ("sonarr", "prowlarr"),
    ("qbittorrent", "vpn"),
    ("prowlarr", "vpn"),
    ("grafana", "prometheus"),
];

type Given = Vec<(&'static str, ParameterValue)>;

fn given(parameters: &[(&'static str, i64)]) -> Given {
    let pairs = NEEDS.iter().flat_map(|(node, needed)| [(*node).to_owned(), (*needed).to_owned()]).collect();
    let named = parameters.iter().map(|(name, value)| (*name, ParameterValue::Integer(*value)));
    named.chain([("depends_on", ParameterValue::Texts(pairs))]).collect()
}

fn event(status: Status, minute: i64, node: &str) -> ToldEvent {
    let position = u64::try_from(minute).unwrap();
    let (timestamp, severity, key) = (minute * MINUTE, Severity::Error, String::new());
    let fingerprint = hash_text(node);
    ToldEvent::from(TestEvent { position, timestamp, severity, status, fingerprint, key }).labelled("service", node)
}

fn down(minute: i64, node: &str) -> ToldEvent {
    event(Status::Firing, minute, node)
}

fn up(minute: i64, node: &str) -> ToldEvent {
    event(Status::Resolved, minute, node)
}

/// Each event in a call of its own: key, kind, minute, reason, positions.
fn told(events: &[ToldEvent]) -> Vec<String> {
    let mut probe = CorrelatorProbe::<Topology>::new(&given(&[])).unwrap();
    let said = events.iter().flat_map(|told| probe.tell(told.event.timestamp, std::slice::from_ref(told)));
    let said: Vec<_> = said.collect();
    let line = |change: &orion_plugin::Change| {
        let (kind, at, reason) = (change.kind, change.timestamp / MINUTE, &change.reason);
        format!("{} {kind:?} {at} {:?} {reason}", change.key, change.positions)
    };
    said.iter().map(line).collect()
}

fn fact(change: &orion_plugin::Change, name: &str) -> String {
    match &change.fields.iter().find(|field| field.name == name).unwrap().value {
        Scalar::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_symptom_joins_the_incident_of_its_cause_and_all_end_together() {
    assert_eq!(
        told(&[down(0, "vpn"), down(1, "radarr"), up(2, "vpn"), up(3, "radarr")]),
        ["vpn Opened 0 [0] vpn fails", "vpn Updated 1 [1] 1 new event", "vpn Resolved 3 [] all resolved",]
    );
}

#[test]
fn a_cause_that_comes_late_becomes_the_root_and_nothing_is_opened_again() {
    assert_eq!(
        told(&[down(0, "radarr"), down(1, "vpn"), up(2, "radarr"), up(3, "vpn"), down(4, "qbittorrent")]),
        [
            "radarr Opened 0 [0] radarr fails",
            "radarr Updated 1 [1] 1 new event, the root is now vpn and not radarr: nothing it needs fails, \
         1 of 1 others need it, failing since 1970-01-01T00:01:00Z, error, 1 events",
            "radarr Resolved 3 [] all resolved",
            "qbittorrent Opened 4 [4] qbittorrent fails",
        ]
    );
}

#[test]
fn what_has_nothing_to_do_with_each_other_is_not_one_incident() {
    let keys: Vec<_> = told(&[down(0, "qbittorrent"), down(1, "prowlarr"), down(2, "grafana"), down(3, "elsewhere")])
        .into_iter()
        .collect();
    assert!(keys.iter().all(|line| line.contains("Opened")), "{keys:?}");
}

#[test]
fn a_node_that_connects_two_regions_joins_them() {
    assert_eq!(
        told(&[down(0, "qbittorrent"), down(1, "prowlarr"), down(2, "vpn"), up(3, "vpn")])[2..],
        [
            "prowlarr Resolved 2 [] joined with qbittorrent",
            "qbittorrent Updated 2 [1, 2] 2 new events, the root is now vpn and not qbittorrent: nothing it needs fails, \
         2 of 2 others need it, failing since 1970-01-01T00:02:00Z, error, 1 events",
        ]
    );
}

#[test]
fn suspects_are_ranked_by_what_fails_below_them_then_onset_then_severity_then_count() {
    let mut probe = CorrelatorProbe::<Topology>::new(&given(&[])).unwrap();
    let said = probe.tell(0, &[down(0, "radarr"), down(1, "sonarr"), down(2, "prowlarr"), down(3, "qbittorrent")]);
    assert_eq!(fact(said.last().unwrap(), "root"), "prowlarr");
    let said = probe.tick(4 * MINUTE);
    let all = said.last().unwrap();
    assert_eq!(
        (fact(all, "root"), fact(all, "suspects")),
        ("prowlarr".to_owned(), "prowlarr, qbittorrent, radarr, sonarr".to_owned(),)
    );
    assert!(fact(all, "reasons").starts_with("prowlarr: nothing it needs fails, 2 of 3 others need it"));
    assert!(fact(all, "reasons").contains("radarr: it needs prowlarr, qbittorrent"));
    let circle = ParameterValue::Texts(["a", "b", "b", "a"].map(str::to_owned).to_vec());
    let mut probe = CorrelatorProbe::<Topology>::new(&[("depends_on", circle)]).unwrap();
    let worse = |told: ToldEvent| ToldEvent { event: TestEvent { severity: Severity::Critical, ..told.event }, ..told };
    let said = probe.tell(0, &[down(0, "a"), worse(down(0, "b"))]);
    assert_eq!((fact(&said[0], "root"), fact(&said[1], "root")), ("a".to_owned(), "b".to_owned()));
}

#[test]
fn things_of_one_moment_end_when_nothing_came_for_a_while() {
    let mut probe = CorrelatorProbe::<Topology>::new(&given(&[("idle", 15 * MINUTE)])).unwrap();
    probe.tell(0, &[event(Status::Occurred, 0, "vpn"), down(1, "radarr"), up(2, "radarr")]);
    assert!(probe.tick(15 * MINUTE - 1).is_empty());
    assert_eq!(probe.tick(15 * MINUTE)[0].reason, "idle for 15m");
}

#[test]
fn an_incident_that_is_too_old_is_closed_and_what_still_fires_opens_the_next() {
    let mut probe = CorrelatorProbe::<Topology>::new(&given(&[("max", 60 * MINUTE)])).unwrap();
    probe.tell(0, &[down(0, "vpn"), down(1, "radarr"), up(2, "vpn")]);
    let said = probe.tick(60 * MINUTE);
    let lines: Vec<_> = said.iter().map(|change| (&*change.reason, change.positions.clone())).collect();
    assert_eq!(lines, [("open for 1h", vec![]), ("continues", vec![1])]);
    assert_eq!(fact(&said[1], "root"), "radarr");
    // The cause is no longer of it: it fails anew, and is joined again as the root.
    let said = probe.tell(61 * MINUTE, &[down(61, "vpn")]);
    assert!(said[0].reason.contains("the root is now vpn"), "{said:?}");
}

#[test]
fn groups_are_worlds_of_their_own() {
    let of_site = |mut told: ToldEvent, site: &str| {
        told.event.key = site.to_owned();
        told
    };
    let said = told(&[of_site(down(0, "vpn"), "here"), of_site(down(1, "radarr"), "there")]);
    assert_eq!(said, ["here vpn Opened 0 [0] vpn fails", "there radarr Opened 1 [1] radarr fails"]);
}

#[test]
fn a_map_is_needed_unless_time_joins() {
    let refused = CorrelatorProbe::<Topology>::new(&[]).err().unwrap();
    assert!(refused.0.starts_with("`depends_on` says what each node needs"));
    let by_time = [("joined_by", "time".into())];
    let mut probe = CorrelatorProbe::<Topology>::new(&by_time).unwrap();
    let said = probe.tell(0, &[down(0, "elsewhere"), down(1, "grafana")]);
    assert_eq!((said.len(), fact(&said[0], "suspects")), (1, "elsewhere".to_owned()));
    assert_eq!(fact(&probe.tick(2 * MINUTE)[0], "suspects"), "elsewhere, grafana");
}

#[test]
fn too_few_that_fail_at_one_time_are_no_incident() {
    let parameters = given(&[("at_least", 2), ("window", 10 * MINUTE)]);
    let mut probe = CorrelatorProbe::<Topology>::new(&parameters).unwrap();
    let mut tell = |events: &[ToldEvent]| -> Vec<String> {
        let said = events.iter().flat_map(|told| probe.tell(told.event.timestamp, std::slice::from_ref(told)));
        said.map(|change| format!("{} {:?} {:?} {}", change.key, change.kind, change.positions, change.reason))
            .collect()
    };
    // Alone; with one that it has nothing to do with; with one ten minutes later, when it does not count any more.
    assert_eq!(tell(&[down(0, "vpn"), up(1, "vpn"), down(2, "grafana"), down(10, "prowlarr")]), Vec::<String>::new());
    // What was over by then counts, and its event is one of the incident.
    assert_eq!(
        tell(&[up(11, "prowlarr"), down(19, "sonarr"), up(20, "sonarr")]),
        ["prowlarr Opened [10, 19] sonarr fails, and 1 more within 10m", "prowlarr Resolved [] all resolved"]
    );
}

/// Fails so badly.
fn by(minute: i64, node: &str, weight: f64) -> ToldEvent {
    down(minute, node).valued(weight)
}

/// A shop: the site needs search and payment, search its table; a client needs search.
fn shop() -> Given {
    let needs = [("site", "search"), ("site", "payment"), ("client", "search"), ("search", "table")];
    let pairs = needs.iter().flat_map(|(node, needed)| [(*node).to_owned(), (*needed).to_owned()]).collect();
    let texts = ("depends_on", ParameterValue::Texts(pairs));
    vec![texts, ("joined_by", "time".into()), ("at_least", 2_i64.into()), ("weighed", true.into())]
}

fn suspects(events: &[ToldEvent]) -> (String, String) {
    let mut probe = CorrelatorProbe::<Topology>::new(&shop()).unwrap();
    let mut said = probe.tell(0, events);
    said.extend(probe.tick(60 * MINUTE));
    let last = said.last().unwrap();
    (fact(last, "suspects"), fact(last, "reasons"))
}

#[test]
fn a_cause_with_its_symptoms_stands_before_what_only_fails_badly() {
    // Payment fails worse than search. But search explains the site and the client as well.
    let events = [by(0, "payment", 3.0), by(1, "search", 2.0), by(1, "client", 2.5), by(2, "site", 0.5)];
    let (names, reasons) = suspects(&events);
    assert_eq!(names, "search, payment, client, site");
    let first = "search: fails by 2 and explains 2.5 of client, site, nothing it needs fails, 2 of 3 others need it, \
                 failing since 1970-01-01T00:01:00Z, error, 1 events";
    assert!(reasons.starts_with(first), "{reasons}");
    assert!(reasons.contains("client: fails by 2.5, it needs search, "), "{reasons}");
}

#[test]
fn a_trifle_far_below_does_not_stand_before_what_fails_badly() {
    let (names, _) = suspects(&[by(0, "table", 0.1), by(1, "search", 2.0), by(1, "site", 1.0)]);
    assert_eq!(names, "search, site, table");
    // When the table fails as badly it is the table.
    let (names, _) = suspects(&[by(0, "table", 2.0), by(1, "search", 2.0), by(1, "site", 1.0)]);
    assert_eq!(names, "table, search, site");
}

#[test]
fn an_event_without_a_value_weighs_one_and_no_value_breaks_the_ranking() {
    let of = |value: f64| suspects(&[by(0, "payment", value), by(1, "search", 1.5)]).0;
    assert_eq!((of(f64::NAN), of(f64::INFINITY)), ("search, payment".to_owned(), "search, payment".to_owned()));
    assert_eq!((of(f64::MAX), of(-5.0)), ("payment, search".to_owned(), "search, payment".to_owned()));
}

const NODES: [&str; 8] = ["radarr", "sonarr", "qbittorrent", "prowlarr", "vpn", "grafana", "prometheus", "x"];

/// So that events of one second and of several follow each other.
const STEP: i64 = 300;

fn stream() -> impl Strategy<Value = Vec<(ToldEvent, Cut)>> {
    let status = prop_oneof![3 => Just(Status::Firing), 3 => Just(Status::Resolved), 1 => Just(Status::Occurred)];
    let cut = prop_oneof![4 => Just(Cut::None), 1 => Just(Cut::Batch), 1 => Just(Cut::Tick), 1 => Just(Cut::Restart)];
    let drawn = (0..NODES.len(), 0_i64..4, 0_u8..4, status, cut);
    proptest::collection::vec(drawn, 1..60).prop_map(|drawn| {
        let mut reached = 100;
        let told = |(index, (node, step, rank, status, cut)): (usize, _)| {
            reached += step;
            let mut told = event(status, reached, NODES[node]);
            (told.event.position, told.event.severity) = (index as u64, Severity::from_rank(rank));
            told.event.timestamp = reached * STEP;
            (told, cut)
        };
        drawn.into_iter().enumerate().map(told).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn topology_is_its_model_whatever_the_batches_ticks_and_restarts(
        events in stream(), idle in 1_i64..12, max in 1_i64..60,
        window in 4_i64..12, least in 1_usize..4, joins_all: bool,
    ) {
        let (idle, max, window) = (idle * STEP, max * STEP, window * STEP);
        let at_least = i64::try_from(least).unwrap();
        let mut given = given(&[("idle", idle), ("max", max), ("window", window), ("at_least", at_least)]);
        given.push(("joined_by", if joins_all { "time" } else { "need" }.into()));
        let terms = model::Terms { idle, max, window, least, joins_all };
        let end = 400 * STEP;
        let changes = play::<Topology>(&given, STATE_VERSION, &events, end).unwrap();
        let said = stories(changes.clone());
        let outline = |story: &Story| {
            let root = story.facts.iter().find(|field| field.name == "root").map(|field| field.value.clone());
            (story.outline(), root)
        };
        let outlines: Vec<_> = said.values().flatten().map(outline).collect();
        prop_assert_eq!(outlines, model::stories(&events, terms, end));
        let uncut: Vec<_> = events.into_iter().map(|(told, _)| (told, Cut::Batch)).collect();
        let uncut = play::<Topology>(&given, STATE_VERSION, &uncut, end).unwrap();
        prop_assert_eq!(of_each(changes), of_each(uncut));
    }
}
