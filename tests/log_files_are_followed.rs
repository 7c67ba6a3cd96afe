//! Lines of files are events, each once: through rotation, truncation, edits of the entry and `kill -9` at any moment. Nothing is read but
//! what lies in the folders of logs, and nothing is written there.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use orion_model::Clock as _;
use orion_pipeline::clock::SystemClock;
use serde_json::Value;

use crate::support::Deployment;
use crate::support::lines::{NO_PROMETHEUS, begins, each_once, found, wait_for};

/// Where a step may end in the middle.
pub const POINTS: [&str; 2] = ["logs::before_commit", "logs::after_commit"];

/// Who follows files.
const OWNER: &str = "logs";

/// A user that is not root, to whom permissions mean something.
const USER: u32 = 4242;

const ERRORS: &str = r#"
logs:
  - id: app-errors
    files: "*.log"
    match: 'ERROR (?P<what>\S+)'
    severity: error
    labels: { service: app, what: "{{ $labels.what }}" }
    limit: 0
correlations:
  - name: app-errors
    match: { event_type: app_errors }
    group_by: [service]
    incident: { type: app_errors, severity: error, summary: "{{ $labels.service }} fails" }
"#;

fn deployment(rules: &str) -> Deployment {
    let deployment = Deployment::new(NO_PROMETHEUS);
    std::fs::create_dir(deployment.path("logs")).unwrap();
    let logs = deployment.path("logs").display().to_string();
    deployment.rule("app.yaml", rules);
    deployment.with("ORION_LOGS__DIRS", &logs)
}

fn log(deployment: &Deployment, name: &str) -> PathBuf {
    deployment.path("logs").join(name)
}

