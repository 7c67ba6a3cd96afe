//! What an entry makes of files that are written, rotated, emptied and taken away, step by step and with a crash anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use orion_bus::{NewRecord, SqliteBus, StateChange};
use orion_model::{Clock, Event, Manifest, Timestamp};
use orion_rules::{PluginCatalog, parse_file};
use tokio::sync::Semaphore;

use super::cutter::MAX_LINE_BYTES;
use super::followed::GONE_MILLIS;
use super::tail::Tail;
use super::{LogContext, LogPlan, MAX_OPEN_FILES};
use crate::clock::SystemClock;
use crate::meters::{LogMeter, Meters};

mod rewritten;
mod story;

struct NoPlugins;

impl PluginCatalog for NoPlugins {
    fn manifest(&self, reference: &str) -> Result<&Manifest, String> {
        Err(reference.to_owned())
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn plan(entry: &str) -> LogPlan {
    let text = format!("logs: [{{ id: app, {entry} }}]");
    let parsed = parse_file("logs.yaml", &text, &NoPlugins);
    let file = parsed.file.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
    LogPlan { entry: Arc::new(file.logs[0].clone()), generation: 1 }
}

/// An entry, its folder, and what a store would have of it.
struct Scene {
    folder: tempfile::TempDir,
    context: LogContext,
    plan: LogPlan,
    meter: Arc<LogMeter>,
    tail: Tail,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    records: Vec<NewRecord>,
    now: i64,
}

impl Scene {
    fn new(entry: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let meters = Arc::new(Meters::default());
        let store = folder.path().join("store");
        std::fs::create_dir(&store).unwrap();
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let context = LogContext {
            bus: Arc::new(SqliteBus::open(&store).unwrap()),
            clock,
            meters: meters.clone(),
            dirs: vec![logs.canonicalize().unwrap()],
            node: String::new(),
            open: Arc::new(Semaphore::new(MAX_OPEN_FILES)),
        };
        let meter = meters.log("logs.yaml/app");
        let (tail, state, records) = (Tail::default(), BTreeMap::new(), Vec::new());
        Self { folder, context, plan: plan(entry), meter, tail, state, records, now: 1_700_000_000_000 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The same file with another text, as whoever opens it to write it anew leaves it.
    fn rewrite(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Steps until nothing more can be read, a second later.
    fn look(&mut self) {
        self.now += 1_000;
        while self.step(true) {}
    }

    /// As long as nothing is waited for any more.
    fn wait(&mut self) {
        for _ in 0..=GONE_MILLIS / 1_000 {
            self.look();
        }
    }

    /// One step, which is committed or lost in a crash.
    fn step(&mut self, is_committed: bool) -> bool {
        let now = Timestamp::from_millis(self.now);
        let step = self.tail.step(&self.context, &self.plan, &self.meter, now, false).unwrap();
        if is_committed {
            let commit = step.draft.into_commit("logs/app", None, 0);
            self.records.extend(commit.records);
            for change in commit.state {
                match change {
                    StateChange::Put { key, value } => drop(self.state.insert(key, value)),
                    StateChange::Delete { key } => drop(self.state.remove(&key)),
                    StateChange::Clear => self.state.clear(),
                }
            }
        }
        step.more
    }

    /// The process is gone; what the store has is all there is.
    fn crash(&mut self) {
        self.tail = Tail::default();
        self.tail.restore(self.state.clone().into_iter().collect());
    }

    fn events(&self) -> Vec<Event> {
        let mut seen = BTreeSet::new();
        for record in &self.records {
            assert!(seen.insert(record.id), "twice: {:?}", record.body);
        }
        self.records.iter().map(|record| serde_json::from_str(&record.body).unwrap()).collect()
    }

    fn messages(&self) -> Vec<String> {
        let of_app = |event: &Event| event.event_type == "app";
        let message = |event: Event| event.data["message"].as_str().unwrap().to_owned();
        self.events().into_iter().filter(of_app).map(message).collect()
    }

    fn of_type(&self, event_type: &str) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.event_type == event_type).collect()
    }
}

const ALL: &str = "files: '*.log', match: '.'";

#[test]
fn a_file_that_is_there_is_read_from_its_end_and_one_that_comes_from_its_beginning() {
    let mut scene = Scene::new(ALL);
    scene.write("old.log", "before\nhalf");
    scene.look();
    scene.write("old.log", " a line\nafter\n");
    scene.write("new.log", "first\n");
    scene.look();
    let mut messages = scene.messages();
    messages.sort();
    assert_eq!(messages, ["after", "first"]);
    let mut scene = Scene::new("files: '*.log', match: '.', from: start");
    scene.write("old.log", "before\n");
    scene.look();
    assert_eq!(scene.messages(), ["before"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_then_the_new_one() {
    let mut scene = Scene::new(ALL);
    scene.look();
    scene.write("app.log", "1\n2\n");
    scene.look();
    scene.write("app.log", "3\n");
    scene.rename("app.log", "app.log.1");
    scene.write("app.log", "5\n");
    scene.write("app.log.1", "4\n");
    scene.look();
    assert_eq!(scene.messages(), ["1", "2", "3", "4", "5"]);
    // Its last line may lack its end.
    scene.write("app.log.1", "last");
    scene.wait();
    assert_eq!(scene.messages().last().unwrap(), "last");
    scene.write("app.log.1", "nobody's\n");
    scene.wait();
    assert_eq!(scene.messages().len(), 6);
}

#[test]
fn a_file_that_was_renamed_while_nothing_ran_is_found_and_finished() {
    let mut scene = Scene::new(ALL);
    scene.look();
    scene.write("app.log", "1\n");
    scene.look();
    scene.crash();
    scene.write("app.log", "2\n");
    scene.rename("app.log", "app.log.1");
    scene.write("app.log", "3\n");
    scene.look();
    assert_eq!(scene.messages(), ["1", "2", "3"]);
}

#[test]
fn a_deleted_file_is_read_to_its_end() {
    let mut scene = Scene::new(ALL);
    scene.look();
    scene.write("app.log", "1\n");
    scene.look();
    scene.write("app.log", "2\n");
    std::fs::remove_file(scene.path("app.log")).unwrap();
    scene.look();
    assert_eq!(scene.messages(), ["1", "2"]);
    scene.wait();
    assert!(!scene.state.keys().any(|key| key.starts_with(b"file")));
}

#[test]
fn a_file_that_was_emptied_is_read_from_its_beginning_also_when_it_is_longer_by_then() {
    let mut scene = Scene::new(ALL);
    scene.look();
    scene.write("app.log", "one\ntwo\n");
    scene.look();
    File::create(scene.path("app.log")).unwrap();
    scene.write("app.log", "one\n");
    scene.look();
    File::create(scene.path("app.log")).unwrap();
    scene.write("app.log", "another and longer\nfour\n");
    scene.look();
    assert_eq!(scene.messages(), ["one", "two", "one", "another and longer", "four"]);
}

#[test]
fn lines_that_belong_together_are_one_event_when_the_next_begins_or_nothing_comes() {
    let mut scene =
        Scene::new("files: '*.log', match: 'ERROR', multiline: { start: '^\\d', max_wait: 3s, max_lines: 3 }");
    scene.look();
    scene.write("app.log", "1 ERROR\n at a\n");
    scene.look();
    scene.write("app.log", " at b\n2 fine\n");
    scene.look();
    assert_eq!(scene.messages(), ["1 ERROR\n at a\n at b"]);
    scene.write("app.log", "3 ERROR\n at c\n");
    scene.look();
    scene.crash();
    for _ in 0..2 {
        scene.look();
    }
    assert_eq!(scene.messages().len(), 1);
    for _ in 0..3 {
        scene.look();
    }
    assert_eq!(scene.messages().last().unwrap(), "3 ERROR\n at c");
    scene.write("app.log", "4 ERROR\n1\n 2\n 3\n 4\n5 ok\n");
    scene.look();
    assert_eq!(scene.messages().len(), 3);
}

#[test]
fn a_line_that_is_too_long_is_cut_and_that_is_said_once() {
    let mut scene = Scene::new(ALL);
    scene.look();
    let long = "x".repeat(3 * MAX_LINE_BYTES);
    scene.write("app.log", &format!("a\n{long}\nb\n{long}"));
    scene.look();
    scene.crash();
    scene.write("app.log", &format!("{long}\nc\n"));
    scene.look();
    let short: Vec<_> = scene.messages().into_iter().filter(|message| message.len() < 9).collect();
    assert_eq!((short, scene.messages().len()), (["a", "b", "c"].map(str::to_owned).to_vec(), 5));
    assert_eq!(scene.of_type("log_line_cut").len(), 1);
}

#[test]
fn what_is_no_text_is_read_as_far_as_it_is() {
    let mut scene = Scene::new(ALL);
    scene.look();
    std::fs::write(scene.path("app.log"), b"a\xff\xfe\0b\r\n").unwrap();
    scene.look();
    assert_eq!(scene.messages(), ["a\u{fffd}\u{fffd}\0b"]);
}

#[test]
fn a_flood_is_read_in_steps_that_are_bounded_and_counted_beyond_the_limit() {
    let mut scene = Scene::new("files: '*.log', match: '.', limit: 2000");
    scene.look();
    let lines: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    scene.write("app.log", &lines);
    scene.now += 1_000;
    let mut most = 0;
    loop {
        let before = scene.records.len();
        let more = scene.step(true);
        most = most.max(scene.records.len() - before);
        if !more {
            break;
        }
    }
    assert_eq!(most, crate::stage::BATCH);
    assert_eq!(scene.messages().len(), 2_000);
    scene.now += 60_000;
    scene.step(true);
    assert_eq!(scene.of_type("log_events_left_out")[0].data["count"], 48_000);
}

#[test]
fn a_file_that_may_not_be_reached_is_said_once_and_so_is_its_end() {
    let mut scene = Scene::new(ALL);
    let outside = tempfile::NamedTempFile::new().unwrap();
    let link = scene.path("link.log");
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    for _ in 0..3 {
        scene.look();
    }
    std::fs::remove_file(&link).unwrap();
    for _ in 0..3 {
        scene.look();
    }
    let told: Vec<_> = scene.of_type("log_unreadable").iter().map(|event| event.status).collect();
    assert_eq!(told, [orion_model::Status::Firing, orion_model::Status::Resolved]);
}

#[test]
fn what_a_line_says_is_in_its_event() {
    let mut scene = Scene::new(
        "files: '*.log', format: json, match: { level: '^error$', msg: 'user (?P<user>\\w+)' }, event_type: login_failed, \
         severity: '{{ $labels.level }}', labels: { service: '{{ $labels.app }}' }, data: [request.path], \
         time: { field: at, format: unix_ms }, annotations: { summary: '{{ $labels.user }} failed' }",
    );
    scene.look();
    let at = scene.now - 5_000;
    let line =
        format!(r#"{{"level":"error","msg":"user ada failed","app":"web","request":{{"path":"/in"}},"at":{at}}}"#);
    scene.write("app.log", &format!("{line}\nno json\n{{\"level\":\"errors\",\"msg\":\"user x\"}}\n"));
    scene.look();
    let events = scene.of_type("login_failed");
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!((event.severity.as_str(), event.ts.as_millis(), event.source.as_str()), ("error", at, "files"));
    assert_eq!((event.labels.get("service"), event.labels.len()), (Some("web"), 1));
    assert_eq!(event.annotations.get("summary"), Some("ada failed"));
    assert_eq!((&event.data["user"], &event.data["request.path"]), (&"ada".into(), &"/in".into()));
    assert!(event.data["file"].as_str().unwrap().ends_with("app.log"));
    // A time that is far from now is not taken, and not lost.
    scene.write("app.log", r#"{"level":"error","msg":"user bob","at":1}"#);
    scene.write("app.log", "\n");
    scene.look();
    let event = &scene.of_type("login_failed")[1];
    assert_eq!((event.ts.as_millis(), &event.data["written_at"]), (scene.now, &"1".into()));
}

#[test]
fn a_line_of_syslog_without_its_year_is_of_the_one_in_which_it_is_read() {
    let time = "time: { field: at, format: rfc3164 }";
    let mut scene = Scene::new(&format!("files: '*.log', match: '^(?P<at>\\w{{3}} [ \\d]\\d \\S+) cellar', {time}"));
    // Just before midnight, and the clock of who writes is three seconds ahead of ours.
    scene.now = "2026-12-31T23:59:57Z".parse::<Timestamp>().unwrap().as_millis();
    scene.look();
    scene.write("app.log", "Dec 31 23:59:50 cellar old\nJan  1 00:00:01 cellar new\nNov 29 08:53:50 cellar long ago\n");
    scene.look();
    let of = |event: &Event| (event.ts.to_string(), event.data.get("written_at").cloned());
    let events: Vec<_> = scene.of_type("app").iter().map(of).collect();
    let taken = |time: &str| (time.to_owned(), None);
    let not_taken = ("2026-12-31T23:59:59.000Z".to_owned(), Some("Nov 29 08:53:50".into()));
    assert_eq!(events, [taken("2026-12-31T23:59:50.000Z"), taken("2027-01-01T00:00:01.000Z"), not_taken]);
}
