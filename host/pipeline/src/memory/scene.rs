//! An audit trail of some days, for tests: a bus in a folder, and the files that Memory makes of it.

use std::path::Path;
use std::sync::Arc;

use orion_bus::{Body, Bus, Commit, Entry, NewRecord, RecordKind, SqliteBus};
use orion_model::{IdBuilder, Timestamp};
use orion_trust::SecretKey;
use tempfile::TempDir;

use super::retention::{Gone, Keep, retain};
use super::{Audit, Begins, Checkpoints, MEMORY_OWNER, Projection, TrailLines, audit};

pub(super) const DAY: i64 = 86_400_000;
pub(super) const ROTATE_BYTES: u64 = 4 * 1024;

pub(super) struct Scene {
    pub(super) dir: TempDir,
    pub(super) bus: SqliteBus,
    pub(super) key: Option<Arc<SecretKey>>,
}

/// A record of some time whose body says so, as those of Orion do.
pub(super) fn record(n: i64, at: Timestamp) -> NewRecord {
    let kind = RecordKind::ALL[(n * 7 % 5 % 3) as usize];
    let text = "ä".repeat((n * 13 % 40) as usize);
    let body = format!(r#"{{"ts":"{at}","n":{n},"text":"{text}"}}"#);
    NewRecord { kind, id: IdBuilder::new("test").number(n).finish(), ts: at, body: Body::parse(body).unwrap() }
}

pub(super) fn at_day(day: i64, millis: i64) -> Timestamp {
    Timestamp::from_millis(day * DAY + millis)
}

impl Scene {
    pub(super) fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let bus = SqliteBus::open(dir.path()).unwrap();
        Self { dir, bus, key: None }
    }

    /// So many days with so many records each, all written down.
    pub(super) async fn of_days(days: i64, records: i64) -> Self {
        let scene = Self::empty();
        for day in 0..days {
            scene.day(day, records).await;
        }
        scene
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Records of one day, put on the bus, read by everyone and written down.
    pub(super) async fn day(&self, day: i64, records: i64) {
        let from = i64::try_from(*self.bus.appended().borrow()).unwrap();
        self.append((0..records).map(|n| record(from + n, at_day(day, n * 1_000))).collect()).await;
        self.read_by("guardian").await;
        self.write(at_day(day, 3_600_000)).await;
    }

    pub(super) async fn append(&self, records: Vec<NewRecord>) {
        self.commit("watcher", records).await;
    }

    /// Moves an owner's offset to the end of the bus.
    pub(super) async fn read_by(&self, owner: &str) {
        self.commit(owner, Vec::new()).await;
    }

    async fn commit(&self, owner: &str, records: Vec<NewRecord>) {
        let expected = self.bus.load(owner).await.unwrap().offset;
        let offset = i64::try_from(*self.bus.appended().borrow()).unwrap();
        let commit = Commit { owner: owner.to_owned(), expected, offset, records, state: Vec::new() };
        self.bus.commit(commit).await.unwrap();
    }

    pub(super) async fn begins(&self) -> Begins {
        Begins::of(&self.bus.load(MEMORY_OWNER).await.unwrap()).unwrap()
    }

    pub(super) async fn projection(&self) -> Projection {
        let last_seq = *self.bus.appended().borrow();
        Projection::open(self.path(), last_seq, &self.begins().await, ROTATE_BYTES).unwrap()
    }

    /// Writes down what is not yet, at that time.
    pub(super) async fn write(&self, now: Timestamp) {
        let mut projection = self.projection().await;
        let mut checkpoints = Checkpoints::open(self.path(), self.key.clone()).unwrap();
        loop {
            let entries = self.bus.read(projection.resume_after(), 16).await.unwrap();
            if entries.is_empty() {
                return;
            }
            checkpoints.note(now, projection.resume_after(), projection.heads()).unwrap();
            projection.project(&entries).unwrap();
        }
    }

    /// Everything on the bus.
    pub(super) async fn entries(&self) -> Vec<Entry> {
        self.bus.read(0, usize::MAX).await.unwrap()
    }

    pub(super) async fn retain(&self, keep: Keep, now: Timestamp) -> Gone {
        let written = self.projection().await.resume_after();
        retain(&self.bus, self.path(), keep, now, &["guardian"], written).await.unwrap()
    }

    pub(super) fn audit(&self) -> Audit {
        let mut store = SqliteBus::open_read_only(self.path()).unwrap();
        audit(self.path(), &mut store, false, None).unwrap()
    }

    /// What is wrong, one line each, without the folder's name.
    pub(super) fn wrong(&self) -> String {
        let findings = self.audit().findings;
        let said: Vec<String> = findings.into_iter().map(|finding| finding.what).collect();
        said.join("\n").replace(&format!("{}/", self.path().display()), "")
    }

    /// All lines of a kind, over all files.
    pub(super) fn lines(&self, kind: RecordKind) -> Vec<String> {
        lines_of(self.path(), kind)
    }
}

pub(super) fn lines_of(folder: &Path, kind: RecordKind) -> Vec<String> {
    let mut trail = TrailLines::open(folder, kind).unwrap();
    let mut lines = Vec::new();
    while let Some(line) = trail.next_line().unwrap() {
        lines.push(String::from_utf8(line.to_vec()).unwrap());
    }
    lines
}
