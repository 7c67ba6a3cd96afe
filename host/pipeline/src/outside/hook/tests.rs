//! What becomes an event of what is delivered, what does not, and what is said of it.

use orion_bus::SqliteBus;
use orion_model::{Severity, Status};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::outside::MAX_ENTRY_BYTES;
use crate::outside::fields::{MAX_LABELS, MOST_LATE_MILLIS};

/// 2023-11-14T22:13:20Z.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn hook(kind: HookKind) -> Hook {
    Hook { name: "h".to_owned(), kind, event_type: None, labels: [("site", "cellar")].into_iter().collect() }
}

fn delivery(content_type: &str, body: &Value) -> Delivery {
    Delivery {
        hook: "h".to_owned(),
        content_type: content_type.to_owned(),
        signature: Some(vec![7; 32]),
        body: body.to_string().into_bytes(),
        ..Delivery::default()
    }
}

fn read_json(kind: HookKind, body: &Value) -> Result<Read, NotTaken> {
    let content_type = if kind == HookKind::CloudEvents { "application/cloudevents+json" } else { "application/json" };
    read(&hook(kind), &delivery(content_type, body), NOW)
}

/// As Alertmanager sends it, with a member that it has not got yet.
fn notification(alerts: &Value) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"TargetDown\"}", "truncatedAlerts": 0, "status": "firing", "receiver": "orion",
        "groupLabels": { "alertname": "TargetDown" }, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
        "alerts": alerts, "tomorrow": [1],
    })
}

fn alert(status: &str, starts_at: &str, ends_at: &str) -> Value {
    json!({
        "status": status, "labels": { "alertname": "TargetDown", "severity": "critical", "job": "jellyfin", "__name__": "up" },
        "annotations": { "summary": "jellyfin does not answer" }, "startsAt": starts_at, "endsAt": ends_at,
        "generatorURL": "http://p:9090/graph", "fingerprint": "a1b2c3d4e5f60718", "tomorrow": "kept",
    })
}

const OPEN: &str = "0001-01-01T00:00:00Z";
const BEGAN: &str = "2023-11-14T22:00:00.123456789Z";
const ENDED: &str = "2023-11-14T23:10:00+01:00";

#[test]
fn an_alert_is_the_event_that_a_rule_of_orions_own_would_have_made() {
    let read = read_json(HookKind::Alertmanager, &notification(&json!([alert("firing", BEGAN, OPEN)]))).unwrap();
    let event = &read.events[0];
    assert_eq!(
        (event.event_type.as_str(), event.severity, event.status),
        ("target_down", Severity::Critical, Status::Firing)
    );
    assert_eq!(
        event.labels.to_string(),
        r#"{alertname="TargetDown", job="jellyfin", severity="critical", site="cellar"}"#
    );
    assert_eq!(event.annotations.get("summary"), Some("jellyfin does not answer"));
    assert_eq!(event.ts.to_string(), "2023-11-14T22:00:00.123Z");
    assert_eq!((event.rule.as_str(), event.source.as_str()), ("hook/h", "alertmanager"));
    assert_eq!(event.data["startsAt"], BEGAN);
    assert_eq!(event.data["tomorrow"], "kept");
    assert_eq!(event.data["notification"]["receiver"], "orion");
    assert!(!event.data.contains_key("endsAt"), "a time that is none means that it is open");
}

#[test]
fn an_alert_is_known_by_fingerprint_start_and_status_and_ends_under_the_identity_it_began_with() {
    let of = |alert: Value| read_json(HookKind::Alertmanager, &notification(&json!([alert]))).unwrap().events.remove(0);
    let began = of(alert("firing", BEGAN, OPEN));
    let mut again = alert("firing", BEGAN, "2023-11-14T22:17:00Z");
    again["annotations"] = json!({ "summary": "still" });
    assert_eq!(of(again).event_id, began.event_id);
    let ended = of(alert("resolved", BEGAN, ENDED));
    assert_ne!(ended.event_id, began.event_id);
    assert_eq!((ended.fingerprint, ended.status), (began.fingerprint, Status::Resolved));
    assert_eq!((ended.ts.to_string().as_str(), &ended.data["endsAt"]), ("2023-11-14T22:10:00.000Z", &ENDED.into()));
    let later = of(alert("firing", "2023-11-14T22:12:00Z", OPEN));
    assert_ne!(later.event_id, began.event_id);
    assert_eq!(later.fingerprint, began.fingerprint);
}

