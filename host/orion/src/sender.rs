//! Who sends something to a running Orion, and which one that is: a rule set, a mark, a job.
//!
//! Where Orion knows who issues tokens, the token says who sends, and a name beside it is no better than the token: one that contradicts
//! is refused there. So where a token goes along, no name does unless somebody gives one.

use clap::Args;

use crate::arguments::{ListenArgs, Output};
use crate::cli::Failure;
use crate::remote::{Remote, RemoteArgs};

/// Variables in which systems keep the name of who is logged in.
const USER_VARIABLES: [&str; 2] = ["USER", "LOGNAME"];

/// Which Orion is asked.
#[derive(Args, Clone)]
pub struct There {
    #[command(flatten)]
    pub remote: RemoteArgs,
    #[command(flatten)]
    pub listen: ListenArgs,
}

impl There {
    /// It.
    pub fn remote(&self) -> Result<Remote, Failure> {
        Remote::of(&self.remote, &self.listen)
    }
}

/// Who sends, where to, and how the answer looks.
#[derive(Args)]
pub struct SenderArgs {
    /// Who you are, where no token says so [default: the name you are logged in by]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub there: There,
    /// How it is printed [default: table on a terminal, ndjson elsewhere]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

impl SenderArgs {
    /// The name that goes along; none where a token says who it is and nobody gave one.
    pub fn by(&self) -> Result<Option<String>, Failure> {
        match self.there.remote.token_file.is_some() {
            true => Ok(self.by.clone()),
            false => self.name().map(Some),
        }
    }

    /// The name of who is here, by which nothing but this machine vouches.
    pub fn name(&self) -> Result<String, Failure> {
        self.by.clone().map_or_else(user, Ok)
    }
}

/// Who is logged in.
fn user() -> Result<String, Failure> {
    let named = USER_VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    named.ok_or_else(|| Failure::Configuration("nobody is logged in by a name: say who you are with --by".to_owned()))
}
