//! `orion run`: observe until told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use orion_bus::RedisSettings;
use orion_pipeline::clock::SystemClock;
use orion_source::{Destination, Prometheus};

use crate::cli::{Failure, RunArgs};
use crate::confinement;
use crate::setup::{self, Pipeline, Plan, Signals};

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let source = setup::prometheus(args.watch.prometheus_url.as_deref(), args.watch.prometheus_timeout)?;
    let memory_dir = args.data.memory_dir();
    // The key lies where a confined process reads nothing.
    let archive = args.keep.settings()?;
    let redis = args.deployment.settings(&args.data.data)?;
    // No thread runs yet: on most kernels one that did would stay as it is.
    let attestation =
        confinement::confine(args.confinement.confinement, &args.rules, &memory_dir, &destinations(&source, &redis))?;
    let plan = Plan {
        rules: args.rules.clone(),
        memory_dir,
        source,
        clock: Arc::new(SystemClock),
        interval_millis: args.watch.poll_interval,
        catch_up_millis: args.watch.catch_up,
        archive,
        attestation: Some(confinement::recorded(&attestation)),
        redis,
        remembers: args.deployment.remembers(),
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

/// What is connected to: the source, and Redis where hosts meet.
fn destinations(source: &Prometheus, redis: &Option<RedisSettings>) -> Vec<Destination> {
    let hosts = redis.iter().flat_map(|redis| redis.server.hosts());
    let hosts = hosts.map(|(host, port)| Destination { host: host.clone(), port: *port });
    std::iter::once(source.destination()).chain(hosts).collect()
}
