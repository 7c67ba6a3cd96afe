//! Documents name what holds a promise by its file. A file that moved, and a promise that still names where it was, is found here.

use std::path::Path;

use crate::program::root;

/// Where promises are made.
const DOCUMENTS: [&str; 2] = ["SPECIFICATION.md", "docs/durability.md"];

/// Folders in which what holds them is.
const FOLDERS: [&str; 4] = ["host/", "plugins/", "tests/", "xtask/"];

/// What stands in backticks and is a file of this repository, without the name of a test in it.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let files = quoted.map(|quoted| quoted.split_once("::").map_or(quoted, |(file, _)| file));
    files.filter(|file| FOLDERS.iter().any(|folder| file.starts_with(folder)) && !file.contains([' ', '*', '…', '{']))
}

fn missing(text: &str, root: &Path) -> Vec<String> {
    named(text).filter(|file| !root.join(file).exists()).map(str::to_owned).collect()
}

#[test]
fn every_file_that_holds_a_promise_is_there() {
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        assert!(named(&text).count() > 10, "{document} names next to nothing");
        assert_eq!(missing(&text, root()), Vec::<String>::new(), "{document}");
    }
}

#[test]
fn one_that_is_not_there_is_found() {
    let text = "held by `host/nowhere.rs::a_test`, `xtask/src/promises.rs` and `orion verify`";
    assert_eq!(missing(text, root()), ["host/nowhere.rs"]);
}
