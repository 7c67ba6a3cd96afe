//! `orion migrate`: moves a deployment between a folder of its own and a Redis that hosts share. Nothing may run on it meanwhile.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use orion_bus::{Bus, HOSTS_OWNERS, REDIS_OWNERS, RedisBus, RedisSettings, Replicated, SqliteBus, StateChange, survey};
use orion_pipeline::guardian::{Share, split};
use orion_pipeline::shares;
use serde_json::json;

use crate::arguments::{DataArgs, Output};
use crate::cli::Failure;
use crate::deployment::DeploymentArgs;
use crate::output::{form, print_value};
use crate::setup;

/// How often it is looked whether this host has everything.
const LOOK_MILLIS: u64 = 100;

/// Arguments of `orion migrate`.
#[derive(Args)]
pub struct MigrateArgs {
    /// Where the deployment lives from now on
    #[arg(long, value_enum)]
    pub to: Engine,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    /// How the result looks [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Where a deployment can live.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// In the data folder, which one host has for itself
    Embedded,
    /// In the Redis, where hosts meet
    Redis,
}

/// Moves it.
pub fn migrate(args: &MigrateArgs) -> Result<ExitCode, Failure> {
    let settings = args.deployment.settings(&args.data.data)?;
    let settings = settings.ok_or_else(|| {
        Failure::Configuration("say which Redis: set REDIS_URL or REDIS_HOST, or give --redis-url".to_owned())
    })?;
    let server = settings.server.to_string();
    setup::runtime()?.block_on(async {
        let own = Arc::new(SqliteBus::open(&args.data.memory_dir()).map_err(Failure::configuration)?);
        let moved = match args.to {
            Engine::Redis => to_redis(settings, own.clone()).await,
            Engine::Embedded => to_embedded(settings, own.clone()).await,
        };
        setup::close(own)?;
        let Moved { records, owners } = moved?;
        let memory = args.data.memory_dir();
        let (to, hint) = match args.to {
            Engine::Redis => (server.clone(), "start every host with this Redis, the first one on this folder"),
            Engine::Embedded => (memory.display().to_string(), "start one host on this folder, without a Redis"),
        };
        let value = json!({ "to": to, "records": records, "owners": owners });
        print_value(form(args.output), &value, || {
            format!("{records} records and {owners} owners are at {to}: {hint}\n")
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What there is after a move.
struct Moved {
    records: u64,
    owners: usize,
}

async fn to_redis(settings: RedisSettings, own: Arc<SqliteBus>) -> Result<Moved, Failure> {
    cut_guardian(&own).await?;
    let bus = RedisBus::open(settings, own.clone()).await.map_err(Failure::configuration)?;
    let met = bus.meet().await.map_err(Failure::configuration);
    bus.close().await;
    met?;
    moved(&own).await
}

/// Correlations are shared among hosts by partitions, and each has a Guardian of its own there.
async fn cut_guardian(own: &SqliteBus) -> Result<(), Failure> {
    let whole = own.load(&Share::All.owner()).await.map_err(Failure::configuration)?;
    if whole.offset.is_none() {
        return Ok(());
    }
    let parts = split(whole).into_iter().map(|(partition, part)| Replicated {
        owner: Some(Share::Of(partition).owner()),
        offset: part.offset,
        records: Vec::new(),
        state: part.state.into_iter().map(|(key, value)| StateChange::Put { key, value }).collect(),
    });
    own.replicate(parts.collect()).await.map_err(Failure::configuration)?;
    own.disown(vec![Share::All.owner()]).await.map_err(Failure::configuration)
}

async fn to_embedded(settings: RedisSettings, own: Arc<SqliteBus>) -> Result<Moved, Failure> {
    let (server, prefix, node) = (settings.server.clone(), settings.prefix.clone(), settings.lease.node().to_owned());
    let seen = survey(&server, &prefix, shares::place).await.map_err(Failure::configuration)?;
    if let Some(other) = seen.nodes.iter().find(|other| other.is_live && other.name != node) {
        return Err(Failure::Configuration(format!(
            "`{}` still works on the deployment: stop every host first, so that nothing is written while it moves",
            other.name
        )));
    }
    let bus = RedisBus::open(settings, own.clone()).await.map_err(Failure::configuration)?;
    let met = bus.meet().await.map_err(Failure::configuration);
    if met.is_ok() {
        while bus.waiting() > 0 || bus.mirrored() < seen.last_seq {
            tokio::time::sleep(Duration::from_millis(LOOK_MILLIS)).await;
        }
    }
    bus.close().await;
    met?;
    // What remembers the Redis goes last: until then the folder is part of the deployment there.
    let mut remembers = own.owners(REDIS_OWNERS).await.map_err(Failure::configuration)?;
    // What other hosts say of themselves is nobody's where there is one host.
    remembers.extend(own.owners(HOSTS_OWNERS).await.map_err(Failure::configuration)?);
    own.disown(remembers).await.map_err(Failure::configuration)?;
    moved(&own).await
}

async fn moved(own: &SqliteBus) -> Result<Moved, Failure> {
    let owners = own.owners("").await.map_err(Failure::configuration)?;
    let owners = owners.iter().filter(|owner| !owner.starts_with(REDIS_OWNERS)).count();
    Ok(Moved { records: own.count().await.map_err(Failure::configuration)?, owners })
}
