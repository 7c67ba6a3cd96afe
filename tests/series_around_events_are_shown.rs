//! Around an event its series is shown, as the source remembers it: asked for once, however many look, and said where there is none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use orion_lab::{Answered, AnsweringServer, Question};
use serde_json::Value;

use crate::support::asked::get;
use crate::support::{Deployment, browser};

/// Text that runs where it is taken for markup.
const SCRIPT: &str = "<script>globalThis.hit=1</script>";

const RULES: &str = r#"
groups:
  - name: g
    interval: 1s
    rules:
      - alert: LoadHigh
        expr: load > 2
        labels: { severity: error, event_type: load_high, service: "{{ $labels.job }}" }
      - alert: QueueLong
        expr: queue
        plugin: threshold
        with: { above: 1e1 }
        labels: { severity: warning, event_type: queue_long, service: queue }
      - alert: Gone
        expr: absent(up)
        labels: { severity: info, event_type: gone, service: gone }
correlations:
  - name: any
    match: { event_type: [load_high, queue_long, gone] }
    group_by: [service]
    plugin: grouping
    with: { at_least: 1 }
    incident: { type: trouble, severity: error, summary: "trouble with {{ $labels.service }}" }
"#;

/// The whole of it counts how often it was asked what only somebody who looks asks.
fn world(question: &Question, looks: &AtomicUsize) -> Vec<Answered> {
    let labels = |job: &str| vec![("instance", "i".to_owned()), ("job", job.to_owned())];
    match question.expr.as_str() {
        "load" => {
            looks.fetch_add(1, Ordering::SeqCst);
            vec![(labels(SCRIPT), 7.0), (labels("other"), 1.0)]
        }
        "load > 2" => vec![(labels(SCRIPT), 7.0)],
        "queue" => vec![(vec![("__name__", "queue".to_owned()), ("job", "q".to_owned())], 50.0)],
        "absent(up)" => vec![(vec![("job", "gone".to_owned())], 1.0)],
        _ => Vec::new(),
    }
}

struct Scene {
    prometheus: AnsweringServer,
    looks: Arc<AtomicUsize>,
    deployment: Deployment,
    orion: crate::support::Running,
    address: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = looks.clone();
        let prometheus = AnsweringServer::start(move |question| world(question, &counted)).unwrap();
        let deployment = Deployment::new(&prometheus.url()).serving().with("ORION_CONFINEMENT", "require");
        deployment.rule("a.yaml", RULES);
        let orion = deployment.start();
        let address = deployment.served_ready_at();
        deployment.wait_until("all incidents", |it| it.incidents_of("trouble", "opened").len() == 3);
        Self { prometheus, looks, deployment, orion, address }
    }

    fn incident(&self, service: &str) -> String {
        let opened = self.deployment.incidents_of("trouble", "opened");
        let of = opened.iter().find(|it| it["key"]["service"] == service).unwrap();
        of["incident_id"].as_str().unwrap().to_owned()
    }

    fn series(&self, service: &str) -> Value {
        let answer = get(self.address, &format!("/api/v1/incidents/{}/series", self.incident(service)));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["series"].clone()
    }

    fn end(self) {
        assert!(self.orion.terminate().success());
        self.deployment.check_promises();
    }
}

#[test]
fn around_an_event_its_series_is_told_with_the_bound_and_where_a_person_sees_the_query() {
    let scene = Scene::new();
    let load = scene.series(SCRIPT);
    assert_eq!((&load["expr"], &load["labels"]["job"], &load["others"]), (&"load".into(), &SCRIPT.into(), &1.into()));
    assert_eq!((&load["bounds"][0]["operator"], &load["bounds"][0]["value"]), (&">".into(), &2.0.into()));
    let samples = load["samples"].as_array().unwrap();
    assert!((40..=120).contains(&samples.len()) && samples.iter().all(|sample| sample[1] == 7.0), "{load}");
    let events = scene.deployment.events_of("load_high", "firing");
    let instant = &events[0]["evidence"]["instant"];
    assert!(samples.iter().any(|sample| sample[0] == *instant), "{instant} is not among {load}");
    let page = load["page"].as_str().unwrap();
    assert!(page.starts_with(&scene.prometheus.url()) && page.contains("g0.expr=load+%3E+2&"), "{page}");

    // A bound of the detector, and a query that is no comparison.
    let queue = scene.series("queue");
    assert_eq!((&queue["expr"], &queue["bounds"][0]["value"]), (&"queue".into(), &10.0.into()));
    assert_eq!(scene.series("gone")["bounds"], serde_json::json!([]));

    let (load, queue) = (scene.incident(SCRIPT), scene.incident("queue"));
    let event = events[0]["event_id"].as_str().unwrap();
    assert_eq!(get(scene.address, &format!("/api/v1/incidents/{load}/series?event={event}")).status, 200);
    for (target, status) in [
        (format!("/api/v1/incidents/{queue}/series?event={event}"), 404),
        (format!("/api/v1/incidents/{load}/series?event=x"), 400),
        (format!("/api/v1/incidents/{load}/series?query=up"), 400),
        ("/api/v1/incidents/ffffffffffffffffffffffffffffffff/series".to_owned(), 404),
    ] {
        assert_eq!(get(scene.address, &target).status, status, "{target}");
    }
    scene.end();
}

