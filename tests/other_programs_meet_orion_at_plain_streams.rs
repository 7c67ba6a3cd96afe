//! Programs that know nothing of Orion write events to a plain stream of Redis and have them correlated, and read what Orion
//! recorded from others.

use crate::support::{self, Deployment, TARGETS};
use orion_lab::{RedisOptions, RedisServer};

/// A source that nobody needs here.
const NO_PROMETHEUS: &str = "http://127.0.0.1:9";

#[test]
fn an_entry_of_another_program_becomes_an_incident_once_and_every_record_can_be_read() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let host = Deployment::new(NO_PROMETHEUS);
    host.rule("targets.yaml", TARGETS);
    let write = |fields: &[&str]| redis.command(&[&["XADD", "event", "*"], fields].concat()).unwrap();
    let down = ["event_type", "service_down", "severity", "error", "data", r#"{"service":"cadvisor"}"#];
    // Written before anybody reads.
    write(&down);
    let start = || host.start_with(&[("REDIS_URL", &redis.url()), ("ORION_NODE_NAME", "one"), ("ORION_LEASE", "3s")]);
    let running = start();
    // One is about the source that does not answer.
    host.wait_until("the decisions", |it| it.decisions().len() == 2);
    assert_eq!(host.incidents_of("service_outage", "opened")[0]["summary"], "cadvisor is out");

    write(&["event_type", "no type at all", "note", "kept"]);
    write(&[&down[..], &["ts", "2001-01-01T00:00:00Z"]].concat());
    write(&[&down[..], &["ts", "2101-01-01T00:00:00Z"]].concat());
    let dead = || redis.command(&["XLEN", "{orion}:dead"]).unwrap();
    support::wait_until("what is no event to be put aside", || dead() == "3", || host.events().len().to_string());
    let buried = redis.command(&["XRANGE", "{orion}:dead", "-", "+"]).unwrap();
    assert!(buried.contains("`event_type` is no type of events") && buried.contains("kept"), "{buried}");
    assert!(buried.contains("before it was written") && buried.contains("after it was written"), "{buried}");

    // Nothing comes twice after a restart, and what comes later does.
    assert!(running.terminate().success());
    write(&[&down[..4], &["data", r#"{"service":"loki"}"#]].concat());
    let running = start();
    host.wait_until("one more decision", |it| it.decisions().len() == 3);
    let published = |stream: &str| redis.command(&["XRANGE", stream, "-", "+"]).unwrap();
    support::wait_until(
        "everything to be published",
        || published("decision").matches("orion_seq").count() == 3,
        || published("decision"),
    );
    assert!(running.terminate().success());
    assert_eq!(published("decision").matches("NO_ACTION\n").count(), 3);
    let (incidents, events) = (host.incidents().len(), host.events().len());
    assert_eq!(published("incident").matches("orion_seq").count(), incidents);
    assert_eq!(published("event").matches("orion_seq").count(), events);
    assert_eq!(host.events_of("service_down", "occurred").len(), 2);
    host.check_promises();
}