#[test]
fn an_alert_that_began_too_long_ago_counts_as_of_now_and_says_when_it_began() {
    let at = |millis: i64| {
        let began = NOW.plus_millis(-millis).to_string();
        let read = read_json(HookKind::Alertmanager, &notification(&json!([alert("firing", &began, OPEN)]))).unwrap();
        assert_eq!(read.events[0].data["startsAt"], began);
        read.events[0].ts
    };
    assert_eq!(at(MOST_LATE_MILLIS), NOW.plus_millis(-MOST_LATE_MILLIS));
    assert_eq!(at(MOST_LATE_MILLIS + 1), NOW);
    assert_eq!(at(-3_600_000), NOW, "nor does one begin in an hour");
}

#[test]
fn words_for_severities_are_understood_and_an_unknown_one_is_a_warning_and_stays_a_label() {
    for (word, severity) in
        [("page", Severity::Critical), ("error", Severity::Error), ("info", Severity::Info), ("P1", Severity::Warning)]
    {
        let mut alert = alert("firing", BEGAN, OPEN);
        alert["labels"]["severity"] = word.into();
        let read = read_json(HookKind::Alertmanager, &notification(&json!([alert]))).unwrap();
        assert_eq!((read.events[0].severity, read.events[0].labels.get("severity")), (severity, Some(word)));
    }
}

#[test]
fn what_is_no_alert_is_put_aside_with_its_reason_and_the_others_are_taken() {
    let many: serde_json::Map<String, Value> = (0..MAX_LABELS).map(|n| (format!("l{n}"), "x".into())).collect();
    let mut crowded = alert("firing", BEGAN, OPEN);
    crowded["labels"] = many.into();
    let mut large = alert("firing", BEGAN, OPEN);
    large["annotations"]["summary"] = "x".repeat(MAX_ENTRY_BYTES).into();
    let odd = [
        (crowded, "it has 65 labels; at most 64 are taken"),
        (large, "it has 65839 bytes; at most 65536 are taken"),
        (json!({ "status": "firing" }), "`startsAt` is missing"),
        (alert("firing", OPEN, OPEN), "`startsAt` is missing"),
        (alert("firing", "soon", OPEN), "`startsAt` is no time: 2026-01-31T12:00:00Z"),
        (alert("loud", BEGAN, OPEN), "`status` is no status: firing, resolved"),
        (json!({ "status": "firing", "startsAt": BEGAN, "labels": { "a": 1 } }), "`a` is no text"),
        (json!(7), "`alerts` is no list of JSON objects"),
    ];
    for (odd, why) in odd {
        let mixed = notification(&json!([odd, alert("firing", BEGAN, OPEN)]));
        let read = read_json(HookKind::Alertmanager, &mixed).unwrap();
        assert_eq!((read.events.len(), read.put_aside, read.reason.as_deref()), (1, 1, Some(why)));
        let alone = read_json(HookKind::Alertmanager, &notification(&json!([odd])));
        assert_eq!(alone.unwrap_err(), NotTaken::NoEvent(why.to_owned()));
    }
}

#[test]
fn what_is_no_notification_is_refused_and_so_is_one_of_another_version() {
    let mut other = notification(&json!([]));
    other["version"] = "5".into();
    for (body, said) in [
        (json!([]), "this is no notification of alertmanager: it is no JSON object"),
        (json!({ "version": "4" }), "this is no notification of alertmanager: it has no list `alerts`"),
        (other, "this is no notification of alertmanager: it says version `5`, and 4 is read"),
    ] {
        assert_eq!(read_json(HookKind::Alertmanager, &body).unwrap_err(), NotTaken::Malformed(said.to_owned()));
    }
    let alerts: Vec<Value> = (0..=MAX_EVENTS).map(|_| alert("firing", BEGAN, OPEN)).collect();
    assert_eq!(read_json(HookKind::Alertmanager, &notification(&json!(alerts[1..]))).unwrap().events.len(), MAX_EVENTS);
    assert_eq!(
        read_json(HookKind::Alertmanager, &notification(&json!(alerts))).unwrap_err(),
        NotTaken::TooMany(MAX_EVENTS + 1)
    );
}

#[test]
fn grafana_says_values_and_places_besides() {
    let mut told = alert("firing", BEGAN, OPEN);
    told["labels"] = json!({ "alertname": "High CPU usage", "grafana_folder": "Hosts" });
    told["values"] = json!({ "B": 93.5 });
    told["silenceURL"] = "http://g/alerting/silence".into();
    let mut body = notification(&json!([told]));
    for (name, value) in
        [("version", json!("1")), ("orgId", json!(1)), ("title", json!("[FIRING:1]")), ("message", json!("long"))]
    {
        body[name] = value;
    }
    let read = read_json(HookKind::Grafana, &body).unwrap();
    let event = &read.events[0];
    assert_eq!((event.event_type.as_str(), event.severity), ("high_cpu_usage", Severity::Warning));
    assert_eq!(
        (&event.data["values"]["B"], &event.data["notification"]["title"]),
        (&json!(93.5), &json!("[FIRING:1]"))
    );
    assert!(!event.data.contains_key("message"), "it repeats what each alert says");
}