#[test]
fn a_source_is_asked_once_however_many_look_and_no_row_of_a_list_waits_for_it() {
    let scene = Scene::new();
    let ids = [SCRIPT, "queue", "gone"].map(|service| scene.incident(service)).join(",");
    let target = format!("/api/v1/sparklines?incidents={ids}");
    let first = get(scene.address, &target).json();
    assert_eq!((&first["items"], &first["waiting"]), (&serde_json::json!([]), &3.into()));
    scene.deployment.wait_until("all of them", |_| get(scene.address, &target).json()["waiting"] == 0);
    let told = get(scene.address, &target).json();
    let load = told["items"].as_array().unwrap().iter().find(|it| it["incident_id"] == scene.incident(SCRIPT)).unwrap();
    assert_eq!((&load["peak"], &load["bound"]["value"]), (&7.0.into(), &2.0.into()));
    assert!(load["values"].as_array().unwrap().iter().filter(|value| **value == 7.0).count() > 10, "{load}");
    // A whole series was asked for, once; the lists and pages of others cost nothing more.
    let looked = scene.looks.load(Ordering::SeqCst);
    for _ in 0..50 {
        get(scene.address, &target);
        scene.series(SCRIPT);
    }
    assert!(scene.looks.load(Ordering::SeqCst) <= 2 * looked + 120, "{looked} became {:?}", scene.looks);
    for target in ["/api/v1/sparklines", "/api/v1/sparklines?incidents=", "/api/v1/sparklines?incidents=x"] {
        assert_eq!(get(scene.address, target).status, 400, "{target}");
    }
    scene.end();
}

#[test]
fn when_the_source_is_away_it_is_said_and_asked_again() {
    let mut scene = Scene::new();
    scene.prometheus.stop();
    let away = scene.series(SCRIPT);
    assert!(away["missing"].as_str().unwrap().contains("cannot be reached"), "{away}");
    scene.prometheus.restart().unwrap();
    assert_eq!(scene.series(SCRIPT)["missing"], Value::Null);
    scene.end();
}

#[test]
fn who_asks_for_more_series_than_sources_are_asked_for_is_told_when_to_ask_again() {
    const SERIES: usize = 40;
    let many = |_: &Question| (0..SERIES).map(|n| (vec![("job", format!("job-{n}"))], 7.0)).collect();
    let prometheus = AnsweringServer::start(many).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving();
    let rules = RULES.replace("{{ $labels.job }}\" }\n      - alert: QueueLong", "all\" }\n      - alert: QueueLong");
    deployment.rule("a.yaml", &rules);
    let orion = deployment.start();
    let address = deployment.served_ready_at();
    deployment.wait_until("the incident", |it| it.events_of("load_high", "firing").len() == SERIES);
    let find = |it: &Deployment| {
        let all = it.incidents().into_iter().find(|it| it["key"]["service"] == "all" && it["event_count"] == SERIES)?;
        Some(all["incident_id"].as_str()?.to_owned())
    };
    deployment.wait_until("all events to be in the incident", |it| find(it).is_some());
    let incident = find(&deployment).unwrap();
    let ask = |event: &Value| {
        let event = event["event_id"].as_str().unwrap();
        get(address, &format!("/api/v1/incidents/{incident}/series?event={event}"))
    };
    let answers: Vec<_> = deployment.events_of("load_high", "firing").iter().map(ask).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    let told = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(told >= 20 && told + refused.len() == SERIES && !refused.is_empty(), "{told} were told");
    assert!(refused.iter().all(|answer| answer.header("retry-after").is_some()), "{refused:?}");
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn a_person_sees_the_series_its_bound_and_what_fired_and_a_line_in_each_row() {
    let scene = Scene::new();
    let (load, gone) = (scene.incident(SCRIPT), scene.incident("gone"));
    browser::read("series", scene.address, &[&load, &gone]);
    scene.end();
}

#[test]
fn of_a_recording_the_series_is_what_was_recorded() {
    let deployment = Deployment::new("");
    let demonstration = deployment.demonstrate(&["--speed", "600"]);
    let address = deployment.demonstrated_at();
    deployment
        .wait_until("the outage", |_| get(address, "/api/v1/incidents?state=resolved").json()["items"][0].is_object());
    let incident = get(address, "/api/v1/incidents").json()["items"][0]["incident_id"].as_str().unwrap().to_owned();
    let told = get(address, &format!("/api/v1/incidents/{incident}/series")).json();
    let series = &told["series"];
    assert_eq!(series["missing"], Value::Null, "{told}");
    assert!(series["samples"].as_array().unwrap().len() > 3 && series["page"].is_null(), "{told}");
    assert!(demonstration.terminate().success());
}
