//! `/api/v1` tells what the commands tell, page by page and as it comes, and its description is true.
#![expect(clippy::disallowed_types, reason = "the tester of interfaces is a program; none of this is deployed")]

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use orion_lab::{Exporter, Prometheus, ScrapeConfig};
use serde_json::{Value, json};

use crate::support::asked::{Stream, ask, get};
use crate::support::{self, Deployment, Running, TARGETS, toolchains};

/// A deployment that runs and has recorded an outage and its end.
struct Scene {
    exporter: Exporter,
    _prometheus: Prometheus,
    deployment: Deployment,
    orion: Running,
    address: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        let exporter = Exporter::start("jellyfin").unwrap();
        let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
        let prometheus = Prometheus::start(&targets).unwrap();
        prometheus.wait_for("sum(up)", "\"1\"", support::PATIENCE).unwrap();
        let deployment = Deployment::new(&prometheus.url()).serving().with("ORION_CONFINEMENT", "require");
        deployment.rule("targets.yaml", TARGETS);
        let orion = deployment.start();
        let address = deployment.served_ready_at();
        let mut scene = Self { exporter, _prometheus: prometheus, deployment, orion, address };
        scene.outage(1);
        scene
    }

    /// Down and up again, and all of it written down.
    fn outage(&mut self, times: usize) {
        self.exporter.stop();
        self.deployment.wait_until("the outage", |it| it.decisions().len() == times);
        self.exporter.restart().unwrap();
        self.deployment.wait_until("its end", |it| it.incidents_of("service_outage", "resolved").len() == times);
    }

    fn get(&self, target: &str) -> Value {
        let answer = get(self.address, target);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    /// What a command prints.
    fn orion(&self, arguments: &[&str]) -> Value {
        let output = self.deployment.orion(&[arguments, &["--output", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// All items, page by page.
    fn all(&self, target: &str, limit: usize) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let separator = if target.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{target}{separator}limit={limit}{cursor}"));
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
                None => return items,
            }
        }
    }

    fn listen(&self, headers: &str) -> Stream {
        Stream::open(self.address, "", headers)
    }
}

/// Items without what only the files and the interface have of them.
fn bare(items: &[Value]) -> Vec<Value> {
    let mut items = items.to_vec();
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        for member in ["seq", "schema", "prev", "hash"] {
            item.remove(member);
        }
    }
    items
}

