//! A rule edit takes effect while Orion runs, and state of what was not touched is kept. A broken edit changes nothing, is
//! said loudly, holds back no neighbour, and does not stop a start either.

use crate::support::asked::get;
use crate::support::{self, Deployment};
use orion_lab::{Exporter, Prometheus};

fn rule(name: &str, bound: u32) -> String {
    format!(
        "groups:\n  - name: {name}\n    interval: 1s\n    rules:\n      - alert: {name}\n        expr: load\n        \
         with: {{ above: {bound} }}\n"
    )
}

fn lab() -> (Exporter, Prometheus, Deployment) {
    let exporter = Exporter::start("app").unwrap();
    exporter.set("load", 5.0);
    let prometheus = support::watching(&exporter, "load", "5");
    let deployment = Deployment::new(&prometheus.url());
    (exporter, prometheus, deployment)
}

#[test]
fn an_edit_is_live_and_untouched_rules_keep_their_state() {
    let (_exporter, _prometheus, deployment) = lab();
    deployment.rule("kept.yaml", &rule("Kept", 1));
    deployment.rule("edited.yaml", &rule("Edited", 9));
    let orion = deployment.start();
    deployment.wait_until("the untouched rule", |it| it.events_of("kept", "firing").len() == 1);
    assert!(deployment.events_of("edited", "firing").is_empty());

    deployment.rule("edited.yaml", &rule("Edited", 2));
    deployment.wait_until("the edited rule", |it| it.events_of("edited", "firing").len() == 1);
    let fired = &deployment.events_of("edited", "firing")[0];
    assert_eq!(fired["generation"], 2);
    assert_eq!(fired["data"]["value"], 5.0);

    deployment.rule("edited.yaml", &rule("Edited", 9));
    deployment.wait_until("the end of the alert", |it| it.events_of("edited", "resolved").len() == 1);
    std::fs::remove_file(deployment.path("rules/kept.yaml")).unwrap();
    deployment.wait_until("the end of the removed rule", |it| it.events_of("kept", "resolved").len() == 1);
    assert_eq!(deployment.events_of("kept", "resolved")[0]["data"]["reason"], "the rule was removed");
    assert!(orion.terminate().success());
    assert_eq!(deployment.events_of("kept", "firing").len(), 1);
    deployment.check_promises();
}

#[test]
fn an_alert_outlives_the_edit_of_its_query() {
    let (_exporter, _prometheus, deployment) = lab();
    let rules = |query: &str, others: &str| {
        format!("groups: [{{ name: g, interval: 1s, rules: [{{ alert: Subject, expr: '{query}' }}{others}] }}]\n")
    };
    deployment.rule("edited.yaml", &rules("load > 4", ""));
    let orion = deployment.start();
    deployment.wait_until("the alert", |it| it.events_of("subject", "firing").len() == 1);
    deployment.rule("edited.yaml", &rules("load >= 5", ", { alert: Sign, expr: load }"));
    deployment.wait_until("the edit", |it| it.events_of("sign", "firing").len() == 1);
    // Now nothing is as the query wants it.
    deployment.rule("edited.yaml", &rules("load >= 6", ", { alert: Sign, expr: load }"));
    deployment.wait_until("the end", |it| it.events_of("subject", "resolved").len() == 1);
    assert!(orion.terminate().success());
    assert_eq!(deployment.events_of("subject", "firing").len(), 1, "it went on through the first edit");
    deployment.check_promises();
}

