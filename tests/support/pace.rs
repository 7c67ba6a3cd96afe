//! How fast time passes for deployments that are watched by a test, and how far apart things are in it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A pace. At the usual one time is time, and things happen every fifth of a second.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many times as far apart things are.
    pub stretch: i64,
    /// How many times as fast time passes since `since`, in milliseconds.
    speed: i64,
    since: i64,
}

impl Pace {
    /// Real time.
    pub const USUAL: Self = Self { stretch: 1, speed: 1, since: 0 };

    /// From now on, so many times as fast, with things so many times as far apart.
    pub fn fast(speed: i64, stretch: i64) -> Self {
        Self { stretch, speed, since: real_millis() }
    }

    /// What a deployment is told of its clock; nothing at the usual pace.
    pub fn clock(&self) -> Option<String> {
        (self.speed > 1).then(|| format!("0 {} {}", self.speed, self.since))
    }

    /// The time it is.
    pub fn now(&self) -> i64 {
        self.since + (real_millis() - self.since) * self.speed
    }

    /// So much of the usual time, stretched.
    pub fn millis(&self, usual: i64) -> i64 {
        usual * self.stretch
    }

    /// Sleeps until it is that time.
    pub fn sleep_until(&self, millis: i64) {
        let left = (millis - self.now()) / self.speed;
        std::thread::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
    }
}

fn real_millis() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
