//! What a thread or a process has used so far, as the system counts it.

use std::path::PathBuf;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::error::BenchError;

/// CPU time of this thread, to the nanosecond.
pub fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId(pub u32);

/// Memory of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Resident now, in MiB.
    pub resident_mib: f64,
    /// The most it ever was.
    pub peak_mib: f64,
}

impl ProcessId {
    /// The process whose command line contains `argument`, among those that this one started.
    pub fn of_child_with(argument: &str) -> Result<Self, BenchError> {
        let me = std::process::id();
        let processes = std::fs::read_dir("/proc").map_err(BenchError::failed("list processes"))?;
        let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Self));
        ids.into_iter().find(|process| process.parent() == Some(me) && process.has_argument(argument)).ok_or_else(
            || BenchError::Failed { what: format!("find the process of `{argument}`"), why: "there is none".into() },
        )
    }

    fn has_argument(self, argument: &str) -> bool {
        let line = std::fs::read(self.file("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    }

    fn parent(self) -> Option<u32> {
        let stat = std::fs::read_to_string(self.file("stat")).ok()?;
        fields(&stat)?.get(1)?.parse().ok()
    }

    /// CPU time of all its threads, those that have ended too: `schedstat` is exact and forgets them. In steps of the
    /// system's clock tick, 10 ms nearly everywhere.
    pub fn cpu(self) -> Result<Duration, BenchError> {
        let path = self.file("stat");
        let stat = std::fs::read_to_string(&path).map_err(BenchError::failed(format!("read {}", path.display())))?;
        let ticks = cpu_ticks(&stat).ok_or_else(|| unreadable(&path))?;
        Ok(Duration::from_secs(1) * ticks / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100))
    }

    /// Its memory.
    pub fn memory(self) -> Result<Memory, BenchError> {
        let path = self.file("status");
        let status = std::fs::read_to_string(&path).map_err(BenchError::failed(format!("read {}", path.display())))?;
        let mib = |name| kib_of(&status, name).map(|kib| kib / 1024.0).ok_or_else(|| unreadable(&path));
        Ok(Memory { resident_mib: mib("VmRSS:")?, peak_mib: mib("VmHWM:")? })
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}

fn unreadable(path: &std::path::Path) -> BenchError {
    BenchError::Failed { what: format!("read {}", path.display()), why: "it does not look as it should".to_owned() }
}

/// The fields behind the name, which may hold spaces and parentheses of its own: state, parent, …
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect())
}

fn cpu_ticks(stat: &str) -> Option<u32> {
    const USER: usize = 11;
    const SYSTEM: usize = 12;
    let fields = fields(stat)?;
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(number(USER)? + number(SYSTEM)?)
}

fn kib_of(status: &str, name: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// How many processes wanted a core on average over the last minute.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat = "42 (a) b) S 7 42 42 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 1 0 100 1000 10";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(fields(stat).unwrap()[1], "7");
        assert_eq!(cpu_ticks("42 (a) S 7"), None);
        assert_eq!(kib_of("VmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2048.0));
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let me = ProcessId(std::process::id());
        assert!(me.memory().unwrap().peak_mib >= me.memory().unwrap().resident_mib * 0.5);
        assert!(me.cpu().is_ok());
        let before = of_this_thread();
        while of_this_thread() == before {}
    }
}
