//! `cargo xtask …`: everything a contributor runs, so that the build server and a desk do the same thing.
#![expect(clippy::disallowed_types, reason = "this is a contributor's tool; it starts programs and is never deployed")]

mod beside;
mod ci;
mod conformance;
mod drill;
mod fuzz;
mod n0;
mod package;
mod program;
#[cfg(test)]
mod promises;
mod release_check;
mod released;
mod setup;
mod target;

use std::io::Write;
use std::process::ExitCode;

use crate::program::{Failure, cargo};

/// A subcommand: what it is called, what it does in one paragraph, and how.
struct Task {
    name: &'static str,
    help: &'static str,
    run: Run,
}

enum Run {
    /// Takes no arguments of its own.
    Alone(fn() -> Result<(), Failure>),
    /// Takes what stands behind its name; most hand it to the program they start.
    With(fn(&[String]) -> Result<(), Failure>),
}

const TASKS: &[Task] = &[
    Task {
        name: "setup",
        help: "Installs what tests need and is missing: the wasm32-unknown-unknown target for plugins (rustup), toolchains of other\n\
               languages (pip, into target/toolchains), Prometheus and\n\
               node_exporter (apt-get, as root or with sudo that asks for no password). Says what it does, and prints what to\n\
               install where it may not.",
        run: Run::Alone(setup::everything),
    },
    Task {
        name: "test",
        help: "setup, then every test of the workspace: with cargo-nextest when it is installed, else with cargo test.",
        run: Run::Alone(ci::test),
    },
    Task {
        name: "demo",
        help: "Runs `orion demo` as it is released, with the arguments given. Reads a recording, or the Prometheus that\n\
               PROMETHEUS_URL names.",
        run: Run::With(demo),
    },
    Task { name: "lab", help: "Starts the lab: real servers to watch, with the arguments given.", run: Run::With(lab) },
    Task { name: "bench", help: "Measures Orion as it is released, with the arguments given.", run: Run::With(bench) },
    Task {
        name: "quality",
        help: "Measures how good the anomaly detector is, and how well roots of injected faults are found: `--data DIR` names labelled\n\
               data, which are no part of the repository. Scores beside those of others, false alarms, cost; how often the right\n\
               component is the first suspect. `--only anomaly` or `root-cause`. `--output json` says the same as data.",
        run: Run::With(quality),
    },
    Task {
        name: "drill",
        help: "`drill reload` makes a thousand edits of every kind while there is traffic and prints how soon they were live;\n\
               `drill crash` kills Orion a thousand times at moments drawn by chance, tears its files in between, and compares what\n\
               is recorded with an Orion that nobody killed; `drill faults` and `drill faults-embedded` do a day of simulated time in which\n\
               whatever can go wrong does, on a Redis and alone; `drill leases` looks at every order of events of two hosts with more faults in one life.\n\
               `--edits N`, `--kills N`, `--minutes N` and `--lives N` make another number, `--seed N` the same ones again. The tests do a few of each.",
        run: Run::With(drill::run),
    },
    Task {
        name: "fuzz",
        help: "Fuzzes each door at which bytes of others come in, with libFuzzer and the stable compiler, a minute each.\n\
               `--seconds N` takes longer, `--target NAME` takes one. What breaks something is kept under target/fuzz/found.",
        run: Run::With(fuzz::run),
    },
    Task {
        name: "conformance",
        help: "Shows rule files that people have to `orion check`: those of host/rules/conformance, and with `--rules DIR` those of a\n\
               folder and the folders within. Counts files, alerts, recording rules and warnings; an error fails the task.\n\
               `--output json` says the same as data.",
        run: Run::With(conformance::run),
    },
    Task {
        name: "schema",
        help: "Writes docs/rules.schema.json anew, with `orion schema`: after a change of a rule file's keys or a plugin's manifest.",
        run: Run::Alone(schema),
    },
    Task {
        name: "static",
        help: "Builds orion as it is released, one static binary; with a path copies it there.",
        run: Run::With(released::run),
    },
    Task { name: "deb", help: "Builds the package for Debian and Ubuntu around that binary.", run: Run::Alone(package::run) },
    Task {
        name: "n0",
        help: "Proves that the released orion cannot start a process: no call that could is linked into the binary. Then runs it in a
\
               root with nothing else in it, and installs, removes and purges the .deb, all in mounts of their own.",
        run: Run::Alone(n0::check),
    },
    Task {
        name: ci::BESIDE_TESTS,
        help: "What the build server checks while tests run: documentation, n0 of the orion that they run, conformance with the folder that\n\
               ORION_PUBLIC_RULES names, and ten seconds of fuzzing each target.",
        run: Run::Alone(ci::beside_tests),
    },
    Task {
        name: "ci",
        help: "Everything the build server checks: format, lints, licences and sources of what is built in, tests, and what stands at\n\
               `beside-tests`. Installs cargo-deny when it is missing.",
        run: Run::Alone(ci::everything),
    },
];

