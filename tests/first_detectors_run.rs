//! What the guides of `docs/first-detector` say, done: every file that they show is written, every command that they give is run,
//! and what they say it says is said.
#![expect(clippy::disallowed_types, reason = "these tests start compilers; none of it is deployed")]
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

#[path = "support/toolchains.rs"]
mod toolchains;

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A block of code: what stands behind its fence, and its lines.
struct Block<'a> {
    info: &'a str,
    text: String,
}

fn blocks(guide: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut open) = (Vec::new(), None::<Block<'_>>);
    for line in guide.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => open = Some(Block { info, text: String::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(Block { info, text })) => open = Some(Block { info, text: format!("{text}{line}\n") }),
            (None, None) => {}
        }
    }
    blocks
}

/// Runs a command as a person would who has the kit and the toolchains on the PATH; gives back all that it says.
fn shell(desk: &Path, command: &str) -> String {
    let kit = Path::new(env!("CARGO_BIN_EXE_orion-kit")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(desk);
    let output = toolchains::give(&mut shell).env("PATH", toolchains::path(&[kit])).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command}: {said}");
    said
}

fn runs(language: &str) {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/first-detector/{language}.md"));
    let guide = std::fs::read_to_string(guide).unwrap();
    let desk = TempDir::new().unwrap();
    let (mut said, mut heard) = (String::new(), 0);
    for Block { info, text } in blocks(&guide) {
        match info.split_once(' ') {
            Some((_, file)) => std::fs::write(desk.path().join(file), text).unwrap(),
            None if info == "sh" => said = text.lines().map(|command| shell(desk.path(), command)).collect(),
            None if info == "text" => {
                assert!(said.contains(text.trim_end()), "{language}: {said}");
                heard += 1;
            }
            None => {}
        }
    }
    assert_eq!(heard, 1, "a guide says what comes out");
}

#[test]
fn the_guide_of_go_runs() {
    runs("go");
}

#[test]
fn the_guide_of_javascript_runs() {
    runs("javascript");
}

#[test]
fn the_guide_of_typescript_runs() {
    runs("typescript");
}

#[test]
fn the_guide_of_python_runs() {
    runs("python");
}

#[test]
fn the_guide_of_assemblyscript_runs() {
    runs("assemblyscript");
}
