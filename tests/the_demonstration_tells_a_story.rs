//! `orion demo --once` plays the recorded outage through the live code path, and ends with what there is to see.

use crate::support::Deployment;

#[test]
fn the_demonstration_ends_with_the_outage_of_jellyfin_and_where_its_records_lie() {
    let deployment = Deployment::new("");
    let output = deployment.orion(&["demo", "--once", "--speed", "600", "--data", "story"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    for part in ["service_down", "service_outage", "NO_ACTION", "jellyfin", "resolved after", "story/memory"] {
        assert!(stdout.contains(part), "`{part}` is missing in\n{stdout}");
    }
    // Every query of the rules that ship was recorded, and the end of the recording is no outage of Prometheus.
    assert!(!stdout.contains("query_failure"), "{stdout}");
    assert!(!stdout.contains("prometheus_outage"), "{stdout}");
    let decisions = std::fs::read_to_string(deployment.path("story/memory/decisions.jsonl")).unwrap();
    assert_eq!(decisions.lines().count(), 1);
    assert!(decisions.lines().all(|line| line.contains(r#""decision_type":"NO_ACTION""#)));
    assert!(!deployment.path("story/memory/actions.jsonl").exists());

    let again = deployment.orion(&["demo", "--once", "--data", "story"]);
    assert_eq!(again.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds records already"));
}

#[test]
fn tail_and_incident_tell_the_story_again() {
    let deployment = Deployment::new("");
    // At its usual speed: groups run beside each other, and faster, a busy machine may let one overtake another.
    let demo = deployment.orion(&["demo", "--once", "--data", "story"]);
    assert!(demo.status.success(), "{}", String::from_utf8_lossy(&demo.stderr));
    let mut told = String::new();
    for arguments in [
        &["tail", "--data", "story", "--output", "table"][..],
        &["incident", "list", "--data", "story", "--output", "table"],
        &["incident", "list", "--open", "--data", "story", "--output", "table"],
        &["incident", "show", "6a378c046e7a", "--data", "story", "--output", "table"],
        &["incident", "show", "ffff", "--data", "story"],
    ] {
        let output = deployment.orion(arguments);
        told += &format!("$ orion {}\n", arguments.join(" "));
        for stream in [output.stdout, output.stderr] {
            // The digest of a plugin changes with every build of it.
            let text = String::from_utf8(stream).unwrap();
            told.extend(text.lines().filter(|line| !line.starts_with("correlator")).map(|line| format!("{line}\n")));
        }
        told.push('\n');
    }
    insta::assert_snapshot!(told);
}
