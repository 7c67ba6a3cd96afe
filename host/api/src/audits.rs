//! Checks of the whole audit trail, one at a time: each reads everything there is, and whoever asks a thousand times is told the
//! same.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::Mutex;

use crate::problem::Problem;

/// For so long what was found is told again.
const FRESH_SECONDS: u64 = 60;

/// How long a check is waited for; one that takes longer goes on, and its result is there for who asks later.
const WAIT_SECONDS: u64 = 5;

/// What was found last, as a text.
type Found = Result<Arc<str>, Problem>;

/// Checks, of which one runs at most.
#[derive(Clone)]
pub(crate) struct Audits {
    wait: Duration,
    /// Held by the one that runs.
    turn: Arc<Mutex<()>>,
    last: Arc<RwLock<Option<(Instant, Found)>>>,
}

impl Default for Audits {
    fn default() -> Self {
        Self { wait: Duration::from_secs(WAIT_SECONDS), turn: Arc::default(), last: Arc::default() }
    }
}

impl Audits {
    /// What a check has found lately, or finds now; `None` while it takes longer than is waited for.
    pub(crate) async fn ask<F, W>(&self, check: W) -> Result<Option<Arc<str>>, Problem>
    where
        F: Future<Output = Result<Result<serde_json::Value, String>, Problem>> + Send + 'static,
        W: FnOnce() -> F + Send + 'static,
    {
        if let Some(found) = self.fresh() {
            return found.map(Some);
        }
        let audits = self.clone();
        let run = tokio::spawn(async move {
            let _turn = audits.turn.lock().await;
            // Another one may have ended while this one waited.
            if audits.fresh().is_none() {
                let found = match check().await {
                    Ok(Ok(audit)) => Ok(audit.to_string().into()),
                    Ok(Err(why)) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)),
                    Err(problem) => Err(problem),
                };
                *audits.last.write().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found));
            }
        });
        // Whether it ended in time or badly is seen from what is there.
        let _ = tokio::time::timeout(self.wait, run).await;
        self.fresh().transpose()
    }

    fn fresh(&self) -> Option<Found> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = last.as_ref()?;
        (at.elapsed() < Duration::from_secs(FRESH_SECONDS)).then(|| found.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn who_asks_again_is_told_what_was_found_and_nothing_is_read_twice() {
        let (audits, runs) = (Audits::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let runs = runs.clone();
            let check = move || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                Ok(Ok(serde_json::json!({ "holds": true })))
            };
            assert_eq!(audits.ask(check).await.unwrap().as_deref(), Some("{\"holds\":true}"));
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_check_that_takes_long_goes_on_and_is_told_to_who_asks_later() {
        let audits = Audits { wait: Duration::ZERO, ..Audits::default() };
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let slow = || async move {
            drop(gone.await);
            Ok(Ok(serde_json::json!(1)))
        };
        assert_eq!(audits.ask(slow).await.unwrap(), None);
        drop(go);
        // It ends by itself; whoever has the turn next comes after it.
        drop(audits.turn.lock().await);
        let unheard = || async { Err(Problem::new(StatusCode::GONE, "nobody asks this")) };
        let later = Audits { wait: Duration::from_secs(WAIT_SECONDS), ..audits };
        assert_eq!(later.ask(unheard).await.unwrap().as_deref(), Some("1"));
    }
}
