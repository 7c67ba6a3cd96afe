//! `orion run`: observe until told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use orion_api::Listener;
use orion_bus::RedisSettings;
use orion_pipeline::clock;
use orion_source::{Destination, Source};

use crate::agent::{Agent, Keeper};
use crate::cli::{Failure, RunArgs};
use crate::confinement;
use crate::jobs::{Desk, Needs};
use crate::serving::Serving;
use crate::setup::{self, Forward, Hangups, Pipeline, Plan, Signals};
use crate::source::{LOKI, PROMETHEUS, Sources};
use crate::telemetry::Telemetry;

/// Runs until SIGTERM or SIGINT. SIGHUP has it look at rules and plugins at once.
pub fn run(args: &RunArgs, telemetry: Telemetry) -> Result<ExitCode, Failure> {
    let agent = args.agent.agent(&args.deployment, &args.data.data, args.access.allow_plaintext)?;
    let mut rules = args.rules.clone();
    if let Some(agent) = &agent {
        rules.rules = agent.rules();
    }
    let prometheus = args.watch.prometheus.source(args.watch.prometheus_timeout)?;
    let loki = args.watch.loki.source(args.watch.loki_timeout)?;
    let asked = std::iter::once(prometheus.destination()).chain(loki.as_ref().map(|loki| loki.destination()));
    let needs = Needs::of(args)?;
    let memory_dir = args.data.memory_dir();
    // The key lies where a confined process reads nothing.
    let archive = args.keep.settings(agent.is_some())?;
    let redis = args.deployment.settings(&args.data.data)?;
    let hooks = args.hooks.read(args.listen.listen)?;
    let destinations: Vec<Destination> = asked
        .chain(destinations(redis.as_ref()))
        .chain(agent.as_ref().and_then(Agent::destination))
        .chain(telemetry.destination())
        .collect();
    let (listener, access) = args.access.open(args.listen.listen)?;
    // No thread runs yet: on most kernels one that did would stay as it is.
    let attestation = confinement::confine(
        args.confinement.confinement,
        &rules,
        &memory_dir,
        agent.as_ref().map(Agent::written),
        &destinations,
        listener.as_ref().map(Listener::address),
    )?;
    let mut sources = Sources::from([(PROMETHEUS.to_owned(), prometheus as Arc<dyn Source>)]);
    sources.extend(loki.map(|loki| (LOKI.to_owned(), loki as Arc<dyn Source>)));
    let plan = Plan {
        rules,
        memory_dir,
        sources,
        clock: clock::deployed(),
        interval_millis: args.watch.poll_interval,
        catch_up_millis: args.watch.catch_up,
        archive,
        attestation: Some(confinement::recorded(&attestation)),
        redis,
        remembers: args.deployment.remembers(),
        forward: agent.as_ref().map(|agent| Forward {
            agent: agent.name.clone(),
            control: agent.control(),
            buffer_bytes: agent.buffer_bytes,
        }),
        agent_silence_millis: args.agent.agent_silence,
    };
    setup::runtime()?.block_on(async {
        let (mut signals, hangups) = (Signals::catch()?, Hangups::catch()?);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            autonomy_level = "N0",
            memory = %plan.memory_dir.display(),
            rules = %plan.rules.rules.display(),
            "Orion observes; people act"
        );
        confinement::say(&attestation);
        let traces = telemetry.start();
        let serving = Serving::start(listener, access, hooks, plan.clock.clone())?;
        let pipeline = Pipeline::start(plan).await?;
        let jobs = needs.start(args, &pipeline).await?;
        let desk = Desk::new(jobs.jobs(), args.rules.rules.clone());
        serving.speak_for(&pipeline, &attestation, agent.as_ref().map(|agent| agent.standing.clone()), Some(desk));
        let look = pipeline.engine.look();
        let keeper = agent.map(|agent| {
            tracing::info!(agent = %agent.name, control = agent.control_address(), "what is observed is forwarded");
            Keeper::new(agent, pipeline.engine.observer(), look.clone())
        });
        let end = async {
            tokio::select! {
                () = signals.received() => {}
                () = hangups.look(&look) => {}
                () = keep(keeper) => {}
            }
            serving.end().await;
            jobs.end().await;
        };
        let bus = pipeline.run_until(end).await;
        traces.end().await;
        setup::close(bus?)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps an agent's rules, for ever.
async fn keep(keeper: Option<Keeper>) {
    match keeper {
        Some(keeper) => keeper.run().await,
        None => std::future::pending().await,
    }
}

/// What is connected to besides the sources: Redis, where hosts meet. Sentinels and members of a Cluster lead to others of its servers.
fn destinations(redis: Option<&RedisSettings>) -> Vec<Destination> {
    let servers = redis.into_iter().map(|redis| &redis.server);
    let destinations = servers.flat_map(|server| {
        let ports = server.ports();
        let at = move |host: &String| {
            let host = host.clone();
            ports.clone().into_iter().map(move |port| Destination { host: host.clone(), port })
        };
        server.hosts().iter().flat_map(|(host, _)| at(host)).collect::<Vec<_>>()
    });
    destinations.collect()
}
