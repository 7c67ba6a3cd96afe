//! The target that `ORION_FUZZ_TARGET` names, under libFuzzer. One program for all of them, because linking it is most of
//! what building it costs. What the target begins with is written into the folder that `ORION_FUZZ_CORPUS` names.
#![no_main]
#![expect(clippy::expect_used, reason = "who started it wrong is told so")]

use std::path::PathBuf;
use std::sync::LazyLock;

use orion_fuzz::Target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("ORION_FUZZ_TARGET").expect("ORION_FUZZ_TARGET names a target");
    orion_fuzz::target(&name).expect("there is no such target")
});

fn write_seeds() {
    let Some(folder) = std::env::var_os("ORION_FUZZ_CORPUS").map(PathBuf::from) else { return };
    for (name, bytes) in orion_fuzz::seeds(TARGET.name) {
        std::fs::write(folder.join(name), bytes).expect("the folder of the corpus can be written");
    }
}

libfuzzer_sys::fuzz_target!(init: write_seeds(), |bytes: &[u8]| (TARGET.run)(bytes));
