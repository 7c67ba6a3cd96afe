//! What all answers are made from: the host, once it is there, and what is known of this server.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use orion_model::{Clock, Timestamp};
use tokio::sync::{Semaphore, watch};

use crate::access::Guard;
use crate::audits::Audits;
use crate::body;
use crate::follow::{Followed, follow};
use crate::hook::{Hook, Hooks};
use crate::host::{Host, JobDesk};
use crate::metrics::ServerMeters;
use crate::problem::Problem;
use crate::reading::Reading;
use crate::sketch::Sketches;
use crate::stream::MAX_LISTENERS;

/// Shared by all connections.
pub(crate) struct Desk {
    /// Nobody before the host has started and after it began to end: what it holds has to be let go of before its end.
    guest: RwLock<Option<Guest>>,
    began: Instant,
    began_at: Timestamp,
    pub(crate) meters: ServerMeters,
    pub(crate) guard: Guard,
    pub(crate) hooks: Hooks,
    /// For bodies that are sent.
    pub(crate) room: Semaphore,
    /// Of incidents.
    pub(crate) sketches: Sketches,
    listeners: Arc<Semaphore>,
    down: watch::Sender<bool>,
}

/// The host, and what is read of its records.
#[derive(Clone)]
struct Guest {
    host: Arc<dyn Host>,
    reading: Reading,
    followed: Arc<Followed>,
    audits: Audits,
}

impl Desk {
    pub(crate) fn new(guard: Guard, hooks: Vec<Hook>, clock: &dyn Clock) -> Self {
        Self {
            guest: RwLock::new(None),
            began: Instant::now(),
            began_at: clock.now(),
            meters: ServerMeters::default(),
            guard,
            hooks: Hooks::new(hooks),
            room: body::room(),
            sketches: Sketches::default(),
            listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
            down: watch::Sender::new(false),
        }
    }

    /// The host that is spoken for; `None` while it starts or ends.
    pub(crate) fn host(&self) -> Option<Arc<dyn Host>> {
        self.guest().map(|guest| guest.host).ok()
    }

    /// Where jobs are asked for.
    pub(crate) fn jobs(&self) -> Result<Arc<dyn JobDesk>, Problem> {
        self.host_or_problem()?.jobs().ok_or_else(|| {
            let what = "this Orion plays a recording and takes no jobs: ask one that `orion run` has started";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, what)
        })
    }

    pub(crate) fn host_or_problem(&self) -> Result<Arc<dyn Host>, Problem> {
        self.guest().map(|guest| guest.host)
    }

    pub(crate) fn reading(&self) -> Result<Reading, Problem> {
        self.guest().map(|guest| guest.reading)
    }

    pub(crate) fn followed(&self) -> Result<Arc<Followed>, Problem> {
        self.guest().map(|guest| guest.followed)
    }

    pub(crate) fn audits(&self) -> Result<Audits, Problem> {
        self.guest().map(|guest| guest.audits)
    }

    fn guest(&self) -> Result<Guest, Problem> {
        let guest = self.guest.read().unwrap_or_else(PoisonError::into_inner);
        guest.clone().ok_or_else(Problem::nobody_there)
    }

    /// Begins to speak for a host.
    pub(crate) fn speak_for(&self, host: Arc<dyn Host>) {
        let reading = Reading::of(host.memory_dir().to_owned());
        let appended = host.appended();
        let followed = Arc::new(Followed::from(*appended.borrow()));
        tokio::spawn(follow(followed.clone(), reading.clone(), appended, self.down()));
        let guest = Guest { host, reading, followed, audits: Audits::default() };
        *self.guest.write().unwrap_or_else(PoisonError::into_inner) = Some(guest);
    }

    /// Lets go of the host, and tells everybody that it ends.
    pub(crate) fn end(&self) {
        *self.guest.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.down.send_replace(true);
    }

    /// Turns true at the end.
    pub(crate) fn down(&self) -> watch::Receiver<bool> {
        self.down.subscribe()
    }

    /// Places for those who listen.
    pub(crate) fn listeners(&self) -> Arc<Semaphore> {
        self.listeners.clone()
    }

    /// When the process began to serve, as Prometheus counts time.
    pub(crate) fn began_seconds(&self) -> f64 {
        self.began_at.as_millis() as f64 / 1_000.0
    }

    /// How long the process has served.
    pub(crate) fn uptime(&self) -> Duration {
        self.began.elapsed()
    }
}