#[test]
fn a_correlation_that_is_added_while_nothing_is_recorded_reads_what_comes_next() {
    let (exporter, _prometheus, deployment) = lab();
    let deployment = deployment.serving();
    deployment.rule("load.yaml", &rule("Load", 9));
    let orion = deployment.start();
    let address = deployment.served_ready_at();
    let correlations = || get(address, "/api/v1/summary").json()["correlations"].as_u64().unwrap();
    let before = correlations();
    deployment.rule(
        "overload.yaml",
        "correlations: [{ name: overload, match: { event_type: load }, group_by: [job], plugin: grouping, incident: { type: overload, \
         severity: error, summary: too much } }]\n",
    );
    deployment.wait_until("the correlation", |_| correlations() == before + 1);
    exporter.set("load", 10.0);
    deployment.wait_until("the incident", |it| !it.incidents_of("overload", "opened").is_empty());
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn a_broken_edit_changes_nothing_is_reported_and_holds_back_no_neighbour() {
    let (exporter, _prometheus, deployment) = lab();
    deployment.rule("broken.yaml", &rule("Broken", 7));
    deployment.rule("neighbour.yaml", &rule("Neighbour", 9));
    let orion = deployment.start();
    deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());

    deployment
        .rule("broken.yaml", "groups:\n  - name: Broken\n    rules:\n      - alert: Broken\n        exprr: load\n");
    deployment.rule("neighbour.yaml", &rule("Neighbour", 2));
    deployment.wait_until("the refusal", |it| !it.events_of("rule_file_refused", "firing").is_empty());
    let refused = &deployment.events_of("rule_file_refused", "firing")[0];
    assert_eq!(refused["labels"]["file"], "broken.yaml");
    let message = refused["data"]["message"].as_str().unwrap();
    assert!(message.contains("exprr") && message.contains("broken.yaml:5:9"), "{message}");
    deployment.wait_until("the neighbour's edit", |it| !it.events_of("neighbour", "firing").is_empty());

    // The last good version runs on, also over a restart.
    assert!(orion.terminate().success());
    let orion = deployment.start();
    exporter.set("load", 8.0);
    deployment.wait_until("the last good version", |it| !it.events_of("broken", "firing").is_empty());

    deployment.rule("broken.yaml", &rule("Broken", 7));
    deployment.wait_until("the mended file", |it| !it.events_of("rule_file_refused", "resolved").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(deployment.events_of("rule_file_refused", "firing").len(), 1);
    deployment.check_promises();
}

#[test]
fn a_corrupt_plugin_is_refused_and_its_last_good_version_runs_on() {
    let (exporter, _prometheus, deployment) = lab();
    let standard = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
    let file = deployment.path("plugins/mine.wasm");
    std::fs::write(&file, standard.component).unwrap();
    deployment.rule("load.yaml", &rule("Load", 7).replace("with:", "plugin: mine.wasm\n        with:"));
    let orion = deployment.start();
    deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());

    std::fs::write(&file, &standard.component[..standard.component.len() / 2]).unwrap();
    deployment.wait_until("the refusal", |it| !it.events_of("plugin_refused", "firing").is_empty());
    assert!(orion.terminate().success());
    let orion = deployment.start();
    exporter.set("load", 8.0);
    deployment.wait_until("the last good version", |it| !it.events_of("load", "firing").is_empty());

    std::fs::write(&file, standard.component).unwrap();
    deployment.wait_until("the mended plugin", |it| !it.events_of("plugin_refused", "resolved").is_empty());
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn a_rule_whose_plugin_file_is_removed_runs_on_with_it_also_over_a_restart() {
    let (exporter, _prometheus, deployment) = lab();
    let standard = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
    let file = deployment.path("plugins/mine.wasm");
    std::fs::write(&file, standard.component).unwrap();
    deployment.rule("load.yaml", &rule("Load", 7).replace("with:", "plugin: mine.wasm\n        with:"));
    let orion = deployment.start();
    deployment.wait_until("the store", |it| it.path("memory/events.jsonl").exists());

    std::fs::remove_file(&file).unwrap();
    deployment.wait_until("the refusal", |it| !it.events_of("rule_file_refused", "firing").is_empty());
    assert!(orion.terminate().success());
    let orion = deployment.start();
    exporter.set("load", 8.0);
    deployment.wait_until("the last good version", |it| !it.events_of("load", "firing").is_empty());
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn a_file_removed_while_orion_was_down_ends_its_alerts_and_returns_as_new() {
    let (_exporter, _prometheus, deployment) = lab();
    deployment.rule("load.yaml", &rule("Load", 2));
    let orion = deployment.start();
    deployment.wait_until("the alert", |it| it.events_of("load", "firing").len() == 1);
    assert!(orion.terminate().success());

    std::fs::remove_file(deployment.path("rules/load.yaml")).unwrap();
    let orion = deployment.start();
    deployment.wait_until("its end", |it| it.events_of("load", "resolved").len() == 1);
    assert_eq!(deployment.events_of("load", "resolved")[0]["data"]["reason"], "the rule was removed");

    deployment.rule("load.yaml", &rule("Load", 2));
    deployment.wait_until("its return", |it| it.events_of("load", "firing").len() == 2);
    assert!(orion.terminate().success());
    assert!(deployment.events_of("instants_missed", "occurred").is_empty());
    deployment.check_promises();
}
