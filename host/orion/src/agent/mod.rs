//! `orion run --agent`: near a source that a control host does not reach, run the rules of a set that is kept there, and forward what they
//! see.

mod control;
mod keeper;
mod rules;
mod standing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use orion_model::{AgentName, BadAgentName, DEFAULT_SET, format_duration, is_set_name};
use orion_pipeline::forward::{Control, DEFAULT_BUFFER_MIB};
use orion_source::Destination;

use self::control::ControlHost;
pub use self::keeper::Keeper;
use self::rules::RulesFolder;
pub use self::standing::Standing;
use crate::arguments::duration;
use crate::cli::Failure;
use crate::deployment::{DeploymentArgs, host_name};
use crate::remote::{Remote, RemoteArgs};

/// How long an agent may be silent before that is said: a dozen of what it says every ten seconds, so that a restart of it is no silence.
pub const DEFAULT_SILENCE_MILLIS: i64 = 120_000;

/// The shortest time that can be taken for silence: three of what it says.
const MIN_SILENCE_MILLIS: i64 = 30_000;

/// Whether this host is an agent, and of whom.
#[derive(Args, Clone)]
pub struct AgentArgs {
    /// Be an agent: fetch the rules of a set from the control host at --url, run them here, and forward what they see
    #[arg(long, env = "ORION_AGENT__ENABLED")]
    pub agent: bool,
    #[command(flatten)]
    pub control: RemoteArgs,
    /// The rule set that an agent runs
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SET, value_parser = set_name, env = "ORION_AGENT__SET")]
    pub set: String,
    /// How much an agent keeps at most that waits to be forwarded, in MiB; then it evaluates nothing more until there is room
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_BUFFER_MIB, value_parser = clap::value_parser!(u64).range(1..=1_048_576), env = "ORION_AGENT__BUFFER_MIB")]
    pub buffer: u64,
    /// How long a control host hears nothing of an agent before it says so, and goes on without it
    #[arg(long, value_name = "DURATION", default_value = format_duration(DEFAULT_SILENCE_MILLIS), value_parser = silence, env = "ORION_AGENTS__SILENCE")]
    pub agent_silence: i64,
}

fn silence(text: &str) -> Result<i64, String> {
    match duration(text)? {
        millis if millis < MIN_SILENCE_MILLIS => {
            let least = format_duration(MIN_SILENCE_MILLIS);
            Err(format!("it must be {least} at least: agents say every ten seconds how it goes"))
        }
        millis => Ok(millis),
    }
}

fn set_name(text: &str) -> Result<String, String> {
    match is_set_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a set is named by letters, digits, `-` and `_`".to_owned()),
    }
}

/// Where the rules of an agent with this data folder lie.
pub fn rules_of_agent(data: &Path) -> PathBuf {
    data.join("set").join(rules::RULES)
}

/// An agent, before it starts. Tokens and certificate authorities have been read.
pub struct Agent {
    /// What it is called.
    pub name: AgentName,
    /// How much may wait.
    pub buffer_bytes: u64,
    /// How it goes with its control host.
    pub standing: Arc<Standing>,
    set: String,
    remote: Arc<Remote>,
    folder: RulesFolder,
}

impl AgentArgs {
    /// The agent, where this host is to be one.
    pub fn agent(
        &self,
        deployment: &DeploymentArgs,
        data: &Path,
        allow_plaintext: bool,
    ) -> Result<Option<Agent>, Failure> {
        let Some((name, remote)) = self.check(deployment, allow_plaintext)? else { return Ok(None) };
        let folder = RulesFolder::open(&data.join("set"))
            .map_err(|error| refused(&format!("the folder for its rules cannot be made: {error}")))?;
        Ok(Some(Agent {
            name,
            buffer_bytes: self.buffer.saturating_mul(1024 * 1024),
            standing: Arc::new(Standing::of(&self.set)),
            set: self.set.clone(),
            remote: Arc::new(remote),
            folder,
        }))
    }

    /// What an agent is called and where its control host is, where this host is to be one and all is there that it needs.
    pub fn check(
        &self,
        deployment: &DeploymentArgs,
        allow_plaintext: bool,
    ) -> Result<Option<(AgentName, Remote)>, Failure> {
        if !self.agent {
            return Ok(None);
        }
        if deployment.redis.server()?.is_some() {
            let why = "hosts that share a Redis are one deployment, and an agent is none of them: leave REDIS_URL and REDIS_HOST out";
            return Err(refused(why));
        }
        if self.control.url.is_none() {
            return Err(refused("where the control host serves is missing: --url or ORION_API_URL"));
        }
        let name = match &deployment.node_name {
            Some(name) => name.clone(),
            None => host_name()?,
        };
        let unfit =
            |error: BadAgentName| refused(&format!("`{name}`: {error}; --node-name or ORION_NODE_NAME gives it one"));
        let name: AgentName = name.parse().map_err(unfit)?;
        let remote = Remote::there(&self.control)?;
        if !remote.is_private() && !allow_plaintext {
            let why = "without https:// the token and all that is observed are there for everybody on the way: write https://, or, where \
                       something else encrypts it, --allow-plaintext";
            return Err(refused(&format!("{}: {why}", remote.address())));
        }
        Ok(Some((name, remote)))
    }
}

fn refused(why: &str) -> Failure {
    Failure::Configuration(format!("--agent: {why}"))
}

impl Agent {
    /// Where its rules lie, whichever they are.
    pub fn rules(&self) -> PathBuf {
        self.folder.rules()
    }

    /// What it writes besides its records.
    pub fn written(&self) -> &Path {
        self.folder.path()
    }

    /// Where the control host is.
    pub fn destination(&self) -> Option<Destination> {
        self.remote.destination()
    }

    /// Where the control host is, in words.
    pub fn control_address(&self) -> &str {
        self.remote.address()
    }

    /// Who takes what is seen.
    pub fn control(&self) -> Arc<dyn Control> {
        Arc::new(ControlHost::new(self.remote.clone(), &self.name))
    }
}
