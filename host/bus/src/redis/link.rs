//! A connection that comes back: opened when needed, thrown away when it breaks, found again wherever the master is now.
//!
//! Our own, and not the library's connection manager, for one reason: what was learnt over a connection holds for the server
//! process behind it. With each new one the caller has to ask anew whether the server still has everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
};
use tokio::sync::Mutex;

use super::server::RedisServer;

/// How long a server has to accept a connection: a network that swallows packets must not hold a stage for longer.
const CONNECT_MILLIS: u64 = 3_000;

/// Redirections in a row: a Cluster names the right master with the first one.
const MOST_REDIRECTIONS: usize = 3;

/// A connection to the master, shared by its clones.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

struct Shared {
    server: RedisServer,
    answer_within: Option<Duration>,
    open: Mutex<Option<Open>>,
    /// Where a Cluster said that our keys live.
    redirected: std::sync::Mutex<Option<(String, u16)>>,
    opened: AtomicU64,
}

#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    number: u64,
}

impl Link {
    /// A connection that is opened when first used. Without `answer_within` answers are waited for without end, as blocking
    /// reads need it.
    pub(crate) fn new(server: RedisServer, answer_within: Option<Duration>) -> Self {
        let (open, redirected) = (Mutex::new(None), std::sync::Mutex::new(None));
        Self(Arc::new(Shared { server, answer_within, open, redirected, opened: AtomicU64::new(0) }))
    }

    /// Makes sure that there is a connection. The number is another one for each that was opened.
    pub(crate) async fn number(&self) -> RedisResult<u64> {
        Ok(self.open().await?.number)
    }

    /// The connection itself and its number, for what has to happen on one and the same. What goes wrong is to be learnt from
    /// ([`Link::learn`]).
    pub(crate) async fn pinned(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let Open { connection, number } = self.open().await?;
        Ok((connection, number))
    }

    async fn open(&self) -> RedisResult<Open> {
        let mut open = self.0.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        let connection = self.connect().await?;
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(open.insert(Open { connection, number }).clone())
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let server = &self.0.server;
        if let Some(name) = server.sentinel_name() {
            let (host, port) = self.ask_sentinels(name).await?;
            return self.connect_to(&host, port).await;
        }
        let redirected = self.0.redirected.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let mut last = None;
        for (host, port) in redirected.iter().chain(server.hosts()) {
            match self.connect_to(host, *port).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| RedisError::from((ErrorKind::InvalidClientConfig, "no host is named"))))
    }

    async fn connect_to(&self, host: &str, port: u16) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(CONNECT_MILLIS)))
            .set_response_timeout(self.0.answer_within);
        self.0.server.client(host, port)?.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn ask_sentinels(&self, name: &str) -> RedisResult<(String, u16)> {
        let mut last = None;
        for (host, port) in self.0.server.hosts() {
            match ask_sentinel(host, *port, name).await {
                Ok(Some(master)) => return Ok(master),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
        }
        let unknown = || {
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel knows the master", name.to_owned()))
        };
        Err(last.unwrap_or_else(unknown))
    }

    /// What an error says about the connection: whether the same is to be tried at once where the keys are now.
    pub(crate) async fn learn(&self, number: u64, error: &RedisError) -> bool {
        let moved = error.redirect_node().and_then(|(address, _)| {
            let (host, port) = address.rsplit_once(':')?;
            Some((host.to_owned(), port.parse().ok()?))
        });
        let is_moved = moved.is_some();
        if is_moved {
            *self.0.redirected.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = moved;
        }
        let is_another_master = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown)
        );
        // After a timeout the answer may still come; but a server that hangs is found again only over a new connection.
        if is_moved || is_another_master || error.is_unrecoverable_error() || error.is_io_error() || error.is_timeout()
        {
            let mut open = self.0.open.lock().await;
            if open.as_ref().is_some_and(|open| open.number == number) {
                *open = None;
            }
        }
        is_moved
    }
}

async fn ask_sentinel(host: &str, port: u16, name: &str) -> RedisResult<Option<(String, u16)>> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(CONNECT_MILLIS)))
        .set_response_timeout(Some(Duration::from_millis(CONNECT_MILLIS)));
    let mut sentinel = RedisServer::sentinel(host, port)?.get_multiplexed_async_connection_with_config(&config).await?;
    redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(name).query_async(&mut sentinel).await
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut redirections = 0;
            loop {
                let mut open = self.open().await?;
                let error = match open.connection.req_packed_command(cmd).await {
                    Ok(Value::ServerError(error)) => RedisError::from(error),
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                };
                redirections += 1;
                if !self.learn(open.number, &error).await || redirections > MOST_REDIRECTIONS {
                    return Err(error);
                }
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut open = self.open().await?;
            let answer = open.connection.req_packed_commands(pipeline, offset, count).await;
            if let Err(error) = &answer {
                self.learn(open.number, error).await;
            }
            answer
        })
    }

    fn get_db(&self) -> i64 {
        // Chosen when the connection is opened; nobody asks.
        0
    }
}
