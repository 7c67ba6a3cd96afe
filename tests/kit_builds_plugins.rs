//! How `orion-kit new`, `build`, `check`, `inspect`, `annotate`, `run` and `bench` behave: what they write, and what they say.
#![expect(clippy::disallowed_types, reason = "these tests start the binary; none of it is deployed")]
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/toolchains.rs"]
mod toolchains;

use desk::Desk;

impl Desk {
    /// What the command says, on both streams. What differs from run to run is only named.
    fn kit(&self, arguments: &[&str], code: i32) -> String {
        let folder = self.path("").display().to_string();
        steady(&self.said(arguments, code).concat().replace(folder.trim_end_matches('/'), "DESK"))
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        self.write(file, &text.replace(from, to));
    }

    /// A project in C: the toolchain that is quickest.
    fn project(&self, kind: &str) -> &Self {
        self.kit(&["new", "mine", "--lang", "c", "--kind", kind], 0);
        self
    }
}

/// Digests, and numbers that depend on the compiler or the machine.
fn steady(text: &str) -> String {
    const DIGEST_DIGITS: usize = 64;
    let measured = [" bytes", " KiB", " ms", " ns", " µs", " for a call", " for each", " each)", " (", "\n"];
    let mut steady = String::new();
    for line in text.split_inclusive('\n') {
        let costs = ["sha256:", "fuel", "memory", "size", "compiles", "time "].iter().any(|word| line.contains(word));
        if !costs {
            steady.push_str(line);
            continue;
        }
        let mut rest = line;
        while let Some(digit) = rest.find(|c: char| c.is_ascii_hexdigit()) {
            let (before, from) = rest.split_at(digit);
            let end = from.find(|c: char| !c.is_ascii_hexdigit() && c != '.').unwrap_or(from.len());
            let (run, after) = from.split_at(end);
            steady.push_str(before);
            let is_number = run.chars().all(|c| c.is_ascii_digit() || c == '.');
            let is_measured =
                is_number && (before.ends_with("fuel ") || measured.iter().any(|unit| after.starts_with(unit)));
            steady.push_str(match run.len() {
                DIGEST_DIGITS => "HEX",
                _ if is_measured => "N",
                _ => run,
            });
            rest = after;
        }
        steady.push_str(rest);
    }
    steady
}

#[test]
fn a_new_project_says_what_to_do_next_and_is_not_written_over() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.kit(&["new", "mine", "--lang", "c"], 0));
    insta::assert_snapshot!(desk.kit(&["new", "mine", "--lang", "c"], 3));
    insta::assert_snapshot!(desk.kit(&["new", "other", "--lang", "cobol"], 3));
    insta::assert_snapshot!(desk.kit(&["new", "Other", "--lang", "c"], 3));
}

#[test]
fn a_detector_is_built_checked_inspected_and_run() {
    let desk = Desk::new();
    desk.project("detector");
    insta::assert_snapshot!(desk.kit(&["run", "mine"], 3));
    insta::assert_snapshot!(desk.kit(&["build", "mine"], 0));
    insta::assert_snapshot!(desk.kit(&["check", "mine/mine.wasm"], 0));
    insta::assert_snapshot!(desk.kit(&["inspect", "mine/mine.wasm"], 0));
    insta::assert_snapshot!(desk.kit(&["run", "mine"], 0));
    insta::assert_snapshot!(desk.kit(&["run", "mine", "--with", "factor=0.5"], 3));
    insta::assert_snapshot!(desk.kit(&["run", "mine", "--with", "factr=2"], 3));
    assert_eq!(
        desk.kit(&["run", "mine", "--with", "factor=100", "--output", "json"], 0).matches("\"message\"").count(),
        0
    );
    let inspected: serde_json::Value =
        serde_json::from_str(&desk.said(&["inspect", "mine/mine.wasm", "--output", "json"], 0).concat()).unwrap();
    assert_eq!(inspected["imports"][0], "orion:plugin/findings@1.0.0#emit");
}

#[test]
fn a_correlator_is_built_and_run_over_events() {
    let desk = Desk::new();
    desk.project("correlator").kit(&["build", "mine"], 0);
    insta::assert_snapshot!(desk.kit(&["run", "mine", "--group-by", "site"], 0));
}

#[test]
fn the_same_project_makes_the_same_bytes_wherever_it_lies() {
    let (one, other) = (Desk::new(), Desk::new());
    let bytes = [&one, &other].map(|desk| {
        desk.project("detector").kit(&["build", "mine"], 0);
        std::fs::read(desk.path("mine/mine.wasm")).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn what_does_not_fit_is_said_in_words() {
    let desk = Desk::new();
    desk.project("detector");
    // The capability of the other kind.
    desk.edit("mine/sdk/detector.c", "orion:plugin/findings@1.0.0", "orion:plugin/incidents@1.0.0");
    desk.edit("mine/sdk/detector.c", "#drop-series\"", "#forget-series\"");
    insta::assert_snapshot!(desk.kit(&["build", "mine"], 2));
    desk.write("text.wasm", "text");
    insta::assert_snapshot!(desk.kit(&["check", "text.wasm"], 2));
    insta::assert_snapshot!(desk.kit(&["build", "."], 3));
    desk.write("plugin.toml", &std::fs::read(desk.path("mine/plugin.toml")).unwrap());
    insta::assert_snapshot!(desk.kit(&["build", "."], 3));
}

#[test]
fn what_a_library_wants_of_wasi_is_taken_out() {
    let desk = Desk::new();
    desk.project("detector");
    desk.edit(
        "mine/src/plugin.c",
        "#include <math.h>",
        "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <time.h>",
    );
    desk.edit(
        "mine/src/plugin.c",
        "factor = orion_number",
        "printf(\"%s %ld %f\\n\", getenv(\"HOME\"), (long)time(NULL), factor);\n    factor = orion_number",
    );
    desk.kit(&["build", "mine"], 0);
    insta::assert_snapshot!(desk.kit(&["check", "mine/mine.wasm"], 0));
    assert!(desk.kit(&["run", "mine"], 0).contains("far above its mean"));
}

#[test]
fn a_manifest_is_put_into_a_component_once() {
    let desk = Desk::new();
    desk.project("detector").kit(&["build", "mine"], 0);
    insta::assert_snapshot!(desk.kit(&["annotate", "mine/mine.wasm", "--manifest", "mine/plugin.toml"], 2));
}

#[test]
fn a_baseline_holds_against_more_fuel() {
    let desk = Desk::new();
    desk.project("detector").kit(&["build", "mine"], 0);
    let bench = ["bench", "mine", "--items", "100", "--calls", "20", "--baseline", "baseline.json"];
    desk.kit(&bench, 0);
    let again = desk.kit(&bench, 0);
    assert!(again.contains("× the baseline"), "{again}");
    let text = std::fs::read_to_string(desk.path("baseline.json")).unwrap();
    let mut before: serde_json::Value = serde_json::from_str(&text).unwrap();
    before["fuel_per_item"] = (before["fuel_per_item"].as_f64().unwrap() / 2.0).into();
    desk.write("baseline.json", &before.to_string());
    assert!(desk.kit(&bench, 1).contains("more      fuel for each item"));
    let other = ["bench", "mine", "--items", "10", "--baseline", "baseline.json"];
    insta::assert_snapshot!(desk.kit(&other, 3));
}
