//! Why a process is not confined although that was required.

use crate::kernel::Missing;

/// A start that must not be.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel, or what lies between it and this process, cannot.
    #[error("{}", impossible(.0))]
    Impossible(Vec<Missing>),
}

fn impossible(missing: &[Missing]) -> String {
    let mut text =
        "this process cannot be confined here, and `--confinement require` starts it in no other way:\n".to_owned();
    for what in missing {
        text.push_str(&format!("  - {what}\n"));
    }
    text.push_str(
        "It needs Linux 6.7 or newer that boots with landlock, and a container or service that lets landlock_* and seccomp\n\
         through. `--confinement auto` starts with what can be had and says what cannot.",
    );
    text
}
