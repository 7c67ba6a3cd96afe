//! `/metrics` is what promtool takes without a word, and a real Prometheus scrapes it.
#![expect(clippy::disallowed_types, reason = "promtool is a program; none of this is deployed")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use orion_lab::{Exporter, Prometheus, RedisOptions, RedisServer, ScrapeConfig};

use crate::support::asked::{ask, get};
use crate::support::{self, Deployment, TARGETS};

/// What promtool says of a text of metrics.
pub fn promtool(text: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The value of the sample that begins so.
pub fn sample(text: &str, begin: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(begin) && !line.starts_with('#'))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn promtool_has_nothing_to_say_and_a_real_prometheus_scrapes_an_outage() {
    let mut exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("sum(up)", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving().with("ORION_CONFINEMENT", "require");
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    let address = deployment.served_ready_at();
    // What did not happen yet is there as well, so that a rate has a beginning.
    let early = get(address, "/metrics").body;
    for begin in [
        "orion_plugin_failures_total{plugin=\"threshold\"",
        "orion_bus_commit_failures_total{reason=\"full\"}",
        "orion_source_query_failures_total{source=\"prometheus\"}",
        "orion_api_answers_total{class=\"4xx\"}",
    ] {
        assert_eq!(sample(&early, begin), Some(0.0), "{begin} in\n{early}");
    }
    exporter.stop();
    deployment.wait_until("the outage", |it| !it.decisions().is_empty());
    let watching = ScrapeConfig::every(Duration::from_secs(1)).target("orion", address);
    let observer = Prometheus::start(&watching).unwrap();
    observer.wait_for("orion_source_up{source=\"prometheus\"}", "\"1\"", support::PATIENCE).unwrap();
    observer.wait_for("orion_stage_unread_records{stage=\"brain\"}", "\"0\"", support::PATIENCE).unwrap();
    observer.wait_for("up{job=\"orion\"}", "\"1\"", support::PATIENCE).unwrap();
    let late = get(address, "/metrics").body;
    assert_eq!(promtool(&late), "", "{late}");
    assert!(sample(&late, "orion_rule_evaluations_total{rule=\"targets.yaml/targets/TargetDown\"}").unwrap() > 0.0);
    assert!(sample(&late, "orion_plugin_emitted_total{plugin=\"grouping\"").unwrap() > 0.0);
    assert!(sample(&late, "orion_bus_records_total").unwrap() >= 3.0);
    assert_eq!(sample(&late, "orion_confinement_full"), Some(1.0));
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn a_refused_edit_is_an_unsuccessful_reload_until_it_is_mended() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let _orion = deployment.start();
    let address = deployment.served_ready_at();
    let successful = || sample(&get(address, "/metrics").body, "orion_config_last_reload_successful");
    assert_eq!(successful(), Some(1.0));
    deployment.rule("a\"b.yaml", "groups: 7");
    deployment.wait_until("the refusal", |_| successful() == Some(0.0));
    let text = get(address, "/metrics").body;
    assert!(text.contains("orion_config_file_refused{file=\"a\\\"b.yaml\"} 1\n"), "{text}");
    assert_eq!(promtool(&text), "");
    deployment.rule("a\"b.yaml", TARGETS);
    deployment.wait_until("the end of it", |_| successful() == Some(1.0));
}

#[test]
fn hosts_that_share_work_tell_which_of_it_is_theirs_and_whether_redis_answers() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let deployment = Deployment::new("http://127.0.0.1:9").serving().with("REDIS_URL", &redis.url());
    let _orion = deployment.start();
    let address = deployment.served_ready_at();
    let value = |begin: &str| sample(&get(address, "/metrics").body, begin);
    deployment.wait_until("all work to be its own", |_| value("orion_leases_held{role=\"watcher\"}") == Some(64.0));
    assert_eq!(value("orion_redis_up"), Some(1.0));
    assert_eq!(value("orion_partition_held{partition=\"brain:00\"}"), Some(1.0));
    assert_eq!(promtool(&get(address, "/metrics").body), "");
    drop(redis);
    deployment.wait_until("the loss to be seen", |_| value("orion_redis_up") == Some(0.0));
    assert_eq!(get(address, "/-/healthy").status, 200);
}

#[test]
fn the_form_is_the_one_that_the_reader_asked_for() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let _orion = deployment.start();
    let address = deployment.served_at();
    let newer = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5";
    let kind = |accept: &str| {
        ask(address, "GET", "/metrics", &[("Accept", accept)]).header("content-type").unwrap().to_owned()
    };
    assert_eq!(kind(newer), "text/plain; version=1.0.0; charset=utf-8; escaping=underscores");
    assert_eq!(kind("*/*"), "text/plain; version=0.0.4; charset=utf-8");
}
