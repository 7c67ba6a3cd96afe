//! The edits: how each is made, and what must come of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use orion_pipeline::library::digest_of;
use serde_json::Value;

use super::numbers::Numbers;
use super::scene::{Scene, edited, mount, single};
use crate::support::builds::{build, told_by};
use crate::support::dice::Dice;

/// What people and tools do to a folder of rules or plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    ValidRule,
    InvalidRule,
    ValidPlugin,
    CorruptPlugin,
    HalfWritten,
    AtomicSave,
    BackupRename,
    KubernetesSwap,
    DeletionAndReturn,
    FiftySaves,
    SaveDuringReload,
    Unreadable,
}

impl Edit {
    pub const ALL: [Self; 12] = [
        Self::ValidRule,
        Self::InvalidRule,
        Self::ValidPlugin,
        Self::CorruptPlugin,
        Self::HalfWritten,
        Self::AtomicSave,
        Self::BackupRename,
        Self::KubernetesSwap,
        Self::DeletionAndReturn,
        Self::FiftySaves,
        Self::SaveDuringReload,
        Self::Unreadable,
    ];
}

const RULES: &str = "edited.yaml";
const GUEST: &str = "guest.yaml";
const PLUGIN: &str = "drilled.wasm";
const REMOVED: &str = "the rule was removed";
const SAVES: u32 = 50;

/// Ways to break a rule file, each with what must be said of it.
const BROKEN: [(&str, &str, &str); 4] = [
    ("plugin:", "plugins:", "plugins"),
    ("expr: subject", "expr: subject >", "subject >"),
    ("drilled.wasm", "nobody.wasm", "nobody.wasm"),
    ("      - alert: Subject", "     - alert: Subject", "edited.yaml:"),
];

/// What there is in the folders of the deployment that is edited, as it was accepted.
pub struct Drill {
    pub scene: Scene,
    dice: Dice,
    /// Number of the last edit, so that each is another.
    edit: u32,
    build: u32,
    rules: String,
    component: Vec<u8>,
    generation: u64,
    /// From the last write to the event that shows the new behaviour.
    pub until_active: Numbers,
    /// From a deletion to the event that ends the alert.
    pub until_ended: Numbers,
}

impl Drill {
    pub fn begin(seed: u64) -> Self {
        let scene = Scene::begin();
        let generation = scene.generation().number;
        Self {
            scene,
            dice: Dice::new(seed),
            edit: 0,
            build: 0,
            rules: edited(0),
            component: build(0),
            generation,
            until_active: Numbers::default(),
            until_ended: Numbers::default(),
        }
    }

    /// Makes an edit and sees to it that it does what it should.
    pub fn carry_out(&mut self, edit: Edit) {
        self.scene.keep_traffic_ahead();
        self.scene.tail.mark();
        match edit {
            Edit::ValidRule => self.valid_rule(),
            Edit::InvalidRule => self.invalid_rule(),
            Edit::ValidPlugin => self.valid_plugin(),
            Edit::CorruptPlugin => self.corrupt_plugin(),
            Edit::HalfWritten => self.half_written(),
            Edit::AtomicSave => self.atomic_save(),
            Edit::BackupRename => self.backup_rename(),
            Edit::KubernetesSwap => self.kubernetes_swap(),
            Edit::DeletionAndReturn => self.deletion_and_return(),
            Edit::FiftySaves => self.fifty_saves(),
            Edit::SaveDuringReload => self.save_during_reload(),
            Edit::Unreadable => self.unreadable(),
        }
    }

    fn valid_rule(&mut self) {
        let text = self.next_rules();
        write(&self.rules_path(RULES), &text);
        self.rules_are_live(Edit::ValidRule, text, 1);
    }

    /// A refused file holds back no neighbour that was saved with it.
    fn invalid_rule(&mut self) {
        let (from, to, said) = BROKEN[self.dice.below(BROKEN.len())];
        self.edit += 1;
        write(&self.rules_path(RULES), &edited(self.edit).replace(from, to));
        self.edit += 1;
        write(&self.rules_path(GUEST), &single("guest", self.edit));
        self.is_live(Edit::InvalidRule, "guest");
        self.generation_grew(1);
        self.is_refused("rule_file_refused", RULES, said);
        self.rules_are_mended();
    }

