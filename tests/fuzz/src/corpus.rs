//! Inputs to begin with: the files of `corpus/`, rule files that are in the repository anyway, and those that are not text
//! and so are made here.

use std::path::Path;

use crate::guest::{self, INPUT_AT};

/// Folders with more inputs, from here.
const ELSEWHERE: [(&str, &str); 2] = [("rule_file", "../../rules"), ("rule_file", "../../host/rules/conformance")];

/// What the words of an input point at: a name, and a text that begins with it.
const TEXT: &[u8] = b"name: ok";
const NAME_BYTES: u32 = 4;
const TEXT_BYTES: u32 = 8;

const AT_MILLIS: i64 = 1_769_860_800_000;

/// Where the first thing that is said lies in an input, and how many bytes one has; a field of it has so many.
const WORDS_AT: u32 = 16;
const WORDS_BYTES: u32 = 64;
const FIELD_BYTES: u32 = 24;

/// Name and bytes of every input that a target begins with, in order of name.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = files(&here.join("corpus").join(target));
    for (_, folder) in ELSEWHERE.iter().filter(|(of, _)| *of == target) {
        seeds.extend(files(&here.join(folder)));
    }
    seeds.sort();
    let made = made(target).into_iter().enumerate().map(|(index, seed)| (format!("made-{index}"), seed));
    seeds.extend(made);
    seeds
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

fn made(target: &str) -> Vec<Vec<u8>> {
    match target {
        "component" => {
            let threshold = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
            vec![guest::detector(), guest::correlator(), threshold.component.to_vec()]
        }
        "emit_finding" => (0..3).map(|said| input(said, finding)).collect(),
        "emit_change" => (0..3).map(|said| input(said, change)).collect(),
        _ => Vec::new(),
    }
}

/// An input whose `restore` answers `ok`, which says a number of things, and whose `checkpoint` returns one entry.
///
/// Behind what is said lie, in this order, a field, a text, a list of entries and its one entry: less than a guest would
/// take for one more thing to say.
fn input(said: u32, thing: fn(u32) -> Vec<u8>) -> Vec<u8> {
    let field = INPUT_AT + WORDS_AT + said * WORDS_BYTES;
    let text = field + FIELD_BYTES;
    let entries = text + TEXT_BYTES;
    let mut input = words(&[0, entries, 0, 0]);
    (0..said).for_each(|_| input.extend(thing(field)));
    // Its name, that its value is a text, the value.
    input.extend(words(&[text, NAME_BYTES, 0, 0, text, TEXT_BYTES]));
    input.extend_from_slice(TEXT);
    input.extend(words(&[entries + 8, 1]));
    // Its key, that it has a value, the value.
    input.extend(words(&[text, NAME_BYTES, 1, text, TEXT_BYTES]));
    input
}

/// A finding about the second series, with a severity, a score, a message and a field.
fn finding(field: u32) -> Vec<u8> {
    let mut said = words(&[1, 1, 1, 2]);
    said.extend(AT_MILLIS.to_le_bytes());
    said.extend(1.5_f64.to_le_bytes());
    said.extend(words(&[1, 0]));
    said.extend(0.5_f64.to_le_bytes());
    said.extend(words(&[field + FIELD_BYTES, TEXT_BYTES, field, 1]));
    said
}

/// A change with a key, a reason, a position and a field.
fn change(field: u32) -> Vec<u8> {
    let text = field + FIELD_BYTES;
    let mut said = words(&[text, NAME_BYTES, 0, 2]);
    said.extend(AT_MILLIS.to_le_bytes());
    said.extend(words(&[text, TEXT_BYTES, field, 1, field, 1, 0, 0, 0, 0]));
    said
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
