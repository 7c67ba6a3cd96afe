//! The unit, as systemd reads it, and its settings, as Orion does.

use std::process::Command;

use super::{repository, said, taken, text};
use crate::support::Deployment;

const UNIT: &str = "deploy/systemd/orion.service";

/// Of 100, of what a service with everything would be exposed to. Lower is not to be had: it speaks over the network, may ask for system
/// calls to be taken away, and makes memory executable for compiled plugins.
const MOST_EXPOSURE: &str = "15";

#[test]
fn systemd_has_nothing_to_say_about_the_unit_and_finds_little_that_it_could_do() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("orion.service");
    // It looks whether what is started is there.
    std::fs::write(&unit, text(UNIT).replace("/usr/bin/orion", env!("CARGO_BIN_EXE_orion"))).unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output();
    let output = output.unwrap_or_else(|why| panic!("the test needs systemd-analyze of systemd: {why}"));
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    let threshold = format!("--threshold={MOST_EXPOSURE}");
    taken(Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager", &threshold]).arg(&unit));
}

#[test]
fn the_unit_checks_before_it_starts_reloads_and_keeps_what_the_compiler_needs() {
    let unit = text(UNIT);
    let says = |line: &str| unit.lines().any(|it| it == line);
    for line in [
        "ExecStartPre=-/usr/bin/orion check --output table",
        "ExecStart=/usr/bin/orion run",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "DynamicUser=yes",
        "StateDirectory=orion",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "NoNewPrivileges=yes",
    ] {
        assert!(says(line), "{line}");
    }
    assert!(
        !unit.lines().any(|line| line.starts_with("MemoryDenyWriteExecute")),
        "plugins are compiled in this process"
    );
}

#[test]
fn the_settings_of_the_service_are_good_and_point_where_the_unit_lets_it_write() {
    let deployment = Deployment::new("");
    let file = repository("deploy/systemd/orion.yaml");
    let output = deployment.orion(&["config", "validate", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(text("deploy/systemd/orion.yaml").contains("data: { dir: /var/lib/orion }"));
}
