//! Orion starts at autonomy level N0 or not at all, and whatever it decides is `NO_ACTION`.

use crate::support::Deployment;

#[test]
fn any_autonomy_level_but_n0_refuses_to_start_and_says_why() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    for level in ["N1", "n0", "full"] {
        let output = deployment.orion(&["run", "--autonomy-level", level]);
        assert_eq!(output.status.code(), Some(3), "{level}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("does not exist: Orion only observes"), "{stderr}");
        assert!(!deployment.path("memory").exists());
    }
}

#[test]
fn the_environment_is_heard_too() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    let mut orion = deployment.start_with(&[("ORION_AUTONOMY_LEVEL", "N2")]);
    assert_eq!(orion.wait().code(), Some(3));
    let log = deployment.log();
    assert!(log.contains("ORION_AUTONOMY_LEVEL") && log.contains("N0"), "{log}");
}

#[test]
fn n0_and_an_empty_variable_start() {
    for level in ["N0", ""] {
        let deployment = Deployment::new("http://127.0.0.1:9");
        let orion = deployment.start_with(&[("ORION_AUTONOMY_LEVEL", level)]);
        deployment.wait_until("a decision", |it| !it.decisions().is_empty() || it.path("memory/events.jsonl").exists());
        assert!(orion.terminate().success());
        deployment.check_promises();
    }
}
