//! One filling of an empty server, step by step. It takes many commands, and between two of them the server may be emptied, be started
//! again without its last writes, or be filled by another host that has waited long enough. What is then brought would stand in a
//! deployment that lacks the rest: owners that nobody knows begin anew. So every step, the last one too, is done by a script that first
//! looks whether all is as it was when this host took the lock.

use redis::{Cmd, FromRedisValue, RedisResult, ToRedisArgs, Value};

use super::core::{Core, Trouble, away};
use super::script::{eval, unexpected};

/// How long a host that fills a server may do nothing before another one tries.
const STANDSTILL_MILLIS: u64 = 60_000;

/// The filling that this host has begun.
pub(super) struct Filling<'a> {
    core: &'a Core,
    lock: String,
}

/// Who fills the server.
pub(super) enum Claim<'a> {
    /// This host.
    Ours(Filling<'a>),
    /// Another one.
    Held,
    /// Nobody: a deployment lives there by now.
    Known,
}

impl<'a> Filling<'a> {
    /// Begins, where no other host has. `offer` is what the empty server said it is.
    pub(super) async fn claim(core: &'a Core, offer: &str) -> Result<Claim<'a>, Trouble> {
        let lock = lock_of(core.node(), offer);
        let mut claim = eval(include_str!("claim.lua"), &[&core.keys.founding, &core.keys.meta]);
        claim.arg(&lock).arg(STANDSTILL_MILLIS);
        match answer(core, &claim).await.map_err(|error| away(&error))?.as_str() {
            "OK" => Ok(Claim::Ours(Self { core, lock })),
            "HELD" => Ok(Claim::Held),
            "KNOWN" => Ok(Claim::Known),
            _ => Err(away(&unexpected("who fills the server"))),
        }
    }

    /// Does one command on these keys.
    pub(super) async fn write(
        &self,
        command: &str,
        keys: &[String],
        arguments: impl ToRedisArgs + Sync,
    ) -> Result<(), Trouble> {
        let locked = [&self.core.keys.founding, &self.core.keys.meta];
        let keys: Vec<&String> = locked.into_iter().chain(keys).collect();
        let mut fill = eval(concat!(include_str!("founder.lua"), include_str!("fill.lua")), &keys);
        fill.arg(&self.lock).arg(STANDSTILL_MILLIS).arg(command).arg(arguments);
        self.step(&fill).await
    }

    /// Lets go of these keys.
    pub(super) async fn remove(&self, keys: &[String]) -> Result<(), Trouble> {
        let no_arguments: &[&str] = &[];
        self.write("UNLINK", keys, no_arguments).await
    }

    /// Says that a deployment lives there, with the arguments of the script behind the lock, and ends.
    pub(super) async fn finish(self, arguments: &[String]) -> Result<(), Trouble> {
        let keys = &self.core.keys;
        let keys = [&keys.founding, &keys.meta, &keys.log, &keys.breaks, &keys.founded_log];
        let mut finish = eval(concat!(include_str!("founder.lua"), include_str!("found.lua")), &keys);
        finish.arg(&self.lock).arg(arguments);
        self.step(&finish).await
    }

    /// Ends with nothing said. Another host need not wait.
    pub(super) async fn give_up(self) {
        let lock = [self.core.keys.founding.clone()];
        // Where that does not succeed, it ends by itself.
        let _ = self.remove(&lock).await;
    }

    async fn step(&self, command: &Cmd) -> Result<(), Trouble> {
        match answer(self.core, command).await.map_err(|error| away(&error))?.as_str() {
            "OK" => Ok(()),
            "LOST" => Err(Trouble::Away("it lost what it was filled with before that was all".to_owned())),
            _ => Err(away(&unexpected("a step of a filling"))),
        }
    }
}

async fn answer(core: &Core, command: &Cmd) -> RedisResult<String> {
    let answer: Vec<Value> = command.query_async(&mut core.link.clone()).await?;
    Ok(String::from_redis_value(answer.into_iter().next().unwrap_or(Value::Nil))?)
}

fn lock_of(node: &str, offer: &str) -> String {
    format!("{node} {offer}")
}

/// The host that has taken a lock.
pub(super) fn founder_of(lock: &str) -> &str {
    lock.rsplit_once(' ').map_or(lock, |(node, _)| node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_tells_its_host_whatever_that_is_called() {
        for node in ["one", "a host of many words", ""] {
            assert_eq!(founder_of(&lock_of(node, "0123abcd//1795929273.888408")), node);
        }
    }
}
