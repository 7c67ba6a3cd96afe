//! Everything of the corpus, and blind changes of it, in every run of the tests.

use crate::{Mutation, TARGETS, seeds, target};

/// Changed inputs for each of the corpus. A component is compiled for each that is still valid, so it gets fewer.
const CHANGES: usize = 200;
const CHANGES_OF_COMPONENTS: usize = 40;

/// What the process may have held at most, all targets together: a target that grows without bounds is beyond it at once.
const MOST_RESIDENT_KIB: u64 = 1024 * 1024;

fn replay(name: &str, changes: usize) {
    let target = target(name).unwrap();
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no corpus");
    let mut mutation = Mutation::new(1);
    for (index, (_, seed)) in seeds.iter().enumerate() {
        (target.run)(seed);
        for change in 0..changes {
            let (_, other) = &seeds[(index + change) % seeds.len()];
            (target.run)(&mutation.of(seed, other));
        }
    }
    let held = held_at_most_kib();
    assert!(held < MOST_RESIDENT_KIB, "{held} KiB");
}

fn held_at_most_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn no_rule_file_brings_the_reader_down() {
    replay("rule_file", CHANGES);
}

#[test]
fn no_answer_brings_the_decoder_or_its_session_down() {
    replay("answer", CHANGES);
}

#[test]
fn no_answer_about_many_instants_brings_the_decoder_or_its_session_down() {
    replay("answer_range", CHANGES);
}

#[test]
fn no_event_brings_a_correlation_down() {
    replay("event", CHANGES);
}

#[test]
fn no_component_can_do_more_than_emit_or_work_without_end() {
    replay("component", CHANGES_OF_COMPONENTS);
}

#[test]
fn nothing_a_detector_says_passes_the_limits() {
    replay("emit_finding", CHANGES);
}

#[test]
fn nothing_a_correlator_says_passes_the_limits() {
    replay("emit_change", CHANGES);
}

#[test]
fn nothing_delivered_brings_a_hook_down() {
    replay("hook", CHANGES);
}

#[test]
fn nothing_asked_brings_jobs_down() {
    replay("job", CHANGES);
}

#[test]
fn no_recording_brings_the_reader_down() {
    replay("recording", CHANGES);
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    let folders = std::fs::read_dir(corpus).unwrap();
    let mut folders: Vec<String> = folders.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    let mut targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    folders.sort();
    targets.sort();
    assert_eq!(folders, targets);
}
