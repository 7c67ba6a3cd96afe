//! A file whose save is under way is not one that was taken away.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use orion_bus::{Bus, Commit, SqliteBus};
use orion_model::{Event, Push, SetFile, Status, Timestamp};
use orion_sandbox::{Limits, Sandbox, Settings};
use tempfile::TempDir;

use super::{Before, Defaults, Generation, Library, LibrarySettings, OWNER, StandardPlugin};
use crate::clock::SystemClock;
use crate::fills::Fills;
use crate::rule_sets::{ApplyContext, RuleSets};

const RULES: &str = "groups: [{ name: g, rules: [{ alert: A, expr: up, plugin: mine.wasm }] }]\n";
const OTHER: &str = "groups: [{ name: g, rules: [{ alert: B, expr: up, plugin: mine.wasm }] }]\n";
const BUILTIN: &str = "groups: [{ name: inside, rules: [{ alert: A, expr: up }] }]\n";

struct Place {
    dir: TempDir,
    bus: Arc<Fills>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["rules", "plugins"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let threshold = threshold();
        std::fs::write(dir.path().join("plugins/mine.wasm"), threshold.component).unwrap();
        std::fs::write(dir.path().join("rules/f.yaml"), RULES).unwrap();
        let bus = Arc::new(Fills::new(SqliteBus::open(&dir.path().join("memory")).unwrap(), OWNER));
        Self { dir, bus }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    async fn library(&self) -> Library {
        let settings = LibrarySettings {
            rules_dir: self.path("rules"),
            plugins_dir: Some(self.path("plugins")),
            trusted_keys: None,
            memory_dir: self.path("memory"),
            builtin_rules: &[("inside.yaml", BUILTIN)],
            standard_plugins: ["threshold", "grouping"].map(standard).to_vec(),
            defaults: Defaults {
                interval_millis: 15_000,
                sources: BTreeSet::from(["prometheus".to_owned()]),
                log_dirs: None,
            },
            of_sets: of_sets(),
        };
        let sandbox = Arc::new(Sandbox::new(Settings { cache_dir: None, limits: Limits::default() }).unwrap());
        let sets = Arc::new(RuleSets::open(self.bus.clone(), Arc::default()).await.unwrap());
        Library::open(settings, sandbox, self.bus.clone(), sets, "").await.unwrap()
    }
}

impl Place {
    /// What was said of files.
    async fn said(&self) -> Vec<Status> {
        let entries = self.bus.read(0, usize::MAX).await.unwrap();
        let events = entries.iter().map(|entry| serde_json::from_str::<Event>(&entry.body).unwrap());
        events.filter(|event| event.event_type == "rule_file_refused").map(|event| event.status).collect()
    }
}

/// What an agent may have.
fn of_sets() -> Defaults {
    Defaults { interval_millis: 15_000, sources: BTreeSet::from(["elsewhere".to_owned()]), log_dirs: None }
}

fn threshold() -> StandardPlugin {
    standard("threshold")
}

fn standard(name: &str) -> StandardPlugin {
    let standard = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == name).unwrap();
    StandardPlugin { name: standard.name, component: standard.component }
}

/// Looks once, and gives what that made: the number of a generation, its groups and those it ended.
async fn look(library: &mut Library) -> Option<(u64, Vec<String>, Vec<String>)> {
    library.scan(&SystemClock).unwrap();
    let generation: Option<Generation> = library.accept(Timestamp::from_millis(1_000)).await.unwrap();
    generation.map(|new| (new.number, new.groups.into_keys().collect(), new.ended_groups))
}

fn generation(number: u64, groups: &[&str], ended: &[&str]) -> Option<(u64, Vec<String>, Vec<String>)> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Some((number, owned(groups), owned(ended)))
}