    fn valid_plugin(&mut self) {
        self.build += 1;
        let component = build(self.build);
        self.replace("plugins", PLUGIN, &component);
        self.plugin_is_live(Edit::ValidPlugin);
        self.component = component;
        self.generation_grew(1);
    }

    /// The rules run on with the last good build, and can be edited meanwhile.
    fn corrupt_plugin(&mut self) {
        let cut = self.dice.between(0, self.component.len() - 1);
        let corrupt = match self.dice.below(2) {
            0 => self.component[..cut].to_vec(),
            _ => self.component.iter().map(|byte| byte.wrapping_mul(31)).collect(),
        };
        // An empty file is one whose save is under way.
        let corrupt = if corrupt.is_empty() { b"\0asm".to_vec() } else { corrupt };
        self.replace("plugins", PLUGIN, &corrupt);
        self.is_refused("plugin_refused", PLUGIN, "");
        if self.dice.once_in(2) {
            let text = self.next_rules();
            write(&self.rules_path(RULES), &text);
            self.rules_are_live(Edit::CorruptPlugin, text, 1);
        }
        let component = self.component.clone();
        self.replace("plugins", PLUGIN, &component);
        self.is_over("plugin_refused", PLUGIN);
    }

    /// A writer that stops in the middle for longer than settling takes.
    fn half_written(&mut self) {
        let text = self.next_rules();
        // Within the braces of a rule, so that the half is no rule file.
        let cut = text.find("alert: Neighbour").unwrap() + self.dice.below(10);
        write(&self.rules_path(RULES), &text[..cut]);
        self.is_refused("rule_file_refused", RULES, "edited.yaml");
        write(&self.rules_path(RULES), &text);
        self.rules_are_live(Edit::HalfWritten, text, 1);
        self.is_over("rule_file_refused", RULES);
    }

    fn atomic_save(&mut self) {
        let text = self.next_rules();
        self.replace("rules", RULES, text.as_bytes());
        self.rules_are_live(Edit::AtomicSave, text, 1);
    }

    /// For a moment there is no file.
    fn backup_rename(&mut self) {
        let text = self.next_rules();
        let (path, backup) = (self.rules_path(RULES), self.rules_path("edited.yaml~"));
        std::fs::rename(&path, &backup).unwrap();
        std::thread::sleep(Duration::from_millis(self.dice.below(20) as u64));
        write(&path, &text);
        std::fs::remove_file(&backup).unwrap();
        self.rules_are_live(Edit::BackupRename, text, 1);
    }

    fn kubernetes_swap(&mut self) {
        self.edit += 1;
        mount(&self.scene.drilled, self.edit);
        self.is_live(Edit::KubernetesSwap, "mounted");
        self.generation_grew(1);
    }

    fn deletion_and_return(&mut self) {
        let path = self.rules_path(GUEST);
        std::fs::remove_file(&path).unwrap();
        let began = Instant::now();
        let is_end = |event: &Value| event["labels"]["alertname"] == "guest" && event["status"] == "resolved";
        let end = self.scene.tail.wait_for("the end of the removed rule", is_end);
        self.until_ended.add(Edit::DeletionAndReturn, began.elapsed());
        assert_eq!(end["data"]["reason"], REMOVED);
        self.generation_grew(1);
        self.edit += 1;
        write(&path, &single("guest", self.edit));
        self.is_live(Edit::DeletionAndReturn, "guest");
        self.generation_grew(1);
    }

    /// However many of the saves are taken, the last is what runs.
    fn fifty_saves(&mut self) {
        let mut text = String::new();
        for _ in 0..SAVES {
            text = self.next_rules();
            write(&self.rules_path(RULES), &text);
        }
        self.rules_are_live(Edit::FiftySaves, text, u64::from(SAVES));
    }

    /// A second save about when the first is settled, read, and made live.
    fn save_during_reload(&mut self) {
        write(&self.rules_path(RULES), &self.next_rules());
        std::thread::sleep(Duration::from_millis(self.dice.between(240, 290) as u64));
        let text = self.next_rules();
        write(&self.rules_path(RULES), &text);
        self.rules_are_live(Edit::SaveDuringReload, text, 2);
    }

