//! `orion run`: observe until told to stop.

use std::process::ExitCode;

use orion_pipeline::clock;

use crate::cli::{Failure, RunArgs};
use crate::confinement;
use crate::setup::{self, Pipeline, Plan, Signals};

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let source = setup::prometheus(args.watch.prometheus_url.as_deref(), args.watch.prometheus_timeout)?;
    let memory_dir = args.data.memory_dir();
    // No thread runs yet: on most kernels one that did would stay as it is.
    let attestation =
        confinement::confine(args.confinement.confinement, &args.rules, &memory_dir, Some(&source.destination()))?;
    let plan = Plan {
        rules: args.rules.clone(),
        memory_dir,
        source,
        clock: clock::deployed(),
        interval_millis: args.watch.poll_interval,
        catch_up_millis: args.watch.catch_up,
        attestation: Some(confinement::recorded(&attestation)),
    };
    setup::runtime()?.block_on(async {
        let mut signals = Signals::catch()?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            autonomy_level = "N0",
            memory = %plan.memory_dir.display(),
            rules = %plan.rules.rules.display(),
            "Orion observes; people act"
        );
        confinement::say(&attestation);
        let pipeline = Pipeline::start(plan).await?;
        setup::close(pipeline.run_until(signals.received()).await?)
    })?;
    Ok(ExitCode::SUCCESS)
}