fn save(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_look_between_the_two_steps_of_a_save_ends_nothing() {
    let place = Place::new();
    let (file, backup) = (place.path("rules/f.yaml"), place.path("rules/f.yaml~"));
    let mut library = place.library().await;
    assert_eq!(look(&mut library).await, generation(1, &["f.yaml/g", "inside.yaml/inside"], &[]));

    std::fs::rename(&file, &backup).unwrap();
    assert_eq!(look(&mut library).await, None);
    assert!(library.misses_files());
    save(&file, OTHER);
    assert_eq!(look(&mut library).await, generation(2, &["f.yaml/g", "inside.yaml/inside"], &[]));
    assert!(!library.misses_files());

    // The other way of editors: the file is emptied and then written.
    save(&file, "");
    assert_eq!(look(&mut library).await, None);
    save(&file, RULES);
    assert_eq!(look(&mut library).await, generation(3, &["f.yaml/g", "inside.yaml/inside"], &[]));

    let plugin = place.path("plugins/mine.wasm");
    let component = std::fs::read(&plugin).unwrap();
    std::fs::remove_file(&plugin).unwrap();
    assert_eq!(look(&mut library).await, None);
    assert_eq!(library.refused().count(), 0);
    std::fs::write(&plugin, component).unwrap();
    assert_eq!(look(&mut library).await, None);
    assert!(!library.misses_files());
}

#[tokio::test]
async fn a_file_that_stays_away_or_empty_ends_one_look_later() {
    let place = Place::new();
    let file = place.path("rules/f.yaml");
    let mut library = place.library().await;
    look(&mut library).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(look(&mut library).await, None);
    assert_eq!(look(&mut library).await, generation(2, &["inside.yaml/inside"], &["f.yaml/g"]));

    save(&file, RULES);
    assert!(look(&mut library).await.is_some());
    save(&file, "");
    assert_eq!(look(&mut library).await, None);
    assert_eq!(look(&mut library).await, generation(4, &["inside.yaml/inside"], &["f.yaml/g"]));
    assert_eq!(look(&mut library).await, None);
    assert!(!library.misses_files());
}

#[tokio::test]
async fn a_file_inside_the_binary_does_not_step_in_for_one_that_is_being_saved() {
    let place = Place::new();
    let file = place.path("rules/inside.yaml");
    save(&file, OTHER);
    let mut library = place.library().await;
    assert_eq!(look(&mut library).await, generation(1, &["f.yaml/g", "inside.yaml/g"], &[]));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(look(&mut library).await, None);
    assert_eq!(look(&mut library).await, generation(2, &["f.yaml/g", "inside.yaml/inside"], &["inside.yaml/g"]));
}

#[tokio::test]
async fn what_was_taken_away_while_nobody_looked_is_looked_for_once_more_after_a_start() {
    let place = Place::new();
    let mut library = place.library().await;
    look(&mut library).await;
    drop(library);
    let mut library = place.library().await;
    assert_eq!(look(&mut library).await, None);
    assert!(!library.misses_files(), "a start without a change waits for nothing");
    drop(library);
    std::fs::remove_file(place.path("rules/f.yaml")).unwrap();
    let mut library = place.library().await;
    assert_eq!(look(&mut library).await, None);
    assert_eq!(look(&mut library).await, generation(2, &["inside.yaml/inside"], &["f.yaml/g"]));
}

#[tokio::test]
async fn of_a_set_only_correlations_run_under_ids_of_their_own() {
    const SET: &str = "
groups: [{ name: g, source: elsewhere, rules: [{ alert: A, expr: up }] }]
correlations:
  - { name: c, match: { event_type: a }, group_by: [x], plugin: grouping, incident: { type: t, severity: error, summary: s } }
";
    let place = Place::new();
    std::fs::write(place.path("rules/default.yaml"), SET.replace("source: elsewhere, ", "")).unwrap();
    let mut library = place.library().await;
    let (_, groups, _) = look(&mut library).await.unwrap();
    let apply = async |text: &str| {
        let files = vec![SetFile { name: "default.yaml".to_owned(), text: text.to_owned() }];
        let (set, by) = ("default".to_owned(), "ada".to_owned());
        let push = Push { set, files, by, base_version: None, at_a_time: None, dry_run: false };
        let defaults = of_sets();
        let context = ApplyContext {
            shelf: place.library().await.shelf(),
            defaults,
            now: Timestamp::from_millis(1),
            generation: 1,
        };
        let sets = RuleSets::open(place.bus.clone(), Arc::default()).await.unwrap();
        assert!(sets.apply(push, context).await.unwrap().applied);
    };
    apply(SET).await;
    library.sets.refresh().await.unwrap();
    let (number, groups_now, ended) = look(&mut library).await.unwrap();
    assert_eq!((groups_now, ended), (groups, Vec::new()), "groups of a set are for agents");
    let correlations = |library: &Library| library.current().correlations.into_keys().collect::<Vec<_>>();
    assert_eq!(correlations(&library), ["default.yaml/c", "default/default.yaml/c"]);
    // After a start it is the same generation.
    let mut again = place.library().await;
    assert_eq!(look(&mut again).await, None);
    assert_eq!((again.generation(), correlations(&again)), (number, correlations(&library)));
    apply("groups: []\n").await;
    library.sets.refresh().await.unwrap();
    assert_eq!(look(&mut library).await.unwrap().0, number + 1);
    assert_eq!(correlations(&library), ["default.yaml/c"]);
}

#[tokio::test]
async fn the_version_before_is_known_until_the_file_is_gone_also_after_a_start() {
    let place = Place::new();
    let file = place.path("rules/f.yaml");
    let mut library = place.library().await;
    look(&mut library).await;
    assert_eq!(library.files().rules["f.yaml"].before, None);

    save(&file, OTHER);
    assert_eq!(look(&mut library).await.unwrap().0, 2);
    let before = Before { text: RULES.to_owned(), until: Timestamp::from_millis(1_000), generation: 2 };
    assert_eq!(library.files().rules["f.yaml"].before.as_deref(), Some(&before));

    // One that is refused is no version.
    save(&file, "groups: 7");
    look(&mut library).await;
    let told = &library.files().rules["f.yaml"];
    assert_eq!((&*told.text, told.before.as_deref()), (OTHER, Some(&before)));
    assert_eq!(library.refused().count(), 1);
    drop(library);
    let mut library = place.library().await;
    look(&mut library).await;
    let told = &library.files().rules["f.yaml"];
    assert_eq!((&*told.text, told.before.as_deref()), (OTHER, Some(&before)));

    std::fs::remove_file(&file).unwrap();
    look(&mut library).await;
    look(&mut library).await;
    save(&file, OTHER);
    look(&mut library).await;
    assert_eq!(library.files().rules["f.yaml"].before, None);
}

#[tokio::test]
async fn what_could_not_be_recorded_of_a_file_is_said_when_there_is_room() {
    let place = Place::new();
    let file = place.path("rules/f.yaml");
    let mut library = place.library().await;
    look(&mut library).await;
    let fails = async |library: &mut Library| {
        place.bus.fill(true);
        library.scan(&SystemClock).unwrap();
        assert!(library.accept(Timestamp::from_millis(1_000)).await.is_err());
        place.bus.fill(false);
    };
    save(&file, "groups: 7");
    fails(&mut library).await;
    assert_eq!(place.said().await, []);
    look(&mut library).await;
    assert_eq!(place.said().await, [Status::Firing]);
    save(&file, OTHER);
    fails(&mut library).await;
    assert_eq!(look(&mut library).await.unwrap().0, 2);
    assert_eq!(place.said().await, [Status::Firing, Status::Resolved]);
}

#[tokio::test]
async fn a_library_of_which_the_store_knows_more_goes_on_from_there() {
    let place = Place::new();
    let file = place.path("rules/f.yaml");
    let mut library = place.library().await;
    look(&mut library).await;
    // As a process before this one did, whose last step is there again.
    let Some(stored) = place.bus.load(OWNER).await.unwrap().offset else { panic!("nothing is kept") };
    let step = Commit { owner: OWNER.to_owned(), expected: Some(stored), offset: stored + 1, ..Commit::default() };
    place.bus.commit(step).await.unwrap();
    save(&file, OTHER);
    library.scan(&SystemClock).unwrap();
    assert!(library.accept(Timestamp::from_millis(1_000)).await.is_err());
    assert_eq!(look(&mut library).await.unwrap().0, 2);
}
