//! Files and TCP ports: landlock's part.
//!
//! Everything landlock knows is handled, so that all of it is refused, and then little is allowed. What an older kernel does
//! not know is left out; [`crate::Kernel::missing`] says what that means.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, RestrictSelfAttr, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope, path_beneath_rules,
};

use crate::policy::Policy;

/// Lays the policy over this thread and all that it starts; why not, when the kernel does not take it.
pub(crate) fn restrict(policy: &Policy) -> Result<(), String> {
    let failed = |error: landlock::RulesetError| error.to_string();
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    rules = rules.add_rules(path_beneath_rules(policy.readable(), reading())).map_err(failed)?;
    for dir in policy.writable() {
        let folder = PathFd::new(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        rules = rules.add_rule(PathBeneath::new(folder, reading() | writing())).map_err(failed)?;
    }
    for port in policy.ports() {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(failed)?;
    }
    rules.all_threads(true).and_then(|rules| rules.restrict_self()).map_err(failed)?;
    Ok(())
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Plain files and folders: no devices, no sockets, no links.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}