#[test]
fn the_interface_tells_what_the_commands_tell() {
    let scene = Scene::new();
    let events = scene.all("/api/v1/events", 1);
    let newest_first: Vec<Value> = scene.deployment.events().into_iter().rev().collect();
    assert_eq!(bare(&events), bare(&newest_first));
    assert_eq!(events[0]["seq"], newest_first[0]["seq"]);
    assert_eq!(bare(&scene.all("/api/v1/decisions", 7)), bare(&scene.deployment.decisions()));
    let incidents = scene.all("/api/v1/incidents", 500);
    assert_eq!(json!(bare(&incidents)), scene.orion(&["incident", "list"]));
    let id = incidents[0]["incident_id"].as_str().unwrap();
    let story = scene.get(&format!("/api/v1/incidents/{id}"));
    assert_eq!(story, scene.orion(&["incident", "show", id]));
    assert_eq!(story["events"].as_array().unwrap().len(), 1, "{story}");
    assert_eq!(scene.get("/api/v1/nodes")["items"], scene.orion(&["get", "nodes"]));
    assert_eq!(scene.get("/api/v1/partitions")["items"], scene.orion(&["get", "partitions"]));
    assert_eq!(scene.get("/api/v1/locks")["items"], scene.orion(&["get", "locks"]));
    assert_eq!(scene.get("/api/v1/audit"), scene.orion(&["audit", "verify"]));
    let rules = scene.get("/api/v1/rules");
    let standing = &scene.orion(&["rule", "list"])[0];
    assert_eq!((&rules["items"][0]["rule"], &rules["items"][0]["health"]), (&standing["rule"], &standing["health"]));
    let threshold = scene.orion(&["plugin", "inspect", "threshold"]);
    let plugins = scene.get("/api/v1/plugins");
    let certificates = plugins["items"].as_array().unwrap().iter().map(|plugin| &plugin["certificate"]);
    assert!(certificates.into_iter().any(|certificate| *certificate == threshold), "{plugins}");
    let summary = scene.get("/api/v1/summary");
    assert_eq!(
        (&summary["status"], &summary["rules"], &summary["incidents"]["known"]),
        (&"ok".into(), &1.into(), &1.into())
    );
    let persistence = scene.get("/api/v1/persistence");
    assert_eq!((&persistence["position"], &persistence["troubles"]), (&summary["position"], &json!({})));
    assert!(scene.orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn filters_pass_what_they_say_and_a_slip_in_one_is_refused() {
    let mut scene = Scene::new();
    scene.outage(2);
    let count = |target: &str| scene.all(target, 1).len();
    assert_eq!(count("/api/v1/events?event_type=service_down"), 4);
    assert_eq!(count("/api/v1/events?event_type=service_down&status=firing&severity=error"), 2);
    assert_eq!(count("/api/v1/events?rule=targets.yaml%2Ftargets%2FTargetDown&source=prometheus"), 4);
    assert_eq!(count("/api/v1/events?to=2001-01-01T00:00:00Z"), 0);
    assert_eq!((count("/api/v1/incidents"), count("/api/v1/incidents?state=open")), (2, 0));
    assert_eq!(count("/api/v1/incidents?state=resolved&severity=critical&q=JELLYFIN"), 2);
    assert_eq!(count("/api/v1/incidents?q=sonarr"), 0);
    let incident = scene.get("/api/v1/incidents")["items"][0]["incident_id"].as_str().unwrap().to_owned();
    assert_eq!(count(&format!("/api/v1/decisions?incident_id={incident}")), 1);
    assert_eq!((count("/api/v1/rules?q=targetdown"), count("/api/v1/rules?unwell=true")), (1, 0));
    assert_eq!(scene.get("/api/v1/events?limit=500")["next"], Value::Null);
    for (target, says) in [
        ("/api/v1/events?limit=501", "1 to 500"),
        ("/api/v1/events?limit=0", "1 to 500"),
        ("/api/v1/events?limt=5", "unknown field `limt`"),
        ("/api/v1/events?severity=bad", "unknown variant `bad`"),
        ("/api/v1/events?cursor=x", "`cursor` is none of ours"),
        ("/api/v1/incidents?cursor=1", "`cursor` is none of ours"),
        ("/api/v1/incidents?from=yesterday", "is not a time"),
        ("/api/v1/summary?x=1", "unknown field `x`"),
    ] {
        let refused = get(scene.address, target);
        assert_eq!(refused.status, 400, "{target}: {refused:?}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(says), "{target}: {refused:?}");
    }
    assert_eq!(get(scene.address, "/api/v1/incidents/ffffffffffffffffffffffffffffffff").status, 404);
}

#[test]
fn who_has_the_answer_already_is_told_so_until_it_is_another() {
    let mut scene = Scene::new();
    let target = "/api/v1/events";
    let first = get(scene.address, target);
    let tag = first.header("etag").unwrap().to_owned();
    let again = ask(scene.address, "GET", target, &[("If-None-Match", &tag)]);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    scene.outage(2);
    let later = ask(scene.address, "GET", target, &[("If-None-Match", &tag)]);
    assert_eq!(later.status, 200);
    assert_ne!(later.header("etag"), Some(tag.as_str()));
}

#[test]
fn records_are_heard_as_they_come_and_who_was_away_hears_what_was_missed() {
    let mut scene = Scene::new();
    let (mut all, mut decisions) = (scene.listen(""), Stream::open(scene.address, "", "X-Nothing: 1\r\n"));
    scene.outage(2);
    let heard: Vec<_> = (0..5).map(|_| all.record().unwrap()).collect();
    let kinds: Vec<&str> = heard.iter().map(|(_, kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["event", "incident", "decision", "event", "incident"]);
    assert!(heard.windows(2).all(|pair| pair[0].0 < pair[1].0), "{heard:?}");
    assert_eq!(decisions.record().unwrap().0, heard[0].0);
    // One that lost its connection after the first of them.
    let mut returned = scene.listen(&format!("Last-Event-ID: {}\r\n", heard[0].0));
    let missed: Vec<_> = (0..4).map(|_| returned.record().unwrap()).collect();
    assert_eq!(missed, heard[1..]);
    scene.outage(3);
    assert!(returned.record().unwrap().0 > heard[4].0);
    // The end of the host is the end of the stream, and nobody waits for who listens.
    scene.orion.signal_to_end();
    while all.record().is_some() {}
    assert!(scene.orion.wait().success());
    scene.deployment.check_promises();
}

/// What the description cannot say, and the tester needs to know of bodies that are meant to be taken. Those that are meant to be refused
/// stay as it made them up.
const MEANT: &str = r#"
import schemathesis
from schemathesis.generation import GenerationMode

RULES = [
    "groups: []\n",
    "groups: [{ name: g, rules: [{ alert: A, expr: up == 0 }] }]\n",
    "correlations: [{ name: c, match: { event_type: x }, incident: { type: i, severity: error, summary: s } }]\n",
]

def whole(value):
    # To a schema 1.0 is as whole a number as 1; Orion takes numbers without a fraction, as the description says.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return value

@schemathesis.hook
def before_call(context, case, kwargs):
    body, meta = case.body, case.meta
    if meta is None or meta.generation.mode is not GenerationMode.POSITIVE or not isinstance(body, dict):
        return
    body = case.body = whole(body)
    operation = case.operation.definition.raw.get("operationId")
    # Here no token says who it is.
    if operation in ("mark", "withdrawMark", "missed", "withdrawMissed", "startJob", "cancelJob", "apply"):
        body["by"] = body.get("by") or "tester"
    if operation == "apply":
        # A few sets, and no two files of one name; of the texts that it made up hardly one is a rule file, and some have to be.
        case.path_parameters["set"] = "eu" if len(body["files"]) % 2 else "us"
        files = [dict(file, name=f"{place}-{file['name']}"[-128:]) for place, file in enumerate(body["files"])]
        if sum(len(file["text"]) for file in files) % 3:
            files = [dict(file, text=RULES[place % len(RULES)]) for place, file in enumerate(files)]
        body["files"] = files
    if operation == "forward":
        # A line goes forward, by one position an event at least.
        after = min(body["after"]["position"], 2**62)
        body["after"] = dict(body["after"], position=after)
        body["to"] = dict(body["to"], position=after + len(body["events"]) + 1)
    if operation in ("forward", "say"):
        # There are a thousand agents at most.
        case.path_parameters["agent"] = "site-" + str(len(str(body)) % 8)
"#;

#[test]
fn a_tester_of_interfaces_finds_nothing_that_is_not_as_described() {
    let scene = Scene::new();
    let description = format!("http://{}/api/v1/openapi.json", scene.address);
    // What makes a job cannot be described to the end: its span goes forward, and a text that is not given is a file that is there. Nor
    // what makes a rule file, and whether somebody else has applied another version or has forwarded from that line.
    let taken = |operation: &str, statuses: &str| {
        format!(
            "[[operations]]\ninclude-operation-id = \"{operation}\"\n\
             [operations.checks.positive_data_acceptance]\nexpected-statuses = [{statuses}]\n"
        )
    };
    let settings = [
        "hooks = \"meant.py\"\n".to_owned(),
        taken("startJob", r#""2xx", "400", "429""#),
        taken("apply", r#""2xx", "409", "422""#),
        taken("forward", r#""2xx", "409""#),
    ];
    std::fs::write(scene.deployment.path("schemathesis.toml"), settings.concat()).unwrap();
    std::fs::write(scene.deployment.path("meant.py"), MEANT).unwrap();
    let output = toolchains::give(&mut Command::new("schemathesis"))
        // The stream has no end that a tester could wait for.
        .args(["run", &description, "--exclude-path", "/api/v1/stream", "--seed", "7", "--max-examples", "25"])
        .args(["--checks", "all", "--generation-database", "none", "--no-color", "--warnings", "off"])
        .current_dir(scene.deployment.path(""))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(scene.orion.terminate().success());
    scene.deployment.check_promises();
}