fn demo(arguments: &[String]) -> Result<(), Failure> {
    setup::wasm_target()?;
    cargo(["run", "--release", "--package", "orion", "--", "demo"]).args(arguments).run()
}

fn schema() -> Result<(), Failure> {
    // Own plugins of whoever runs this are none of its business.
    let schema =
        cargo(["run", "--release", "--package", "orion", "--", "schema", "--plugins", "no-plugins"]).output()?;
    let path = program::root().join("docs").join("rules.schema.json");
    std::fs::write(&path, schema).map_err(|error| Failure::NotWritten(path.display().to_string(), error))
}

fn lab(arguments: &[String]) -> Result<(), Failure> {
    setup::lab()?;
    cargo(["run", "--package", "orion-lab", "--"]).args(arguments).run()
}

fn bench(arguments: &[String]) -> Result<(), Failure> {
    setup::everything()?;
    cargo(["run", "--release", "--package", "orion-bench", "--"]).args(arguments).run()
}

fn quality(arguments: &[String]) -> Result<(), Failure> {
    setup::wasm_target()?;
    cargo(["run", "--release", "--package", "orion-quality", "--"]).args(arguments).run()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match choose(&arguments).and_then(Choice::carry_out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What the arguments ask for.
enum Choice<'a> {
    Help(&'a [Task]),
    Do(&'a Task, &'a [String]),
}

fn choose(arguments: &[String]) -> Result<Choice<'_>, Failure> {
    let Some((name, rest)) = arguments.split_first() else { return Ok(Choice::Help(TASKS)) };
    if asks_for_help(name) {
        return Ok(Choice::Help(TASKS));
    }
    let named = TASKS.iter().find(|task| task.name == name).ok_or_else(|| Failure::UnknownTask(name.clone()))?;
    match (&named.run, rest) {
        (Run::Alone(_), [first, ..]) if asks_for_help(first) => Ok(Choice::Help(std::slice::from_ref(named))),
        (Run::Alone(_), [first, ..]) => Err(Failure::UnexpectedArgument(named.name, first.clone())),
        _ => Ok(Choice::Do(named, rest)),
    }
}

fn asks_for_help(argument: &str) -> bool {
    matches!(argument, "help" | "--help" | "-h")
}

impl Choice<'_> {
    fn carry_out(self) -> Result<(), Failure> {
        match self {
            // A reader that has seen enough (`| head`) is no failure.
            Self::Help(tasks) => drop(writeln!(std::io::stdout(), "{}", help(tasks))),
            Self::Do(Task { run: Run::Alone(run), .. }, _) => run()?,
            Self::Do(Task { run: Run::With(run), .. }, arguments) => run(arguments)?,
        }
        Ok(())
    }
}

fn help(tasks: &[Task]) -> String {
    let mut text = "cargo xtask <task>: everything a contributor runs.\n".to_owned();
    for Task { name, help, run } in tasks {
        let arguments = if matches!(run, Run::With(_)) { " [arguments…]" } else { "" };
        let help = help.lines().map(|line| format!("      {line}\n")).collect::<String>();
        text += &format!("\n  {name}{arguments}\n{help}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(arguments: &[&str]) -> Result<String, String> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        match choose(&arguments) {
            Ok(Choice::Help(tasks)) => Ok(format!("help on {}", tasks.len())),
            Ok(Choice::Do(task, rest)) => Ok(format!("{} {}", task.name, rest.join(" "))),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn every_task_is_found_by_name_and_told_of_in_the_help() {
        let all = help(TASKS);
        for task in TASKS {
            assert_eq!(chosen(&[task.name]), Ok(format!("{} ", task.name)));
            assert!(all.contains(&format!("\n  {}", task.name)) && task.help.ends_with('.'), "{}", task.name);
        }
    }

    #[test]
    fn arguments_go_to_the_program_only_where_there_is_one() {
        assert_eq!(chosen(&["demo", "--help"]), Ok("demo --help".to_owned()));
        assert_eq!(chosen(&["ci", "--help"]), Ok("help on 1".to_owned()));
        assert_eq!(chosen(&[]), Ok(format!("help on {}", TASKS.len())));
        assert!(chosen(&["ci", "fast"]).unwrap_err().contains("`fast`"));
        assert!(chosen(&["tests"]).unwrap_err().contains("`tests`"));
    }
}
