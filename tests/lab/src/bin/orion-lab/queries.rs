//! The queries that rule files ask: every text under a key `expr`, to the letter.
//!
//! The files are read as YAML and not as rules, because a recording is wanted of any rules, also of those whose plugins
//! are not at hand here; whoever replays them checks them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser};

use crate::Failure;

/// All queries of the rule files in a folder and below, each once, in order of text.
pub(crate) fn of_folder(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    find_rule_files(folder, &mut files)?;
    files.sort();
    let mut queries = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|why| failed(file, &why))?;
        collect(&text, &mut queries).map_err(|why| failed(file, &why))?;
    }
    if queries.is_empty() {
        return Err(Failure::Other(format!(
            "no rule with an `expr` in {} rule files below {}",
            files.len(),
            folder.display()
        )));
    }
    Ok(queries.into_iter().collect())
}

fn failed(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::File { file: file.to_owned(), why: why.to_string() }
}

fn find_rule_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder).map_err(|why| failed(folder, &why))? {
        let path = entry.map_err(|why| failed(folder, &why))?.path();
        if path.is_dir() {
            find_rule_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Where the walk stands within one collection.
enum Level {
    List,
    /// Whether a key comes next, and whether the last one was `expr`.
    Map {
        key_next: bool,
        expr: bool,
    },
}

impl Level {
    /// A value is complete, or a key that is no text.
    fn step(level: Option<&mut Self>) {
        if let Some(Self::Map { key_next, expr }) = level {
            *key_next = !*key_next;
            *expr = false;
        }
    }
}

fn collect(text: &str, queries: &mut BTreeSet<String>) -> Result<(), saphyr_parser::ScanError> {
    let mut levels: Vec<Level> = Vec::new();
    for event in Parser::new_from_str(text) {
        match event?.0 {
            Event::Scalar(scalar, ..) => match levels.last_mut() {
                Some(Level::Map { key_next: key_next @ true, expr }) => {
                    *key_next = false;
                    *expr = scalar == "expr";
                }
                level => {
                    if matches!(level, Some(Level::Map { expr: true, .. })) {
                        queries.insert(scalar.trim().to_owned());
                    }
                    Level::step(level);
                }
            },
            Event::SequenceStart(..) => levels.push(Level::List),
            Event::MappingStart(..) => levels.push(Level::Map { key_next: true, expr: false }),
            Event::SequenceEnd | Event::MappingEnd => {
                levels.pop();
                Level::step(levels.last_mut());
            }
            Event::Alias(..) => Level::step(levels.last_mut()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_of_a_rule_file_is_found_once_and_to_the_letter() {
        let file = "
groups:
  - name: a
    labels: { expr_of: none, x: [expr, y] }
    rules:
      - alert: One
        expr: up == 0
        with: { list: [1, 2], map: { deep: 1 } }
      - expr: |
          sum by (job) (up)
            > 1
        alert: expr
      - { alert: Three, expr: 'up == 0' }
      - alert: Four
        ? [expr]
        : not a query
";
        let mut queries = BTreeSet::new();
        collect(file, &mut queries).unwrap();
        assert_eq!(queries.into_iter().collect::<Vec<_>>(), ["sum by (job) (up)\n  > 1", "up == 0"]);
    }

    #[test]
    fn a_folder_is_read_with_all_below_it_and_one_without_queries_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        assert!(of_folder(folder.path()).is_err());
        std::fs::write(folder.path().join("below/a.yaml"), "expr: b").unwrap();
        std::fs::write(folder.path().join("b.yml"), "expr: a").unwrap();
        std::fs::write(folder.path().join("c.txt"), "expr: c").unwrap();
        assert_eq!(of_folder(folder.path()).unwrap(), ["a", "b"]);
    }
}
