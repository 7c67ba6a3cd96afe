//! How languages are known, named and asked for.

use super::*;

fn project(dir: &Path) -> Project {
    Project { dir: dir.to_owned(), sdk: dir.join("sdk"), kind: Kind::Detector, scratch: dir.join(".orion") }
}

fn said(language: &Language) -> String {
    let dir = tempfile::tempdir().unwrap();
    let nothing = Desk::with(vec![dir.path().to_owned()]);
    match (language.make)(&project(dir.path()), &nothing) {
        Ok(_) => panic!("{} was built without a toolchain", language.name),
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn what_is_missing_is_named_with_the_command_that_installs_it() {
    let all: Vec<_> = LANGUAGES.iter().map(|language| format!("{}: {}", language.name, said(language))).collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn a_project_is_known_by_its_main_file() {
    let dir = tempfile::tempdir().unwrap();
    assert!(language_of(dir.path()).is_none());
    for known in &LANGUAGES {
        std::fs::create_dir_all(dir.path().join(known.main).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(known.main), "").unwrap();
        assert_eq!(language_of(dir.path()).unwrap().name, known.name);
        std::fs::remove_file(dir.path().join(known.main)).unwrap();
    }
}

#[test]
fn every_language_is_called_once() {
    let mut names: Vec<_> = LANGUAGES.iter().map(|language| language.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), LANGUAGES.len());
    assert!(language("zig").is_some() && language("cobol").is_none());
}
