//! Drills: tests that are also run long, with the numbers of their run.

use crate::ci::CRASH_POINTS;
use crate::program::{Failure, cargo};
use crate::setup;

/// Edits of a long reload drill.
const EDITS: u64 = 1_000;

/// The test that is the reload drill, and what it hears.
const RELOAD: &str = "a_thousand_edits_lose_nothing::";
const EDITS_VARIABLE: &str = "ORION_DRILL_EDITS";
const SEED_VARIABLE: &str = "ORION_DRILL_SEED";

/// What a drill is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Reload {
    edits: u64,
    seed: u64,
}

/// Runs the drill that the arguments name.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let drill = read(arguments, clock_seed())?;
    setup::everything()?;
    let test = ["test", "--workspace", "--features", CRASH_POINTS, "--test", "behaviour", RELOAD, "--", "--nocapture"];
    let test = cargo(test).env(EDITS_VARIABLE, &drill.edits.to_string());
    test.env(SEED_VARIABLE, &drill.seed.to_string()).run()
}

fn read(arguments: &[String], default_seed: u64) -> Result<Reload, Failure> {
    let unexpected = |argument: &str| Failure::UnexpectedArgument("drill", argument.to_owned());
    let rest = match arguments.split_first() {
        Some((name, rest)) if name == "reload" => rest,
        Some((name, _)) => return Err(unexpected(name)),
        None => return Err(Failure::Missing("`drill` needs to know which: `cargo xtask drill reload`".to_owned())),
    };
    let mut drill = Reload { edits: EDITS, seed: default_seed };
    let mut words = rest.iter();
    while let Some(name) = words.next() {
        let value = words.next().and_then(|value| value.parse().ok()).ok_or_else(|| unexpected(name))?;
        match name.as_str() {
            "--edits" => drill.edits = value,
            "--seed" => drill.seed = value,
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

    fn asked(arguments: &[&str]) -> Result<Reload, String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        read(&arguments, 7).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_drill_is_named_and_its_length_and_seed_may_be_given() {
        assert_eq!(asked(&["reload"]), Ok(Reload { edits: EDITS, seed: 7 }));
        assert_eq!(asked(&["reload", "--seed", "3", "--edits", "50"]), Ok(Reload { edits: 50, seed: 3 }));
        for (wrong, told) in [(&["crash"][..], "`crash`"), (&["reload", "--edits"], "`--edits`"), (&[], "which")] {
            assert!(asked(wrong).unwrap_err().contains(told), "{wrong:?}");
        }
    }
}
