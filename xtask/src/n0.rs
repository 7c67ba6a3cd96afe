//! The proof that the deployed binary starts no process. Lints forbid it in our own code; this looks at what was linked, so
//! that a dependency cannot bring it in either.

use std::path::Path;

use crate::program::{Failure, program};
use crate::{release_check, released};

/// How a program on Linux starts another: the functions of the C library.
const STARTERS: [&str; 14] = [
    "execl", "execle", "execlp", "execv", "execve", "execveat", "execvp", "execvpe", "fexecve", "fork", "vfork",
    "system", "popen", "wordexp",
];

/// And a family of them.
const SPAWN: &str = "posix_spawn";

/// What the C library puts before names that are its own.
const OWN_PREFIXES: [&str; 4] = ["__libc_", "_IO_", "__", "_"];

/// Symbols that a static binary which parses names and starts threads cannot be without. Where they are not seen, nothing is proven.
const SEEN_IN_ANY: [&str; 2] = ["pthread_create", "getaddrinfo"];

/// Of orion as it is released.
pub fn check() -> Result<(), Failure> {
    check_built(&released::build()?)
}

/// Looks at what is in a static orion, and tries it where it is deployed. In one that is not optimised is also what an optimisation would
/// leave out.
pub fn check_built(orion: &Path) -> Result<(), Failure> {
    starts_nothing(orion)?;
    eprintln!("There is nothing in orion that starts a process.");
    release_check::check(orion)
}

/// The binary is static: whatever it could call is in it.
fn starts_nothing(orion: &Path) -> Result<(), Failure> {
    let imports = program("nm").args(["-D", "--undefined-only"]).args([orion]).output()?;
    let symbols = program("nm").args([orion]).output()?;
    if let Some(missing) = SEEN_IN_ANY.iter().find(|name| !names(&symbols).any(|symbol| symbol == **name)) {
        let what =
            format!("`nm {}` does not show `{missing}`: the binary is stripped, or no static one", orion.display());
        return Err(Failure::Missing(what));
    }
    let found: Vec<&str> = starters(&symbols).chain(starters(&imports)).collect();
    if found.is_empty() { Ok(()) } else { Err(Failure::Acts(found.join(", "))) }
}

/// Names in what `nm` printed: `U execvp@GLIBC_2.2.5` is one, and `0000000000001000 T execvp`.
fn names(printed: &str) -> impl Iterator<Item = &str> {
    let name = |line| str::split_whitespace(line).next_back()?.split('@').next();
    printed.lines().filter_map(name)
}

/// Those that start processes.
fn starters(printed: &str) -> impl Iterator<Item = &str> {
    names(printed).filter(|name| {
        let bare = OWN_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let bare = bare.to_ascii_lowercase();
        STARTERS.contains(&bare.as_str()) || bare.starts_with(SPAWN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(printed: &str) -> Vec<&str> {
        starters(printed).collect()
    }

    #[test]
    fn whatever_starts_a_process_is_found_whether_it_is_linked_in_or_imported() {
        let imported = "                 U close@GLIBC_2.2.5\n                 U execvp@GLIBC_2.2.5\n\
                        \x20                w posix_spawn_file_actions_addchdir\n                 U vfork\n";
        assert_eq!(found(imported), ["execvp", "posix_spawn_file_actions_addchdir", "vfork"]);
        let linked = "0000000000001000 T close\n0000000000001000 W execve\n0000000000001000 T __libc_fork\n\
                      0000000000001000 t _Fork\n0000000000001000 T __execve\n0000000000001000 T _IO_popen\n";
        assert_eq!(found(linked), ["execve", "__libc_fork", "_Fork", "__execve", "_IO_popen"]);
    }

    #[test]
    fn what_only_sounds_alike_is_not() {
        assert_eq!(found("  U pthread_atfork@GLIBC_2.34\n  U sysconf@GLIBC_2.2.5\n  w __gmon_start__\n\n"), [""; 0]);
        // The locks around a fork, if there were one; what unwinds a stack; SQLite.
        let linked = "0000000000001000 t __malloc_fork_lock_parent\n0000000000001000 t execute_stack_op\n\
                      0000000000001000 t __nss_database_fork_prepare_parent\n0000000000001000 t execSql\n";
        assert_eq!(found(linked), [""; 0]);
    }
}
