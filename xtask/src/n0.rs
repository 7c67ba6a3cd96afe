//! The proof that the deployed binary starts no process. Lints forbid it in our own code; this looks at what was linked, so
//! that a dependency cannot bring it in either.

use crate::program::{Failure, cargo, program};
use crate::target;

/// How a program on Linux starts another through its C library.
const STARTERS: [&str; 8] = ["exec", "fexec", "fork", "vfork", "posix_spawn", "system", "popen", "wordexp"];

/// Builds orion as it is released and looks at what it imports.
pub fn check() -> Result<(), Failure> {
    cargo(["build", "--release", "--package", "orion"]).run()?;
    let orion = target::folder()?.join("release").join("orion");
    let imports = program("nm").args(["-D", "--undefined-only"]).args([orion]).output()?;
    let found = starters(&imports);
    if !found.is_empty() {
        return Err(Failure::Acts(found.join(", ")));
    }
    eprintln!("orion imports nothing that starts a process.");
    Ok(())
}

/// The imports in what `nm` printed that start processes: `U execvp@GLIBC_2.2.5` is one.
fn starters(imports: &str) -> Vec<&str> {
    let name = |line| str::split_whitespace(line).next_back()?.split('@').next();
    imports.lines().filter_map(name).filter(|name| STARTERS.iter().any(|starter| name.starts_with(starter))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_starts_a_process_is_found() {
        let printed = "                 U close@GLIBC_2.2.5\n                 U execvp@GLIBC_2.2.5\n\
                       \x20                w posix_spawn_file_actions_addchdir\n                 U vfork\n";
        assert_eq!(starters(printed), ["execvp", "posix_spawn_file_actions_addchdir", "vfork"]);
    }

    #[test]
    fn what_only_sounds_alike_is_not() {
        assert_eq!(starters("  U pthread_atfork@GLIBC_2.34\n  U sysconf@GLIBC_2.2.5\n  w __gmon_start__\n\n"), [""; 0]);
    }
}
