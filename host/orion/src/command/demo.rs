//! `orion demo`: Orion at work, on a recorded outage or on a Prometheus that is there.
//!
//! The recording goes through the live code path: same scheduler, same plugins, same store, only a faster clock.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orion_api::{Access, Listener};
use orion_confine::Attestation;
use orion_model::{Clock, Timestamp};
use orion_pipeline::clock::{FastClock, SystemClock, sleep_until};
use orion_source::{Destination, Recording, RecordingSource, Source};
use tokio::sync::watch;

use super::incident::{list_table, read_incidents};
use crate::arguments::{DataArgs, Output, PluginFolderArgs, RuleArgs};
use crate::cli::{DemoArgs, Failure};
use crate::hooks::Hooks;
use crate::serving::Serving;
use crate::setup::{self, Pipeline, Plan, Signals};
use crate::source::{PROMETHEUS, Sources};
use crate::{confinement, feed, output, shipped};

/// How long the last evaluations, and what follows from them, are given after the recording has ended.
const LAST_WORDS_MILLIS: u64 = 500;

/// Shows the recorded outage, or what PROMETHEUS_URL has to show.
pub fn demo(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let data = match &args.data {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("orion-demo-{}-{}", unix_seconds(), std::process::id())),
    };
    let memory_dir = DataArgs { data: data.clone() }.memory_dir();
    if memory_dir.join(orion_bus::DATABASE_FILE).exists() {
        let dir = memory_dir.display();
        return Err(Failure::Configuration(format!("{dir} holds records already; a demonstration needs a new folder")));
    }
    let rules = write_rules(&data)?;
    let live = args.watch.prometheus.is_named();
    let scene = if live { Scene::live(args)? } else { Scene::recorded(args)? };
    let listener = args.listen.open().map_err(Failure::configuration)?;
    if let Some(listener) = &listener {
        Access::default().check(listener.address()).map_err(Failure::configuration)?;
    }
    let serves = listener.as_ref().map(Listener::address);
    let at = serves.map_or_else(|| "nothing".to_owned(), |address| format!("http://{address}/console/"));
    output::print(&format!(
        "{}\nrules    {} (edit one: it is live when saved)\nrecords  {}\nconsole  {at}\n\n",
        scene.introduction,
        rules.rules.display(),
        memory_dir.display()
    ))?;
    // No thread runs yet: on most kernels one that did would stay as it is.
    let attestation = confinement::confine(
        args.confinement.confinement,
        &rules,
        &memory_dir,
        None,
        scene.destination.as_slice(),
        serves,
    )?;
    let end_at = scene.end_at.filter(|_| args.once);
    let ending = scene.end_at.filter(|_| !args.once);
    let plan = Plan {
        rules,
        memory_dir: memory_dir.clone(),
        sources: Sources::from([(PROMETHEUS.to_owned(), scene.source)]),
        clock: scene.clock.clone(),
        interval_millis: scene.interval_millis,
        catch_up_millis: args.watch.catch_up,
        archive: orion_pipeline::archive::ArchiveSettings::default(),
        // A demonstration is no audit trail, and tells the same story on every machine.
        attestation: None,
        redis: None,
        remembers: true,
        forward: None,
        // There are none.
        agent_silence_millis: i64::MAX,
    };
    setup::runtime()?.block_on(show(plan, &attestation, listener, end_at, ending))?;
    let incidents = read_incidents(&DataArgs { data }, false)?;
    output::print(&format!("\n{}\nrecords  {}\n", list_table(&incidents), memory_dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(
    plan: Plan,
    confined: &Attestation,
    listener: Option<Listener>,
    end_at: Option<Timestamp>,
    ending: Option<Timestamp>,
) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    confinement::say(confined);
    let clock = plan.clock.clone();
    // By its own clock: that of a recording begins when it is first looked at, and nothing has started yet.
    let serving = Serving::start(listener, Access::default(), Hooks::default(), Arc::new(SystemClock))?;
    let pipeline = Pipeline::start(plan).await?;
    serving.speak_for(&pipeline, confined, None, None);
    let (done, is_done) = watch::channel(false);
    let feed = tokio::spawn(feed::follow(pipeline.bus(), 0, Output::Table, is_done));
    let end = async {
        let over = async {
            match end_at {
                Some(at) => {
                    sleep_until(&*clock, at).await;
                    tokio::time::sleep(Duration::from_millis(LAST_WORDS_MILLIS)).await;
                }
                None => say_end(&*clock, ending).await,
            }
        };
        tokio::select! {
            () = over => {}
            () = signals.received() => {}
        }
        serving.end().await;
    };
    let bus = pipeline.run_until(end).await?;
    done.send_replace(true);
    feed.await.map_err(Failure::configuration)??;
    setup::close(bus)
}

/// Says that the recording is over, and stays.
async fn say_end(clock: &dyn Clock, ending: Option<Timestamp>) {
    if let Some(at) = ending {
        sleep_until(clock, at).await;
        tracing::info!("the recording has ended; Ctrl-C ends the demonstration");
    }
    std::future::pending().await
}

/// What is watched, and by which clock.
struct Scene {
    introduction: String,
    source: Arc<dyn Source>,
    /// Where questions go; nowhere when a recording answers them.
    destination: Option<Destination>,
    clock: Arc<dyn Clock>,
    interval_millis: i64,
    /// When everything there is to see was seen; `None` where there is no end.
    end_at: Option<Timestamp>,
}

impl Scene {
    fn live(args: &DemoArgs) -> Result<Self, Failure> {
        let source = args.watch.prometheus.source(args.watch.prometheus_timeout)?;
        Ok(Self {
            introduction: "Orion watches your Prometheus, live".to_owned(),
            destination: Some(source.destination()),
            source,
            clock: Arc::new(SystemClock),
            interval_millis: args.watch.poll_interval,
            end_at: args.once.then(|| SystemClock.now().plus_millis(LIVE_ONCE_INTERVALS * args.watch.poll_interval)),
        })
    }

    fn recorded(args: &DemoArgs) -> Result<Self, Failure> {
        let recording = Recording::read(PROMETHEUS, shipped::RECORDING).map_err(Failure::configuration)?;
        let (start, end, interval_millis) = (recording.start(), recording.end(), recording.interval_millis());
        // The first slot of a group may lie up to an interval before the time it is started at.
        let begin = start.plus_millis(interval_millis);
        Ok(Self {
            introduction: format!(
                "A recording of a real outage of a small media stack, {start} to {end}, {} times as fast",
                args.speed
            ),
            source: Arc::new(RecordingSource::new(recording, interval_millis)),
            destination: None,
            clock: Arc::new(FastClock::new(begin, end, args.speed)),
            interval_millis,
            end_at: Some(end),
        })
    }
}

/// `--once` against a live Prometheus looks this many intervals long.
const LIVE_ONCE_INTERVALS: i64 = 4;

/// Puts the rules that ship where they can be edited.
fn write_rules(data: &Path) -> Result<RuleArgs, Failure> {
    let rules = data.join("rules");
    let failed = |path: &Path| {
        let path: PathBuf = path.to_owned();
        move |error: std::io::Error| Failure::Configuration(format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(&rules).map_err(failed(&rules))?;
    for (name, text) in shipped::ALL_RULES {
        let path = rules.join(name);
        std::fs::write(&path, text).map_err(failed(&path))?;
    }
    let plugins = PluginFolderArgs { plugins: data.join("plugins"), trusted_keys: None };
    Ok(RuleArgs { rules, plugins, logs: Vec::new() })
}

/// Only names a new folder; nothing that is recorded depends on it.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
