//! Memory that is free is given back to the system soon: how the allocator holds memory was decided when `orion` was built.

use crate::support::Deployment;

/// Has the allocator say on the standard error what it was told, and by whom.
const SAY_IT: (&str, &str) = ("_RJEM_MALLOC_CONF", "confirm_conf:true");

#[test]
fn the_allocator_was_told_how_to_hold_memory_when_orion_was_built() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    let output = deployment.orion_with(&["--version"], &[SAY_IT]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    for setting in ["narenas:4", "dirty_decay_ms:500", "muzzy_decay_ms:0", "thp:never"] {
        assert!(said.lines().any(|line| line.ends_with(&format!("Set conf value: {setting}"))), "{setting}:\n{said}");
    }
}