    /// A link that leads nowhere, because root may read what nobody may read.
    fn unreadable(&mut self) {
        let (folder, name, condition) = match self.dice.below(2) {
            0 => ("rules", RULES, "rule_file_refused"),
            _ => ("plugins", PLUGIN, "plugin_refused"),
        };
        let (path, link) = (self.path(folder, name), self.path(folder, ".link"));
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        std::fs::rename(&link, &path).unwrap();
        self.is_refused(condition, name, "No such file");
        let content = if folder == "rules" { self.rules.clone().into_bytes() } else { self.component.clone() };
        self.replace(folder, name, &content);
        self.is_over(condition, name);
    }

    fn next_rules(&mut self) -> String {
        self.edit += 1;
        edited(self.edit)
    }

    fn rules_are_live(&mut self, edit: Edit, text: String, most_generations: u64) {
        self.is_live(edit, "Subject");
        self.rules = text;
        self.generation_grew(most_generations);
    }

    /// The event of the last edit's rule is there: it was made by the edited rule, and not only numbered anew.
    fn is_live(&mut self, edit: Edit, alert: &str) {
        let began = Instant::now();
        let number = self.edit.to_string();
        let fired = self.scene.tail.wait_for(&format!("{alert} of edit {number}"), |event| {
            event["labels"]["alertname"] == alert && event["labels"]["edit"] == *number && event["status"] == "firing"
        });
        self.until_active.add(edit, began.elapsed());
        if alert == "Subject" {
            assert_eq!(told_by(fired["labels"]["seen"].as_str().unwrap()).1, self.build);
        }
    }

    fn plugin_is_live(&mut self, edit: Edit) {
        let began = Instant::now();
        let build = self.build;
        self.scene.tail.wait_for(&format!("what build {build} finds"), |event| {
            let seen = event["labels"]["seen"].as_str().filter(|_| event["status"] == "firing");
            seen.is_some_and(|seen| told_by(seen).1 == build)
        });
        self.until_active.add(edit, began.elapsed());
    }

    fn generation_grew(&mut self, by_at_most: u64) {
        let now = self.scene.generation().number;
        assert!(
            self.generation < now && now <= self.generation + by_at_most,
            "generation {} became {now}, which should be at most {by_at_most} more",
            self.generation
        );
        self.generation = now;
    }

    /// The file is refused, which is said, and what was accepted before runs on under the same number.
    fn is_refused(&mut self, condition: &str, name: &str, said: &str) {
        let refused = self.scene.tail.wait_for(&format!("{condition} of {name}"), |event| {
            event["event_type"] == *condition && event["labels"]["file"] == *name && event["status"] == "firing"
        });
        let message = refused["data"]["message"].as_str().unwrap();
        assert!(!message.is_empty() && message.contains(said), "`{said}` is not in: {message}");
        let record = self.scene.generation();
        assert_eq!(record.number, self.generation);
        let file = record.files.iter().find(|file| file.name == name).unwrap();
        assert!(file.refused.is_some());
        let last_good = if name == PLUGIN { self.component.as_slice() } else { self.rules.as_bytes() };
        assert_eq!(file.digest, Some(digest_of(last_good)));
    }

    /// The refusal ended, and nothing that runs has changed.
    fn is_over(&mut self, condition: &str, name: &str) {
        self.scene.tail.wait_for(&format!("the end of {condition} of {name}"), |event| {
            event["event_type"] == *condition && event["labels"]["file"] == *name && event["status"] == "resolved"
        });
        let record = self.scene.generation();
        assert_eq!(record.number, self.generation);
        assert!(record.files.iter().all(|file| file.refused.is_none()));
    }

    fn rules_are_mended(&mut self) {
        write(&self.rules_path(RULES), &self.rules);
        self.is_over("rule_file_refused", RULES);
    }

    fn path(&self, folder: &str, name: &str) -> PathBuf {
        self.scene.drilled.path(folder).join(name)
    }

    fn rules_path(&self, name: &str) -> PathBuf {
        self.path("rules", name)
    }

    /// Writes beside the file, and renames into its place.
    fn replace(&self, folder: &str, name: &str, content: &[u8]) {
        let partial = self.path(folder, ".partial");
        std::fs::write(&partial, content).unwrap();
        std::fs::rename(partial, self.path(folder, name)).unwrap();
    }
}

fn write(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