#[test]
fn what_is_said_of_all_alerts_is_kept_with_each_up_to_a_kilobyte() {
    let kept = |bytes: usize| {
        let mut body = notification(&json!([alert("firing", BEGAN, OPEN)]));
        body["groupKey"] = "x".repeat(bytes - 2).into();
        let read = read_json(HookKind::Alertmanager, &body).unwrap();
        let told = &read.events[0].data["notification"];
        assert_eq!(told["receiver"], "orion");
        told.get("groupKey").is_some()
    };
    assert!(kept(1_024));
    assert!(!kept(1_025));
}

fn cloud_event() -> Value {
    json!({
        "specversion": "1.0", "id": "A-1", "source": "/ci/build", "type": "com.example.build.failed", "subject": "main",
        "time": "2023-11-14T22:13:00Z", "severity": "error", "attempt": 2, "data": { "job": "tests", "log": { "lines": 3 } },
    })
}

#[test]
fn a_cloud_event_is_known_by_source_and_id_and_says_the_same_in_each_form() {
    let structured = read_json(HookKind::CloudEvents, &cloud_event()).unwrap().events.remove(0);
    assert_eq!((structured.event_type.as_str(), structured.severity), ("com.example.build.failed", Severity::Error));
    assert_eq!((structured.status, structured.source.as_str()), (Status::Occurred, "/ci/build"));
    assert_eq!(
        structured.labels.to_string(),
        r#"{attempt="2", job="tests", severity="error", site="cellar", source="/ci/build", subject="main"}"#
    );
    assert_eq!(structured.ts.to_string(), "2023-11-14T22:13:00.000Z");
    assert_eq!(structured.data["cloudevent"]["id"], "A-1");

    let batch = delivery("application/cloudevents-batch+json", &json!([cloud_event(), cloud_event()]));
    let batched = read(&hook(HookKind::CloudEvents), &batch, NOW).unwrap().events;
    assert_eq!(batched, [structured.clone(), structured.clone()]);

    let attributes = cloud_event();
    let attributes = attributes.as_object().unwrap().iter().filter(|(name, _)| *name != "data");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| text.replace("main", "m%61in"));
    let binary = Delivery {
        attributes: attributes.map(|(name, value)| (name.clone(), text(value))).collect(),
        ..delivery("application/json", &cloud_event()["data"])
    };
    let binary = read(&hook(HookKind::CloudEvents), &binary, NOW).unwrap().events.remove(0);
    assert_eq!((binary.event_id, &binary.labels, binary.ts), (structured.event_id, &structured.labels, structured.ts));
    let mut other = cloud_event();
    other["source"] = "/ci/other".into();
    assert_ne!(read_json(HookKind::CloudEvents, &other).unwrap().events[0].event_id, structured.event_id);
}

#[test]
fn what_is_no_cloud_event_is_refused_with_its_place_and_nothing_of_its_batch_is_taken() {
    for (member, value, why) in [
        ("specversion", json!("0.3"), "`specversion` is no version that is read: 1.0"),
        ("id", json!(""), "`id` is missing"),
        ("source", json!(null), "`source` is missing"),
        ("type", json!(7), "`type` is no text"),
        ("time", json!("2001-01-01T00:00:00Z"), "before it was written"),
    ] {
        let mut event = cloud_event();
        event[member] = value;
        let refused = read_json(HookKind::CloudEvents, &event).unwrap_err();
        assert!(matches!(&refused, NotTaken::NoEvent(said) if said.contains(why)), "{refused}");
        let batch = delivery("application/cloudevents-batch+json", &json!([cloud_event(), event]));
        let refused = read(&hook(HookKind::CloudEvents), &batch, NOW).unwrap_err();
        assert!(refused.to_string().starts_with("number 2 of 2: "), "{refused}");
    }
    let typed = |kind: &str| {
        let mut event = cloud_event();
        event["type"] = kind.into();
        read_json(HookKind::CloudEvents, &event).unwrap().events[0].event_type.clone()
    };
    assert_eq!(typed("build failed: ä"), "build_failed___");
    assert_eq!(typed(&"x".repeat(200)).len(), 100);
}

