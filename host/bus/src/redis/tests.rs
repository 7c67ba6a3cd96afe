//! What is particular to the engine in Redis, on a real one.

use std::sync::Arc;

use orion_lab::{RedisOptions, RedisServer as Server};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Place, RedisBus, RedisServer, RedisSettings, Tokens};
use crate::conformance::{self, any_steps};
use crate::SqliteBus;

/// Every owner is this host's own.
fn own(_: &str) -> Place {
    Place { partition: None, reads_log: false }
}

fn settings(server: &Server, prefix: &str) -> RedisSettings {
    RedisSettings {
        server: RedisServer::parse(&server.url()).unwrap(),
        prefix: prefix.to_owned(),
        node: "one".to_owned(),
        outbox_bytes: 64 * 1024 * 1024,
        place: own,
    }
}

fn mirror(folder: &TempDir) -> Arc<SqliteBus> {
    Arc::new(SqliteBus::open(&folder.path().join("memory")).unwrap())
}

async fn opened(settings: RedisSettings, mirror: Arc<SqliteBus>) -> RedisBus {
    RedisBus::open(settings, mirror, watch::channel(Tokens::new()).1).await.unwrap()
}

async fn fresh() -> (RedisBus, (Server, TempDir)) {
    let (server, folder) = (Server::start(&RedisOptions::default()).unwrap(), TempDir::new().unwrap());
    let bus = opened(settings(&server, "orion"), mirror(&folder)).await;
    (bus, (server, folder))
}

conformance::conformance!(fresh().await);

#[test]
fn any_history_of_commits_conflicts_and_restarts_agrees_with_the_model() {
    let server = Server::start(&RedisOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let case = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(32));
    let outcome = runner.run(&any_steps(), |steps| {
        case.set(case.get() + 1);
        let (folder, settings) = (TempDir::new().unwrap(), settings(&server, &format!("case{}", case.get())));
        let mirror = mirror(&folder);
        let open = || {
            let opening = opened(settings.clone(), mirror.clone());
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(opening))
        };
        runtime.block_on(async { conformance::behaves_like_the_model(steps, open).await });
        Ok(())
    });
    outcome.unwrap();
}
