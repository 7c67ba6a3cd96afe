//! Owners and what they remember, between a host's own file and the server: whole, where the log does not carry it.
//!
//! What is taken over from the server follows from records that the file may not hold yet. Until it does, that lies beside what the
//! file knew when it was whole: should the server lose everything in between, the owners that go with the records of the file are
//! those of then. An owner ahead of its records would never say again what only the server had.

use redis::RedisResult;

use super::core::{Core, Trouble, away};
use super::script::{eval, load_unknown, names};
use super::{Place, REDIS_OWNERS, Whose};
use crate::error::BusError;
use crate::record::{Loaded, Replicated, StateChange};
use crate::{Bus as _, LOCAL_OWNERS};

/// What the names of owners begin with in the host's own file that are kept aside.
const STAGED_OWNERS: &str = "redis/staged/";

impl Core {
    /// Keeps aside what the server has of owners, where the file is not where the log goes on from: it knows less, or what the server
    /// has lost. From the log alone it would learn only what changes from now on, and a host that brought the rest to the next
    /// empty server would bring what never was.
    ///
    /// All of it is of one server process, `run`. One that is emptied meanwhile has no owners, and one that another host has filled has those
    /// which that one knew: taken for what there is they would be all that is left.
    pub(super) async fn copy_owners(&self, run: &str) -> Result<(), Trouble> {
        let lost = || Trouble::Away("it lost everything while owners were taken over from it".to_owned());
        let names = names(&self.link, &self.keys, run).await.map_err(|error| away(&error))?.ok_or_else(lost)?;
        let before = self.mirror.owners(STAGED_OWNERS).await.map_err(Trouble::Refused)?;
        self.mirror.disown(before).await.map_err(Trouble::Refused)?;
        for name in names {
            let Some(owner) = self.local_name(&name) else { continue };
            let loaded = load_unknown(&self.link, &self.keys, &name, run).await.map_err(|error| away(&error))?;
            let (Some(offset), state) = loaded.ok_or_else(lost)? else { continue };
            let copied = all_of(self.name_in_file(owner), offset, state);
            self.mirror.replicate(vec![copied]).await.map_err(Trouble::Refused)?;
        }
        Ok(())
    }

    /// How an owner of which the log speaks is called in the file now. What only one host commits is not kept aside: its own host
    /// knows best what that is.
    pub(super) fn name_in_file(&self, owner: &str) -> String {
        match self.are_owners_staged() && self.place(owner).whose != Whose::Own {
            true => format!("{STAGED_OWNERS}{owner}"),
            false => owner.to_owned(),
        }
    }

    /// The file holds the records: what was kept aside of owners is what they are.
    pub(super) async fn adopt_staged(&self) -> Result<(), BusError> {
        let staged = self.mirror.owners(STAGED_OWNERS).await?;
        // It was done, and a crash came before that was noted. Nothing kept aside does not mean that there is nothing.
        if staged.is_empty() {
            return Ok(());
        }
        let mut adopted = Vec::new();
        for name in &staged {
            let Loaded { offset: Some(offset), state } = self.mirror.load(name).await? else { continue };
            adopted.push(all_of(name.strip_prefix(STAGED_OWNERS).unwrap_or(name).to_owned(), offset, state));
        }
        let is_adopted = |owner: &String| adopted.iter().any(|one| one.owner.as_ref() == Some(owner));
        let of_all = self.mirrored_owners().await?.into_iter().filter(|(_, place)| place.whose != Whose::Own);
        let gone: Vec<String> = of_all.map(|(owner, _)| owner).filter(|owner| !is_adopted(owner)).collect();
        // A crash in between leaves what was kept aside, and it is done again.
        self.mirror.replicate(adopted).await?;
        self.mirror.disown(gone.into_iter().chain(staged).collect()).await
    }

    /// Brings what only one host commits, and what all of them do, where the server has less of it: nobody does again what is between.
    /// Without this the next commit would follow from one that is not there, or another host that died would not know what it had said
    /// last.
    pub(super) async fn bring_own_owners(&self) -> Result<(), Trouble> {
        for (owner, place) in self.mirrored_owners().await.map_err(Trouble::Refused)? {
            if !matches!(place.whose, Whose::Holder(_)) && !place.reads_log {
                self.bring(&owner, &place, true).await?;
            }
        }
        Ok(())
    }

    /// Brings what the host that filled the server did not know: owners that began a moment before. Who reads the log begins again: its
    /// state speaks of positions that are gone.
    pub(super) async fn bring_missing_owners(&self) -> Result<(), Trouble> {
        for (owner, place) in self.mirrored_owners().await.map_err(Trouble::Refused)? {
            if matches!(place.whose, Whose::Holder(_)) && !place.reads_log {
                self.bring(&owner, &place, false).await?;
            }
        }
        Ok(())
    }

    /// Brings an owner as this host's file has it. Where the server knows it nothing changes, or what is there and lower gives way.
    async fn bring(&self, owner: &str, place: &Place, gives_way: bool) -> Result<(), Trouble> {
        let name = self.server_name(owner, place);
        let Loaded { offset: Some(offset), state } = self.mirror.load(owner).await.map_err(Trouble::Refused)? else {
            return Ok(());
        };
        let there: RedisResult<Option<i64>> =
            redis::cmd("HGET").arg(&self.keys.owners).arg(&name).query_async(&mut self.link.clone()).await;
        // Looked at before all of its state is sent.
        if there.map_err(|error| away(&error))?.is_some_and(|there| !gives_way || there >= offset) {
            return Ok(());
        }
        let keys = [&self.keys.meta, &self.keys.log, &self.keys.owners, &self.keys.state(&name)];
        let mut command = eval(include_str!("bring.lua"), &keys);
        command.arg(&name).arg(offset).arg(u8::from(gives_way)).arg(&*self.met());
        for (key, value) in state {
            command.arg(key).arg(value);
        }
        let answer: RedisResult<Vec<String>> = command.query_async(&mut self.link.clone()).await;
        match answer.map_err(|error| away(&error))?.first().map(String::as_str) {
            Some("OK") => Ok(()),
            _ => Err(Trouble::Away("it lost everything while owners were brought to it".to_owned())),
        }
    }

    /// The owners of the deployment that this host's file knows: not those that are about the file.
    pub(super) async fn mirrored_owners(&self) -> Result<Vec<(String, Place)>, BusError> {
        let owners = self.mirror.owners("").await?.into_iter();
        let of_deployment = owners.filter(|owner| !owner.starts_with(REDIS_OWNERS) && !owner.starts_with(LOCAL_OWNERS));
        Ok(of_deployment.map(|owner| (owner.clone(), self.place(&owner))).collect())
    }
}

/// An owner as it is at one moment, whatever the file knew of it.
fn all_of(owner: String, offset: i64, state: Vec<(Vec<u8>, Vec<u8>)>) -> Replicated {
    let puts = state.into_iter().map(|(key, value)| StateChange::Put { key, value });
    Replicated {
        owner: Some(owner),
        offset: Some(offset),
        records: Vec::new(),
        state: std::iter::once(StateChange::Clear).chain(puts).collect(),
    }
}