#[test]
fn a_signed_event_is_known_by_its_name_or_by_signature_and_place() {
    let body = json!([{ "event_type": "deploy", "data": { "app": "x" } }, { "event_type": "deploy", "event_id": "rollout 7" }]);
    let of = |signature: u8| {
        let delivery = Delivery { signature: Some(vec![signature; 32]), ..delivery("application/json", &body) };
        read(&hook(HookKind::Generic), &delivery, NOW).unwrap()
    };
    let (one, again, other) = (of(1), of(1), of(2));
    assert_eq!(one.events, again.events);
    assert_ne!(one.events[0].event_id, other.events[0].event_id);
    assert_eq!(one.events[1].event_id, other.events[1].event_id);
    assert!(!one.is_once, "one of them may come again in another delivery");
    assert_eq!(one.events[0].labels.to_string(), r#"{app="x", site="cellar"}"#);
    let long = json!({ "event_type": "deploy", "event_id": "x".repeat(201) });
    let refused = read_json(HookKind::Generic, &long).unwrap_err();
    assert_eq!(refused, NotTaken::NoEvent("`event_id` is no text of 1 to 200 bytes".to_owned()));
    assert!(matches!(read_json(HookKind::Generic, &json!(7)), Err(NotTaken::NoEvent(_))));
}

#[test]
fn a_hook_can_say_the_type_of_all_its_events() {
    for (kind, body) in [
        (HookKind::Alertmanager, notification(&json!([alert("firing", BEGAN, OPEN)]))),
        (HookKind::CloudEvents, cloud_event()),
        (HookKind::Generic, json!({ "data": {} })),
    ] {
        let hook = Hook { event_type: Some("theirs".to_owned()), ..hook(kind) };
        let delivery = delivery("application/cloudevents+json", &body);
        assert_eq!(read(&hook, &delivery, NOW).unwrap().events[0].event_type, "theirs", "{kind}");
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

#[tokio::test]
async fn a_delivery_is_recorded_once_and_a_signed_one_is_refused_when_it_is_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let bus = Arc::new(SqliteBus::open(dir.path()).unwrap());
    let generic = Hook { name: "g".to_owned(), ..hook(HookKind::Generic) };
    let hooks = Hooks::new(vec![hook(HookKind::Alertmanager), generic], bus.clone(), &*bus, Arc::new(Still));
    let alerts = notification(&json!([alert("firing", BEGAN, OPEN), alert("resolved", BEGAN, ENDED)]));
    let alerts = delivery("application/json", &alerts);
    assert_eq!(hooks.take(alerts.clone()).await.unwrap(), Taken { recorded: 2, ..Taken::default() });
    assert_eq!(hooks.take(alerts).await.unwrap(), Taken { known: 2, ..Taken::default() });
    let signed = delivery("application/json", &json!({ "event_type": "deploy" }));
    let signed = Delivery { hook: "g".to_owned(), ..signed };
    assert_eq!(hooks.take(signed.clone()).await.unwrap().recorded, 1);
    assert_eq!(hooks.take(signed.clone()).await, Err(NotTaken::Replayed));
    let nowhere = Delivery { hook: "nowhere".to_owned(), ..signed };
    assert_eq!(hooks.take(nowhere).await, Err(NotTaken::NoHook));
    let padded = format!("{{\"event_type\":\"deploy\"{}}}", " ".repeat(QUICK_BYTES));
    let large = Delivery {
        hook: "g".to_owned(),
        body: padded.into_bytes(),
        signature: Some(vec![8; 32]),
        ..Delivery::default()
    };
    assert_eq!(hooks.take(large).await.unwrap().recorded, 1);
    assert_eq!(bus.read(0, 99).await.unwrap().len(), 4);
}

proptest! {
    #[test]
    fn no_bytes_bring_a_hook_down(kind in 0..4_usize, batch in any::<bool>(), body in proptest::collection::vec(any::<u8>(), 0..200),
        attributes in proptest::collection::vec(("[a-z_]{1,8}", ".{0,20}"), 0..8)) {
        let content_type = if batch { "application/cloudevents-batch+json" } else { "application/json" };
        let delivery = Delivery { content_type: content_type.to_owned(), attributes, body, ..Delivery::default() };
        probe(HookKind::ALL[kind], &delivery, NOW);
    }

    #[test]
    fn whatever_an_alert_says_it_is_an_event_or_put_aside(member in "(status|labels|annotations|startsAt|endsAt|fingerprint|values)",
        said in "(null|1|\"\"|\"firing\"|\\{\\}|\\[\\]|\"2023-11-14T22:00:00Z\"|\\{\"a\":\"b\"\\}|\\{\"a\":[1]\\})") {
        let mut alert = alert("firing", BEGAN, OPEN);
        alert[member.as_str()] = serde_json::from_str(&said).unwrap();
        let delivery = delivery("application/json", &notification(&json!([alert])));
        probe(HookKind::Alertmanager, &delivery, NOW);
        probe(HookKind::Grafana, &delivery, NOW);
    }
}
