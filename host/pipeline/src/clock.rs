//! The clocks that time comes from: the system's in a deployment, a faster one in a replay.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orion_model::{Clock, Timestamp};

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock set before 1970 counts as 1970; nothing sensible was observed then.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that runs from one time to another, faster than time does, and stands still there: what a recording is
/// played by. Behind its end a recording has no answers, and asking for them would look like an outage.
///
/// It begins when it is first looked at. What is set up before takes no time on it; otherwise a slow start would miss
/// the beginning of what it is to show.
#[derive(Debug)]
pub struct FastClock {
    begin: Timestamp,
    end: Timestamp,
    began: OnceLock<Instant>,
    speed: u32,
}

impl FastClock {
    /// Says `begin` when first asked, and runs `speed` times as fast as time does, until it says `end`.
    pub fn new(begin: Timestamp, end: Timestamp, speed: u32) -> Self {
        Self { begin, end, began: OnceLock::new(), speed: speed.max(1) }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let passed = self.began.get_or_init(Instant::now).elapsed().saturating_mul(self.speed).as_millis();
        self.begin.plus_millis(i64::try_from(passed).unwrap_or(i64::MAX)).min(self.end)
    }

    fn real_millis(&self, millis: i64) -> u64 {
        u64::try_from(millis).unwrap_or(0).div_ceil(u64::from(self.speed))
    }
}

/// The clock of a deployment.
pub fn deployed() -> Arc<dyn Clock> {
    #[cfg(feature = "crash-points")]
    if let Some(file) = std::env::var_os("ORION_CLOCK_FILE") {
        return Arc::new(wrong::WrongClock::new(file.into()));
    }
    Arc::new(SystemClock)
}

/// Clocks that an end-to-end test sets wrong. No part of a build that is deployed.
#[cfg(feature = "crash-points")]
mod wrong {
    use std::path::PathBuf;

    use orion_model::{Clock, Timestamp};

    use super::SystemClock;

    /// The shortest wait of a clock that runs fast: dozens of tasks wait for it.
    const LEAST_WAIT_MILLIS: u64 = 20;

    /// The system's clock, wrong by what stands in a file: by so many milliseconds, and, with two more numbers, so many times as fast
    /// since a time in milliseconds.
    pub struct WrongClock {
        file: PathBuf,
    }

    struct Wrong {
        by: i64,
        speed: i64,
        since: i64,
    }

    impl WrongClock {
        pub fn new(file: PathBuf) -> Self {
            Self { file }
        }

        fn wrong(&self) -> Wrong {
            let text = std::fs::read_to_string(&self.file).unwrap_or_default();
            let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap_or(0));
            let (by, speed, since) = (numbers.next(), numbers.next(), numbers.next());
            Wrong { by: by.unwrap_or(0), speed: speed.unwrap_or(1).max(1), since: since.unwrap_or(0) }
        }
    }

    impl Clock for WrongClock {
        fn now(&self) -> Timestamp {
            let Wrong { by, speed, since } = self.wrong();
            let passed = SystemClock.now().as_millis().saturating_sub(since);
            Timestamp::from_millis(since.saturating_add(passed.saturating_mul(speed)).saturating_add(by))
        }

        fn real_millis(&self, millis: i64) -> u64 {
            let (millis, speed) = (u64::try_from(millis).unwrap_or(0), self.wrong().speed.unsigned_abs());
            match speed {
                1 => millis,
                _ => millis.div_ceil(speed).max(LEAST_WAIT_MILLIS),
            }
        }
    }
}

/// How long a wait goes on without a look at the clock. A clock that is set while somebody waits does not wake him; without this a
/// group that is due in an hour by a wrong clock would sleep on for that hour after the clock was set right. As long as most groups
/// wait anyway: nobody wakes more often for it.
const LOOK_AGAIN_MILLIS: u64 = 15_000;

/// Waits until the clock says `at`, also when the clock is set in the meantime.
pub async fn sleep_until(clock: &dyn Clock, at: Timestamp) {
    while !sleep_towards(clock, at).await {}
}

/// Waits until the clock says `at`, or for a while; whether it says so.
pub async fn sleep_towards(clock: &dyn Clock, at: Timestamp) -> bool {
    let left = at.millis_since(clock.now());
    if left <= 0 {
        return true;
    }
    let millis = clock.real_millis(left).clamp(1, LOOK_AGAIN_MILLIS);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    clock.now() >= at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_begins_when_looked_at_and_stops_at_its_end() {
        let (begin, end) = (Timestamp::from_millis(1_000), Timestamp::from_millis(500_000));
        let clock = FastClock::new(begin, end, 1_000);
        std::thread::sleep(Duration::from_millis(1));
        assert!(clock.now() < end);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(clock.now(), end);
        assert_eq!(FastClock::new(begin, end, 1_000_000).real_millis(1_500_000), 2);
    }
}
