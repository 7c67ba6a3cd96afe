//! One Orion has a memory folder: a second one is told who has it, and the first does not notice. When the first is killed the
//! second starts at once: the lock is the kernel's and dies with the process.

use insta::assert_snapshot;

use crate::support::twins::Twins;

#[test]
fn a_second_host_is_refused_with_the_owners_pid_and_starts_at_once_when_the_first_was_killed() {
    let twins = Twins::begin();
    let first = twins.disturbed.start();
    twins.watch_for(1_500);
    for _ in 0..3 {
        let second = twins.disturbed.orion(&["run", "--log-format", "text"]);
        assert_eq!(second.status.code(), Some(3));
        let said = String::from_utf8(second.stderr).unwrap();
        let refusal = said.lines().find(|line| line.starts_with("orion: ")).unwrap_or(&said);
        let refusal = refusal.replace(twins.disturbed.path("").to_str().unwrap(), "DATA/");
        insta::allow_duplicates! { assert_snapshot!(refusal.replace(&first.pid().to_string(), "PID"), @"orion: DATA/memory belongs to a running Orion (process PID): stop it, or give this one another data folder") };
    }
    assert_eq!(twins.disturbed.attestations().len(), 2, "whoever is refused writes nothing");
    first.kill();
    let lock = std::fs::read_to_string(twins.disturbed.path("memory/orion.lock")).unwrap();
    let second = twins.disturbed.start();
    twins.disturbed.wait_until("the start of the second", |it| it.attestations().len() == 3);
    assert_ne!(std::fs::read_to_string(twins.disturbed.path("memory/orion.lock")).unwrap(), lock);
    println!("0 lost, 0 doubled: {:?}", twins.end(second));
}
