//! The clock of the machine is set, forwards and backwards, while Orion runs and while it does not. Ids are unique, each alert fires
//! and resolves in turn, time in the records never goes back, and observation goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::Deployment;
use crate::support::twins::Twins;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

/// The clock of a deployment.
struct Hands<'a>(&'a Deployment);

impl Hands<'_> {
    /// It is wrong by so much from now on.
    fn set(&self, millis: i64) {
        let partial = self.0.path("memory/.clock.partial");
        std::fs::create_dir_all(self.0.path("memory")).unwrap();
        std::fs::write(&partial, millis.to_string()).unwrap();
        std::fs::rename(partial, self.0.path("memory/.clock")).unwrap();
    }

    fn start(&self) -> crate::support::Running {
        self.0.start_with(&[("ORION_CLOCK_FILE", self.0.path("memory/.clock").to_str().unwrap())])
    }
}

#[test]
fn a_clock_that_is_set_back_a_little_and_right_again_changes_nothing() {
    let twins = Twins::begin();
    let clock = Hands(&twins.disturbed);
    clock.set(0);
    let orion = clock.start();
    twins.watch_for(2 * SECOND);
    clock.set(-40 * SECOND);
    std::thread::sleep(Duration::from_secs(2));
    clock.set(0);
    twins.watch_for(6 * SECOND);
    orion.kill();
    clock.set(-40 * SECOND);
    let orion = clock.start();
    std::thread::sleep(Duration::from_secs(2));
    orion.kill();
    clock.set(0);
    let orion = clock.start();
    println!("0 lost, 0 doubled: {:?}", twins.end(orion));
}

#[test]
fn a_clock_that_is_set_back_by_an_hour_stops_nothing_and_its_time_is_not_recorded_twice() {
    let twins = Twins::begin();
    let deployment = &twins.disturbed;
    let clock = Hands(deployment);
    clock.set(0);
    let orion = clock.start();
    twins.watch_for(3 * SECOND);
    clock.set(-HOUR);
    goes_on(deployment, "after it was set back");
    orion.kill();
    let orion = clock.start();
    goes_on(deployment, "after a restart");
    clock.set(0);
    goes_on(deployment, "after it was set right");
    assert!(orion.terminate().success());
    deployment.check_promises();
    time_never_goes_back(deployment);
    let said = deployment.events_of("clock_went_back", "occurred");
    let of_a_group = said.iter().filter(|event| event["labels"]["group"] == "world.yaml/beat").count();
    assert_eq!(of_a_group, 2, "once for each start that finds it so: {said:#?}");
    assert!(said[0]["data"]["message"].as_str().unwrap().contains("half as fast"), "{said:#?}");
    assert_eq!(deployment.incidents_of("clock_fault", "opened").len(), 1);
    assert!(deployment.events_of("instants_missed", "occurred").is_empty());
    twins.end_alone();
}

#[test]
fn a_clock_that_is_set_forward_by_a_day_and_back_stops_nothing() {
    let twins = Twins::begin();
    let deployment = &twins.disturbed;
    let clock = Hands(deployment);
    clock.set(0);
    let orion = clock.start();
    twins.watch_for(3 * SECOND);
    clock.set(24 * HOUR);
    deployment.wait_until("the gap to be said", |it| it.events_of("instants_missed", "occurred").len() == 3);
    goes_on(deployment, "a day later");
    clock.set(0);
    goes_on(deployment, "after it was set right");
    orion.kill();
    let orion = clock.start();
    goes_on(deployment, "after a restart");
    assert!(orion.terminate().success());
    deployment.check_promises();
    time_never_goes_back(deployment);
    twins.end_alone();
}

fn beats(deployment: &Deployment) -> usize {
    deployment.events_of("beat", "firing").len()
}

/// Two more beats are observed and two more incidents are over.
fn goes_on(deployment: &Deployment, when: &str) {
    let (before, over) = (beats(deployment), deployment.incidents_of("beats", "resolved").len());
    deployment.wait_until(&format!("observation to go on {when}"), |it| {
        beats(it) >= before + 2 && it.incidents_of("beats", "resolved").len() >= over + 2
    });
}

/// Of each alert: fires and resolves in turn, each later than the one before. Of each incident: revisions in order.
fn time_never_goes_back(deployment: &Deployment) {
    let mut alerts: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let of_the_world = deployment.events().into_iter().filter(|event| event["source"] == "prometheus");
    for event in of_the_world {
        alerts.entry(format!("{} {}", event["rule"], event["labels"])).or_default().push(event);
    }
    assert!(alerts.len() > 10);
    for (alert, events) in alerts {
        for pair in events.windows(2) {
            assert_ne!(pair[0]["status"], pair[1]["status"], "{alert}: {pair:#?}");
            assert!(pair[0]["ts"].as_str() < pair[1]["ts"].as_str(), "{alert}: {pair:#?}");
        }
    }
    let mut incidents: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for incident in deployment.incidents() {
        incidents.entry(incident["incident_id"].to_string()).or_default().push(incident);
    }
    for revisions in incidents.values() {
        let numbers: Vec<_> = revisions.iter().filter_map(|incident| incident["revision"].as_u64()).collect();
        assert!(numbers.iter().copied().eq(1..=revisions.len() as u64), "{revisions:#?}");
    }
}
