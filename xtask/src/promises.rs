//! Documents name what holds a promise by its file and its test. A test that was renamed or moved, and a promise that still names what was, is
//! found here; so are two promises of one number.

use std::collections::BTreeSet;
use std::path::Path;

use crate::program::root;

/// Where promises are made.
const DOCUMENTS: [&str; 2] = ["SPECIFICATION.md", "docs/durability.md"];

/// Folders in which what holds them is.
const FOLDERS: [&str; 4] = ["host/", "plugins/", "tests/", "xtask/"];

/// Stands for the file that was named before.
const SAME: &str = "…";

/// What holds a promise.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Holder<'a> {
    file: &'a str,
    test: Option<&'a str>,
}

impl Holder<'_> {
    fn is_there(&self, root: &Path) -> bool {
        let path = root.join(self.file);
        match self.test {
            None => path.exists(),
            Some(test) => std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {test}("))),
        }
    }
}

/// What stands in backticks and names a file of this repository, with the name of a test in it or without. `…::test` is a test of the file
/// that was named last.
fn holders(text: &str) -> Vec<Holder<'_>> {
    let mut last = None;
    let mut found = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        let (file, test) = quoted.split_once("::").map_or((quoted, None), |(file, test)| (file, Some(test)));
        let is_file = FOLDERS.iter().any(|folder| file.starts_with(folder)) && !file.contains([' ', '*', '{']);
        match last {
            _ if is_file => last = Some(file),
            Some(file) if quoted.starts_with(SAME) && test.is_some() => found.push(Holder { file, test }),
            _ => {}
        }
        if is_file {
            found.push(Holder { file, test });
        }
    }
    found
}

fn missing<'a>(text: &'a str, root: &Path) -> Vec<Holder<'a>> {
    holders(text).into_iter().filter(|holder| !holder.is_there(root)).collect()
}

/// The numbers of promises that two have.
fn doubled(text: &str) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let numbers = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")).map(|(number, _)| number);
    let is_number = |cell: &&str| {
        let digits = cell.trim_start_matches(|it: char| it.is_ascii_uppercase());
        digits.len() < cell.len() && !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
    };
    numbers.filter(is_number).filter(|number| !seen.insert(*number)).collect()
}

#[test]
fn what_holds_a_promise_is_there_and_each_promise_has_a_number_of_its_own() {
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        assert!(holders(&text).len() > 10, "{document} names next to nothing");
        assert_eq!(missing(&text, root()), [], "{document}");
        assert_eq!(doubled(&text), [""; 0], "{document}");
    }
}

#[test]
fn what_is_not_there_is_found() {
    let text = "held by `host/nowhere.rs::a_test`, `xtask/src/promises.rs::what_is_not_there_is_found`, `…::what_was_renamed` and `orion verify`";
    let expected = [("host/nowhere.rs", "a_test"), ("xtask/src/promises.rs", "what_was_renamed")];
    assert_eq!(missing(text, root()), expected.map(|(file, test)| Holder { file, test: Some(test) }));
    assert_eq!(doubled("| A1 | one |\n| A2 | two |\n| A1 | three |\n| `a` | limit |\n| `a` | limit |"), ["A1"]);
}
