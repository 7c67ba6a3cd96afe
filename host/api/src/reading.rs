//! The records of this host, read from its own file beside the one who writes it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use orion_bus::{BusError, Reader, SqliteBus};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Reads at the same time. Each holds a connection with its page cache; more would only wait for the same disk.
const MAX_READERS: usize = 4;

/// Connections for reading: opened when first needed, then kept.
#[derive(Clone)]
pub(crate) struct Reading(Arc<Readers>);

struct Readers {
    memory_dir: PathBuf,
    turns: Semaphore,
    idle: Mutex<Vec<Reader>>,
}

impl Reading {
    pub(crate) fn of(memory_dir: PathBuf) -> Self {
        Self(Arc::new(Readers { memory_dir, turns: Semaphore::new(MAX_READERS), idle: Mutex::default() }))
    }

    /// Reads on a thread that may block.
    pub(crate) async fn run<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T, BusError> + Send + 'static,
    {
        let readers = self.0.clone();
        // It is never closed.
        let _turn = self.0.turns.acquire().await;
        let run = move || {
            let idle = readers.idle().pop();
            let mut reader = match idle {
                Some(reader) => reader,
                None => SqliteBus::open_read_only(&readers.memory_dir)?,
            };
            let answer = read(&mut reader);
            readers.idle().push(reader);
            answer
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(answer) => answer.map_err(|error| unreadable(&error)),
            Err(error) => {
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("reading the records ended: {error}")))
            }
        }
    }
}

impl Readers {
    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records cannot be read now.
pub(crate) fn unreadable(error: &BusError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("records cannot be read: {error}"))
}
