//! `orion run` says over HTTP whether it lives, whether it observes, and how its parts are; whoever asks changes nothing and
//! holds up nobody.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use orion_lab::{Exporter, Prometheus, ScrapeConfig};

use crate::support::asked::{ask, connect, get};
use crate::support::{self, Deployment, TARGETS};

#[test]
fn liveness_outlasts_prometheus_and_readiness_names_it_and_both_from_a_confined_process() {
    let exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(Duration::from_secs(1)).target("jellyfin", exporter.address());
    let mut prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("sum(up)", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving().with("ORION_CONFINEMENT", "require");
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    let address = deployment.served_ready_at();
    assert_eq!(get(address, "/health").json()["status"], "ok");
    prometheus.kill();
    deployment.wait_until("readiness to end", |_| get(address, "/-/ready").status == 503);
    let ready = get(address, "/-/ready");
    assert!(ready.body.starts_with("not ready: sources: prometheus: "), "{ready:?}");
    assert_eq!(get(address, "/-/healthy").status, 200);
    let health = get(address, "/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &"unavailable".into()));
    assert_eq!(health.json()["components"]["sources"]["status"], "failing");
    assert_eq!(health.json()["components"]["store"]["status"], "ok");
    prometheus.restart().unwrap();
    deployment.wait_until("readiness to return", |_| get(address, "/-/ready").status == 200);
    assert!(orion.terminate().success());
    assert_eq!(deployment.attestations()[0]["data"]["serves"], address.to_string());
    deployment.check_promises();
}

#[test]
fn a_refused_rule_file_is_named_and_leaves_the_host_ready() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let _orion = deployment.start();
    let address = deployment.served_ready_at();
    deployment.rule("broken.yaml", "groups: 7");
    deployment.wait_until("it to be said", |_| get(address, "/health").json()["status"] == "degraded");
    let health = get(address, "/health").json();
    assert_eq!(health["components"]["rules"]["message"], "generation 1 runs; refused: broken.yaml");
    assert_eq!(get(address, "/-/ready").status, 200);
}

#[test]
fn what_is_not_there_and_what_would_change_something_is_refused_in_words() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let _orion = deployment.start();
    let address = deployment.served_at();
    let nowhere = get(address, "/nowhere");
    assert_eq!((nowhere.status, nowhere.header("content-type")), (404, Some("application/problem+json")));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let refused = ask(address, method, "/health", &[]);
        assert_eq!((refused.status, &refused.json()["status"]), (405, &405.into()), "{method}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("Orion observes"), "{refused:?}");
    }
}

#[test]
fn who_asks_slowly_or_says_too_much_holds_up_nobody() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let _orion = deployment.start();
    let address = deployment.served_at();
    let mut half: Vec<_> = (0..100).map(|_| connect(address)).collect();
    half.iter_mut().for_each(|stream| stream.write_all(b"GET /health HTTP/1.1\r\nHo").unwrap());
    assert_eq!(get(address, "/-/healthy").status, 200);
    let fits = "x".repeat(8 * 1024);
    assert_eq!(ask(address, "GET", "/-/healthy", &[("X-Long", &fits)]).status, 200);
    let too_long = "x".repeat(17 * 1024);
    let mut stream = connect(address);
    // It may hang up in the middle.
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nX-Long: {too_long}\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(get(address, "/-/healthy").status, 200);
}

#[test]
fn a_port_in_use_stops_the_start_and_says_who_to_ask() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let deployment = Deployment::new("http://127.0.0.1:9");
    let output = deployment.orion(&["run", "--listen", &address.to_string()]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap().replace(&address.port().to_string(), "PORT");
    insta::assert_snapshot!(said.trim_end(), @"orion: 127.0.0.1:PORT is in use: `ss -tlnp 'sport = :PORT'` shows by whom. Stop that, or serve elsewhere with --listen or ORION_API__LISTEN; `none` serves nothing");
    // As a settings file has it.
    std::fs::write(deployment.path("orion.yaml"), format!("api: {{ listen: \"{address}\" }}\n")).unwrap();
    let output = deployment.orion_with(&["run"], &[("ORION_API__LISTEN", "")]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("is in use"));
    assert!(!deployment.path("memory").exists());
}

#[test]
fn healthcheck_asks_and_exits_with_what_it_was_told() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let orion = deployment.start();
    let address = deployment.served_ready_at().to_string();
    for (arguments, code) in [
        (&["healthcheck", "--listen", &address][..], 0),
        (&["healthcheck", "--ready", "--listen", &address], 0),
        (&["healthcheck", "--listen", "none"], 3),
    ] {
        let output = deployment.orion(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
    }
    assert!(orion.terminate().success());
    let output = deployment.orion(&["healthcheck", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("does not answer"));
}
