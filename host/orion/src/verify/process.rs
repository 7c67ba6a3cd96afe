//! What the kernel says of the running process: whether each of its threads is confined.

use std::path::Path;

use orion_bus::{Ownership, Reader, RecordKind};
use orion_model::Event;
use orion_pipeline::condition::kind::CONFINEMENT_ATTESTED as ATTESTED;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::Failure;
use crate::finding::{Check, Fault, some_of};

/// How `Seccomp:` says that a filter decides about system calls.
const FILTERED: u32 = 2;

/// Records read at once.
const BATCH: usize = 1_024;

/// What `/proc/PID/task/TID/status` says of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thread {
    id: u32,
    name: String,
    /// 0 none, 1 strict, 2 filter; none where the kernel does not tell.
    seccomp: Option<u32>,
    no_new_privs: Option<u32>,
}

impl Thread {
    fn read(id: u32, status: &str) -> Self {
        let value =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let number = |name| value(name).and_then(|text| text.parse().ok());
        Self {
            id,
            name: value("Name").unwrap_or_default().to_owned(),
            seccomp: number("Seccomp"),
            no_new_privs: number("NoNewPrivs"),
        }
    }

    fn is_confined(&self) -> bool {
        self.seccomp == Some(FILTERED) && self.no_new_privs == Some(1)
    }
}

/// All threads of a process, in order of their ids.
fn threads(process: &Path) -> std::io::Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(process.join("task"))? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A thread may end while it is looked at.
        if let Ok(status) = std::fs::read_to_string(entry.path().join("status")) {
            threads.push(Thread::read(id, &status));
        }
    }
    threads.sort_by_key(|thread| thread.id);
    Ok(threads)
}

/// Whether every thread of the running process is confined.
pub fn confinement(ownership: Ownership, store: &mut Reader) -> Result<Check, Failure> {
    const NAME: &str = "confinement";
    let attested = attested(store)?;
    let pid = match ownership {
        Ownership::Process(pid) => pid,
        Ownership::Nobody => {
            let why = "no process runs; verify while one does to see its confinement".to_owned();
            return Ok(Check::not_seen(NAME, why, json!({ "attested": attested })));
        }
        Ownership::Elsewhere => {
            let why = "the process runs where it cannot be seen from here; verify on its host, or in its container"
                .to_owned();
            return Ok(Check::not_seen(NAME, why, json!({ "attested": attested })));
        }
    };
    match threads(Path::new(&format!("/proc/{pid}"))) {
        Ok(threads) if !threads.is_empty() => Ok(judge(&threads, pid, attested)),
        Ok(_) => Ok(Check::not_seen(NAME, format!("process {pid} ended while it was looked at"), json!({}))),
        Err(error) => {
            let why = format!("/proc/{pid} cannot be read: {error}; verify as the same user, or as root");
            Ok(Check::not_seen(NAME, why, json!({ "attested": attested })))
        }
    }
}

fn judge(threads: &[Thread], pid: u32, attested: Option<Value>) -> Check {
    let open: Vec<String> = threads
        .iter()
        .filter(|thread| !thread.is_confined())
        .map(|thread| {
            let shown = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
            let (seccomp, privileges) = (shown(thread.seccomp), shown(thread.no_new_privs));
            format!("{} (Seccomp {seccomp}, NoNewPrivs {privileges})", thread.name)
        })
        .collect();
    let count = threads.len();
    let mut failures = Vec::new();
    if !open.is_empty() {
        failures.push(Fault::new(
            format!("{} of {count} threads of process {pid} are not confined: {}", open.len(), some_of(&open)),
            "start Orion with --confinement require, which starts confined or not at all and says what is missing",
        ));
    }
    let said = format!("{} of {count} threads of process {pid} have Seccomp 2 and NoNewPrivs 1", count - open.len());
    Check::of("confinement", said, failures, json!({ "pid": pid, "threads": threads, "attested": attested }))
}

/// What the process said of its confinement when it last started, if it said anything.
fn attested(store: &mut Reader) -> Result<Option<Value>, Failure> {
    let mut last = None;
    let mut after = 0;
    loop {
        let entries = store.read(after, BATCH).map_err(Failure::configuration)?;
        let Some(end) = entries.last() else { return Ok(last) };
        after = end.seq;
        for entry in entries.iter().filter(|entry| entry.kind == RecordKind::Event && entry.body.contains(ATTESTED)) {
            if let Ok(event) = serde_json::from_str::<Event>(&entry.body)
                && event.event_type == ATTESTED
                && !event.is_forwarded()
            {
                last = Some(json!({ "seq": entry.seq, "ts": event.ts, "data": event.data }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(id: u32, name: &str, seccomp: &str, no_new_privs: &str) -> Thread {
        Thread::read(
            id,
            &format!("Name:\t{name}\nNoNewPrivs:\t{no_new_privs}\nSeccomp:\t{seccomp}\nSeccomp_filters:\t1\n"),
        )
    }

    #[test]
    fn a_process_is_confined_when_each_of_its_threads_is() {
        let confined = [thread(1, "orion", "2", "1"), thread(2, "orion-bus", "2", "1")];
        let check = judge(&confined, 1, None);
        assert_eq!(
            (check.failures.as_slice(), check.said.as_str()),
            (&[][..], "2 of 2 threads of process 1 have Seccomp 2 and NoNewPrivs 1")
        );
        for odd in [
            thread(3, "odd", "0", "1"),
            thread(3, "odd", "2", "0"),
            thread(3, "odd", "1", "1"),
            thread(3, "odd", "", ""),
        ] {
            let mixed = [&confined[..], &[odd]].concat();
            assert_eq!(judge(&mixed, 1, None).failures.len(), 1);
        }
        insta::assert_snapshot!(judge(&[thread(3, "odd", "0", "")], 7, None).failures[0].what, @"1 of 1 threads of process 7 are not confined: odd (Seccomp 0, NoNewPrivs ?)");
    }

    #[test]
    fn all_threads_of_this_process_are_seen() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let other = std::thread::Builder::new().name("another-one".to_owned());
        // A thread has its name by the time it runs.
        let run = move || ready.send(()).is_ok() && receiver.recv().is_ok();
        let other = other.spawn(run).unwrap();
        is_ready.recv().unwrap();
        let seen = threads(Path::new("/proc/self")).unwrap();
        drop(sender);
        assert!(!other.join().unwrap());
        assert!(seen.iter().any(|thread| thread.name == "another-one" && thread.seccomp.is_some()), "{seen:?}");
    }
}
