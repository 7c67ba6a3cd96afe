//! What an example costs, held against the baseline that lies beside its source. Fuel, memory and size are the same on every
//! machine; time is nobody's business here.

use std::path::Path;

use orion_kit::author::{Baseline, measure};
use orion_sandbox::Plugin;

/// Enough that what a call costs by itself is a small part, and few enough for an interpreter.
const ITEMS: usize = 1_000;
const CALLS: usize = 20;

pub fn holds(language: &str, kind: &str, plugin: &Plugin) {
    let now = measure(plugin, ITEMS, CALLS, &[]).unwrap().kept;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/examples");
    let file = folder.join(language).join(kind).join("baseline.json");
    let Some(before) = Baseline::kept(&file, &now).unwrap() else {
        panic!("{} was not there; what was measured is in it now", file.display());
    };
    assert_eq!(before.grown(&now), Vec::<String>::new(), "{kind} in {language}");
}
