//! `--confinement`: what a pipeline needs from here on, and away with the rest.

use std::net::SocketAddr;
use std::path::Path;

use orion_confine::{Attestation, Kernel, Level, Mode, Policy};
use orion_pipeline::attestation;
use orion_source::Destination;

use crate::arguments::{Confinement, RuleArgs};
use crate::cli::Failure;

/// Confines this process to reading rules, plugins and logs, writing the memory folder and one more where there is one, connecting to these and answering who connects to
/// the one socket that it has opened. To be called before the first thread is started.
///
/// Certificate authorities are not among what may be read: the source has read them when it was made.
pub fn confine(
    asked: Confinement,
    rules: &RuleArgs,
    memory_dir: &Path,
    also_written: Option<&Path>,
    destinations: &[Destination],
    serves: Option<SocketAddr>,
) -> Result<Attestation, Failure> {
    let (mode, kernel) = (mode(asked), Kernel::ask());
    kernel.check(mode).map_err(Failure::configuration)?;
    // A rule is about a folder that is there.
    orion_bus::create_memory_dir(memory_dir).map_err(Failure::configuration)?;
    let mut policy = Policy::default();
    policy.read_folder(&rules.rules);
    policy.read_folder(&rules.plugins.plugins);
    if let Some(keys) = &rules.plugins.trusted_keys {
        policy.read_folder(keys);
    }
    rules.logs.iter().for_each(|dir| policy.read_this_folder(dir));
    policy.write_folder(memory_dir);
    also_written.into_iter().for_each(|dir| policy.write_folder(dir));
    for destination in destinations {
        policy.connect(&destination.host, destination.port);
    }
    if let Some(address) = serves {
        policy.serve(address);
    }
    orion_confine::confine(mode, kernel, &policy).map_err(Failure::configuration)
}

/// Says in the log what was achieved.
pub fn say(attestation: &Attestation) {
    match attestation.level {
        Level::Full => tracing::info!(landlock_abi = attestation.landlock_abi, "{attestation}"),
        Level::Partial | Level::None => tracing::warn!(landlock_abi = attestation.landlock_abi, "{attestation}"),
    }
}

/// For the audit trail.
pub fn recorded(attestation: &Attestation) -> attestation::Attestation {
    attestation::Attestation {
        is_whole: attestation.level == Level::Full,
        message: attestation.to_string(),
        facts: attestation.facts(),
    }
}

const fn mode(asked: Confinement) -> Mode {
    match asked {
        Confinement::Require => Mode::Require,
        Confinement::Auto => Mode::Auto,
        Confinement::Off => Mode::Off,
    }
}
