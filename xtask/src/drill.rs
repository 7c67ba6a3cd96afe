//! Drills: tests that are also run long, with the numbers of their run.

use crate::ci::CRASH_POINTS;
use crate::program::{Failure, cargo};
use crate::setup;

/// A test that is also run long, and what it hears.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    /// Where the test is, and which.
    test: [&'static str; 2],
    /// What there is a number of: the argument and the variable that say it, and how many are many.
    counted: (&'static str, &'static str, u64),
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "reload",
        test: [BEHAVIOUR, "a_thousand_edits_lose_nothing::"],
        counted: ("--edits", "ORION_DRILL_EDITS", 1_000),
    },
    Kind {
        name: "crash",
        test: [BEHAVIOUR, "a_thousand_crashes_lose_nothing::"],
        counted: ("--kills", "ORION_DRILL_KILLS", 1_000),
    },
    Kind {
        name: "faults",
        test: [BEHAVIOUR, "a_day_of_faults_loses_nothing::hosts_that_share"],
        counted: MINUTES_OF_A_DAY,
    },
    Kind {
        name: "faults-embedded",
        test: [BEHAVIOUR, "a_day_of_faults_loses_nothing::a_host_with"],
        counted: MINUTES_OF_A_DAY,
    },
    Kind {
        name: "leases",
        test: ["--lib", "lease::exploration::all_of_it_may_happen"],
        counted: ("--lives", "ORION_DRILL_LIVES", 7),
    },
];

const BEHAVIOUR: &str = "--test=behaviour";

const MINUTES_OF_A_DAY: (&str, &str, u64) = ("--minutes", "ORION_DRILL_MINUTES", 1_440);

const SEED_VARIABLE: &str = "ORION_DRILL_SEED";

/// What a drill is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Drill {
    kind: &'static Kind,
    times: u64,
    seed: u64,
}

/// Runs the drill that the arguments name.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let Drill { kind, times, seed } = read(arguments, clock_seed())?;
    setup::lab()?;
    let [place, name] = kind.test;
    let test = ["test", "--workspace", "--features", CRASH_POINTS, place, name, "--", "--nocapture"];
    let test = cargo(test).env(kind.counted.1, &times.to_string());
    test.env(SEED_VARIABLE, &seed.to_string()).run()
}

fn read(arguments: &[String], default_seed: u64) -> Result<Drill, Failure> {
    let unexpected = |argument: &str| Failure::UnexpectedArgument("drill", argument.to_owned());
    let Some((name, rest)) = arguments.split_first() else {
        let names = KINDS.map(|kind| format!("`cargo xtask drill {}`", kind.name)).join(" or ");
        return Err(Failure::Missing(format!("`drill` needs to know which: {names}")));
    };
    let kind = KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| unexpected(name))?;
    let (counted, _, many) = kind.counted;
    let mut drill = Drill { kind, times: many, seed: default_seed };
    let mut words = rest.iter();
    while let Some(name) = words.next() {
        let value = words.next().and_then(|value| value.parse().ok()).ok_or_else(|| unexpected(name))?;
        match name.as_str() {
            "--seed" => drill.seed = value,
            name if name == counted => drill.times = value,
            _ => return Err(unexpected(name)),
        }
    }
    Ok(drill)
}

/// Another seed each time: the test prints it, so that what it found can be found again.
fn clock_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<(&'static str, u64, u64), String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let drill = read(&arguments, 7).map_err(|failure| failure.to_string())?;
        Ok((drill.kind.name, drill.times, drill.seed))
    }

    #[test]
    fn a_drill_is_named_and_its_length_and_seed_may_be_given() {
        assert_eq!(asked(&["reload"]), Ok(("reload", 1_000, 7)));
        assert_eq!(asked(&["reload", "--seed", "3", "--edits", "50"]), Ok(("reload", 50, 3)));
        assert_eq!(asked(&["crash", "--kills", "9"]), Ok(("crash", 9, 7)));
        assert_eq!(asked(&["faults"]), Ok(("faults", 1_440, 7)));
        assert_eq!(asked(&["leases", "--lives", "2"]), Ok(("leases", 2, 7)));
        assert_eq!(asked(&["faults-embedded", "--minutes", "60"]), Ok(("faults-embedded", 60, 7)));
        let wrong: [(&[&str], &str); 4] = [
            (&["flood"], "`flood`"),
            (&["reload", "--edits"], "`--edits`"),
            (&["crash", "--edits", "5"], "`--edits`"),
            (&[], "drill crash"),
        ];
        for (wrong, told) in wrong {
            assert!(asked(wrong).unwrap_err().contains(told), "{wrong:?}");
        }
    }
}
