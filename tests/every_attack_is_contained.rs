//! Every file of the collection of attacks in one deployment, with a rule or correlation for each, beside a healthy rule and a
//! healthy correlation: the healthy ones go on, of each attack it is said what became of it, and the process does not grow
//! beyond bounds.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::support::{self, Deployment, LONG_PATIENCE};
use orion_hostile_plugins::{Attack, End, attacks};
use orion_lab::Exporter;
use orion_model::Kind;
use serde_json::Value;

/// A scrape that comes late beside all the attacks is no end of the alert: whatever else sees that end has to be there by then.
const HEALTHY: &str = r#"
groups:
  - name: healthy
    interval: 1s
    rules:
      - { alert: Healthy, expr: 'last_over_time(load[1m])', with: { above: 1 } }
correlations:
  - name: healthy
    match: { event_type: healthy }
    incident: { type: overload, severity: warning, summary: "load is high" }
"#;

/// What the process may hold at most, with the instances of all attacks and while the largest files are looked at.
const PEAK_KIB: u64 = 600_000;

/// What becomes of an attack in a running pipeline.
#[derive(Clone, Copy, PartialEq)]
enum Shows {
    /// The plugin file is refused.
    PluginRefused,
    /// Whether a plugin takes a rule's parameters is tried when the rule file is read, so there it ends.
    RuleFileRefused,
    /// Its calls end in faults.
    Faults,
    /// Nothing, in a run as short as this one.
    Nothing,
}

fn shows(attack: &Attack) -> Shows {
    match attack.end {
        End::Refused => Shows::PluginRefused,
        End::Declines | End::Fault { call: "configure", .. } => Shows::RuleFileRefused,
        // A series is dropped after a day, and only an instance that takes the place of another is given its state back: the
        // sandbox's own test calls these.
        End::Taken | End::Fault { call: "drop-series" | "restore", .. } => Shows::Nothing,
        End::Fault { .. } => Shows::Faults,
    }
}

/// A rule or a correlation that uses the plugin, in a file of its own.
fn uses(attack: &Attack) -> String {
    let name = attack.name;
    match attack.kind {
        Kind::Detector => format!(
            "groups:\n  - name: {name}\n    interval: 1s\n    rules:\n      - {{ alert: {name}, expr: load, plugin: {name} }}\n"
        ),
        Kind::Correlator => format!(
            "correlations:\n  - name: {name}\n    match: {{ event_type: healthy }}\n    plugin: {name}\n    \
             incident: {{ type: never, severity: info, summary: never }}\n"
        ),
    }
}

fn install(deployment: &Deployment, attack: &Attack) {
    std::fs::write(deployment.path(&format!("plugins/{}.wasm", attack.name)), &attack.bytes).unwrap();
    if shows(attack) != Shows::PluginRefused {
        deployment.rule(&format!("{}.yaml", attack.name), &uses(attack));
    }
}

/// What a label says in all events of a type with a status.
fn labels(deployment: &Deployment, event_type: &str, status: &str, label: &str) -> BTreeSet<String> {
    let events = deployment.events_of(event_type, status);
    events.iter().filter_map(|event| Some(event["labels"][label].as_str()?.to_owned())).collect()
}

/// Waits until firing events of a type name all these in a label, and no others.
fn wait_for_all(deployment: &Deployment, event_type: &str, label: &str, named: &BTreeSet<String>) {
    let began = Instant::now();
    loop {
        let found = labels(deployment, event_type, "firing", label);
        if found == *named {
            return;
        }
        let missing: Vec<_> = named.difference(&found).collect();
        let beside: Vec<_> = found.difference(named).collect();
        let log = || deployment.log();
        assert!(
            began.elapsed() < LONG_PATIENCE,
            "{event_type} lacks {missing:?} and has {beside:?} beside them\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn names(attacks: &[Attack], shown: Shows, end: &str) -> BTreeSet<String> {
    attacks.iter().filter(|attack| shows(attack) == shown).map(|attack| format!("{}{end}", attack.name)).collect()
}

/// The most memory that the process ever held, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn beside_every_attack_the_healthy_go_on_and_each_is_said_with_its_reason() {
    let attacks = attacks();
    let exporter = Exporter::start("app").unwrap();
    exporter.set("load", 5.0);
    let prometheus = support::watching(&exporter, "load", "5");
    let deployment = Deployment::new(&prometheus.url());
    deployment.rule("healthy.yaml", HEALTHY);
    let orion = deployment.start();
    deployment.wait_until("the healthy ones", |it| !it.incidents_of("overload", "opened").is_empty());

    attacks.iter().for_each(|attack| install(&deployment, attack));
    wait_for_all(&deployment, "plugin_refused", "file", &names(&attacks, Shows::PluginRefused, ".wasm"));
    wait_for_all(&deployment, "rule_file_refused", "file", &names(&attacks, Shows::RuleFileRefused, ".yaml"));
    let (detectors, correlators): (Vec<_>, Vec<_>) =
        attacks.iter().cloned().partition(|attack| attack.kind == Kind::Detector);
    let faults = names(&detectors, Shows::Faults, "");
    wait_for_all(&deployment, "plugin_fault", "plugin", &faults);
    deployment.wait_long_until("most quarantines", |it| {
        labels(it, "plugin_quarantined", "firing", "plugin").len() * 2 > faults.len()
    });
    check_aside(&deployment, &faults);

    // Nothing of all that was an end of what they watch, or another beginning.
    assert_eq!(deployment.events_of("healthy", "firing").len(), 1);
    assert_eq!(deployment.events_of("healthy", "resolved"), [Value::Null; 0]);

    // They are not only there: what they watch changes, and they say so.
    exporter.set("load", 0.0);
    deployment.wait_long_until("the end of the alert", |it| !it.events_of("healthy", "resolved").is_empty());
    deployment.wait_long_until("the end of the incident", |it| !it.incidents_of("overload", "resolved").is_empty());
    // These are the first events that the correlators see.
    exporter.set("load", 5.0);
    deployment.wait_long_until("another alert", |it| it.events_of("healthy", "firing").len() == 2);
    let faults = &faults | &names(&correlators, Shows::Faults, "");
    wait_for_all(&deployment, "plugin_fault", "plugin", &faults);
    for event in deployment.events_of("plugin_fault", "firing") {
        assert!(!event["data"]["message"].as_str().unwrap().is_empty(), "{event:#}");
    }
    let peak = peak_kib(orion.pid());
    assert!(peak < PEAK_KIB, "the process held {peak} KiB");
    assert!(orion.terminate().success());
    deployment.check_promises();
}

/// What quarantined plugins could not take is listed.
fn check_aside(deployment: &Deployment, faults: &BTreeSet<String>) {
    let listed = deployment.orion(&["aside", "list", "--output", "ndjson"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let of: BTreeSet<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["of"].as_str().unwrap().to_owned())
        .map(|of| of.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert!(!of.is_empty() && of.is_subset(faults), "{of:?}");
    assert!(of.contains("panics"), "{of:?}");
}
