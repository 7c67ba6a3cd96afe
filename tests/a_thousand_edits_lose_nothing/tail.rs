//! Reads along what is recorded: each line once, however long the file becomes.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;

/// How often is looked for what should happen within milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The events of a deployment.
pub struct Tail {
    path: PathBuf,
    read_bytes: u64,
    /// All so far.
    pub events: Vec<Value>,
    /// Those before this one were there when the present edit began.
    mark: usize,
}

impl Tail {
    pub fn new(path: PathBuf) -> Self {
        Self { path, read_bytes: 0, events: Vec::new(), mark: 0 }
    }

    /// From now on only what is recorded later is waited for.
    pub fn mark(&mut self) {
        self.read();
        self.mark = self.events.len();
    }

    /// The first event since the mark of which this holds, waiting for it.
    pub fn wait_for(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            self.read();
            if let Some(event) = self.events[self.mark..].iter().find(|event| holds(event)) {
                return event.clone();
            }
            let since: Vec<String> = self.events[self.mark..].iter().map(Value::to_string).collect();
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}; since then:\n{}", since.join("\n"));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Takes the lines that were completed since the last time.
    pub fn read(&mut self) {
        let Ok(mut file) = std::fs::File::open(&self.path) else { return };
        file.seek(SeekFrom::Start(self.read_bytes)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let Some(end) = text.rfind('\n') else { return };
        self.read_bytes += end as u64 + 1;
        self.events.extend(text[..end].lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
}