fn write(deployment: &Deployment, name: &str, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(log(deployment, name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn lines_are_events_and_incidents_through_rotation_and_truncation() {
    let deployment = deployment(ERRORS);
    write(&deployment, "app.log", "ERROR before\n");
    let orion = deployment.start();
    begins(&deployment, OWNER);
    write(&deployment, "app.log", "INFO fine\nERROR one\nERROR tw");
    wait_for(&deployment, 1);
    // Rotated by renaming, in the middle of a line.
    std::fs::rename(log(&deployment, "app.log"), log(&deployment, "app.log.1")).unwrap();
    write(&deployment, "app.log.1", "o\n");
    write(&deployment, "app.log", "ERROR three\n");
    wait_for(&deployment, 3);
    // Copied and emptied.
    File::create(log(&deployment, "app.log")).unwrap();
    write(&deployment, "app.log", "ERROR 4\n");
    wait_for(&deployment, 4);
    // One that comes later.
    write(&deployment, "other.log", "ERROR five\n");
    wait_for(&deployment, 5);
    deployment.wait_until("the incident", |it| !it.incidents_of("app_errors", "opened").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(found(&deployment), ["one", "two", "three", "4", "five"]);
    let event = &deployment.events_of("app_errors", "occurred")[0];
    assert_eq!((&event["rule"], &event["source"]), (&Value::from("app.yaml/logs/app-errors"), &Value::from("files")));
    assert_eq!(event["data"]["message"], "ERROR one");
    deployment.check_promises();
}

#[test]
fn a_file_written_anew_to_the_length_it_had_is_read_again_also_when_that_was_while_nothing_ran() {
    let deployment = deployment(ERRORS);
    let orion = deployment.start();
    begins(&deployment, OWNER);
    let rewrite = |text: &str| std::fs::write(log(&deployment, "app.log"), text).unwrap();
    rewrite("ERROR one\n");
    wait_for(&deployment, 1);
    rewrite("ERROR two\n");
    wait_for(&deployment, 2);
    orion.kill();
    rewrite("ERROR six\n");
    let orion = deployment.start_again();
    wait_for(&deployment, 3);
    write(&deployment, "app.log", "ERROR ten\n");
    wait_for(&deployment, 4);
    assert!(orion.terminate().success());
    assert_eq!(found(&deployment), ["one", "two", "six", "ten"]);
    deployment.check_promises();
}

#[test]
fn lines_that_belong_together_are_one_event() {
    let rules = ERRORS.replace("limit: 0", "multiline: { start: '^\\d{4}-', max_wait: 1s }");
    let deployment = deployment(&rules);
    let orion = deployment.start();
    begins(&deployment, OWNER);
    let first = "2026-01-31 ERROR trace\n  at one\n  at two\n";
    write(&deployment, "app.log", &format!("{first}2026-01-31 ERROR last\n  caused by this\n"));
    wait_for(&deployment, 2);
    assert!(orion.terminate().success());
    let events = deployment.events_of("app_errors", "occurred");
    assert_eq!(events[0]["data"]["message"], first.trim_end());
    assert_eq!(events[1]["data"]["message"], "2026-01-31 ERROR last\n  caused by this");
    deployment.check_promises();
}

#[test]
fn a_crash_in_the_middle_loses_nothing_and_doubles_nothing() {
    const LINES: usize = 3_000;
    for (point, hit) in [(POINTS[0], 3), (POINTS[1], 3), (POINTS[0], 4)] {
        let at = &*format!("{point}:{hit}");
        let deployment = deployment(ERRORS);
        let mut orion = deployment.start_with(&[("ORION_CRASH_AT", at)]);
        begins(&deployment, OWNER);
        // One that nobody had seen before it was rotated would be nobody's.
        write(&deployment, "app.log", "ERROR first\n");
        wait_for(&deployment, 1);
        // In two pieces, so that there are several commits; the last line is whole only after the crash.
        let lines = |from, to| (from..to).map(|n| format!("ERROR {n}\n")).collect::<String>();
        write(&deployment, "app.log", &lines(0, LINES / 2));
        write(&deployment, "app.log", &format!("{}ERROR {LINES}", lines(LINES / 2, LINES)));
        assert!(!orion.wait().success(), "{at}");
        write(&deployment, "app.log", "\n");
        // Rotated while nobody looks.
        std::fs::rename(log(&deployment, "app.log"), log(&deployment, "app.log.1")).unwrap();
        write(&deployment, "app.log", "ERROR new\n");
        let orion = deployment.start_again();
        wait_for(&deployment, LINES + 3);
        orion.kill();
        let orion = deployment.start_again();
        write(&deployment, "app.log", "ERROR end\n");
        wait_for(&deployment, LINES + 4);
        each_once(&deployment, orion, LINES + 4, at);
    }
}

#[test]
fn an_edit_is_live_and_positions_stay() {
    let deployment = deployment(ERRORS);
    let orion = deployment.start();
    begins(&deployment, OWNER);
    write(&deployment, "app.log", "ERROR one\n");
    wait_for(&deployment, 1);
    deployment.rule("app.yaml", &ERRORS.replace("ERROR (?P", "FATAL (?P"));
    deployment.wait_until("the edit", |it| it.offset_of("library").is_some_and(|offset| offset > 0));
    deployment.wait_until("an event by the edited entry", |it| {
        write(it, "app.log", "FATAL two\n");
        found(it).contains(&"two".to_owned())
    });
    write(&deployment, "app.log", "ERROR nobody's\n");
    // Without its entry a log is nobody's, and its positions are forgotten.
    deployment.rule("app.yaml", "groups: []\n");
    deployment.wait_until("the end of the entry", |it| {
        let mut store = orion_bus::SqliteBus::open_read_only(&it.path("memory")).unwrap();
        store.load("logs/app.yaml/logs/app-errors").unwrap().state.is_empty()
    });
    assert!(orion.terminate().success());
    assert_eq!(found(&deployment).iter().filter(|what| *what == "one").count(), 1);
    assert!(!found(&deployment).iter().any(|what| what == "nobody's"));
    deployment.check_promises();
}

#[test]
fn a_file_that_may_not_be_read_is_said_once_and_its_lines_come_when_it_may() {
    let deployment = deployment(ERRORS);
    let orion = deployment.start_as(USER, &[]);
    begins(&deployment, OWNER);
    let secret = log(&deployment, "secret.log");
    File::create(&secret).unwrap().set_permissions(Permissions::from_mode(0o000)).unwrap();
    write(&deployment, "secret.log", "ERROR kept\n");
    deployment.wait_until("the trouble", |it| !it.events_of("log_unreadable", "firing").is_empty());
    write(&deployment, "app.log", "ERROR beside\n");
    wait_for(&deployment, 1);
    std::fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
    wait_for(&deployment, 2);
    deployment.wait_until("the end of it", |it| !it.events_of("log_unreadable", "resolved").is_empty());
    assert!(orion.terminate().success());
    assert_eq!(found(&deployment), ["beside", "kept"]);
    assert_eq!(deployment.events_of("log_unreadable", "firing").len(), 1);
    assert_eq!(deployment.incidents_of("log_unread", "opened").len(), 1);
    deployment.check_promises();
}

#[test]
fn nothing_is_read_outside_of_the_folders_and_nothing_is_written_in_them() {
    let outside = deployment(&ERRORS.replace("\"*.log\"", "/etc/passwd"));
    outside.wait_until("the refusal", |it| {
        let orion = it.start();
        it.wait_until("a refused file", |it| !it.events_of("rule_file_refused", "firing").is_empty());
        orion.terminate().success()
    });
    let refused = &outside.events_of("rule_file_refused", "firing")[0];
    let message = refused["data"]["message"].as_str().unwrap();
    assert!(message.contains("`/etc/passwd`") && message.contains("in no folder of logs"), "{message}");

    let deployment = deployment(ERRORS);
    std::fs::write(deployment.path("elsewhere"), "ERROR elsewhere\n").unwrap();
    symlink(deployment.path("elsewhere"), log(&deployment, "link.log")).unwrap();
    write(&deployment, "app.log", "ERROR before\n");
    let before = log(&deployment, "app.log").metadata().unwrap();
    let orion = deployment.start();
    begins(&deployment, OWNER);
    deployment.wait_until("the link", |it| !it.events_of("log_unreadable", "firing").is_empty());
    assert!(orion.terminate().success());
    let trouble = &deployment.events_of("log_unreadable", "firing")[0];
    assert!(trouble["data"]["message"].as_str().unwrap().contains("in no folder of logs"), "{trouble}");
    let after = log(&deployment, "app.log").metadata().unwrap();
    assert_eq!((before.mtime_nsec(), before.len()), (after.mtime_nsec(), after.len()));
    assert_eq!(std::fs::read_dir(deployment.path("logs")).unwrap().count(), 2);
    assert_eq!(found(&deployment), [""; 0]);
    deployment.check_promises();
}

#[test]
fn a_flood_is_counted_and_not_recorded() {
    const LINES: usize = 1_000_000;
    let deployment = deployment(&ERRORS.replace("limit: 0", "limit: 50"));
    // By a clock of which a minute is over in three seconds, where a confined process can read it.
    let clock = deployment.path("memory/.clock");
    std::fs::create_dir(deployment.path("memory")).unwrap();
    std::fs::write(&clock, format!("0 20 {}", SystemClock.now().as_millis())).unwrap();
    let orion = deployment.start_with(&[("ORION_CLOCK_FILE", clock.to_str().unwrap())]);
    begins(&deployment, OWNER);
    write(&deployment, "app.log", &"ERROR flood\n".repeat(LINES));
    // Said when the minute is over.
    deployment.wait_long_until("what was left out", |it| {
        let left_out = it.events_of("log_events_left_out", "occurred");
        let count: u64 = left_out.iter().map(|event| event["data"]["count"].as_u64().unwrap()).sum();
        count as usize + found(it).len() == LINES
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", orion.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < 512 * 1024, "{resident}");
    assert!(orion.terminate().success());
    deployment.check_promises();
}
