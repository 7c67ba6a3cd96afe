//! Owners and what they remember, between a host's own file and the server: whole, where the log does not carry it.

use redis::{RedisResult, Value};

use super::core::{Core, Trouble, away};
use super::script::{eval, load_unknown};
use super::{Place, REDIS_OWNERS, Whose};
use crate::record::{Loaded, Replicated, StateChange};
use crate::{Bus as _, LOCAL_OWNERS};

impl Core {
    /// Makes the owners in this host's file what the server has, where the file is not where the log goes on from: it knows less,
    /// or what the server has lost. From the log alone it would learn only what changes from now on, and a host that brought
    /// the rest to the next empty server would bring what never was.
    pub(super) async fn copy_owners(&self) -> Result<(), Trouble> {
        let names: Vec<String> = redis::cmd("HKEYS")
            .arg(&self.keys.owners)
            .query_async(&mut self.link.clone())
            .await
            .map_err(|error| away(&error))?;
        self.disown_unknown(&names).await?;
        for name in names {
            let Some(owner) = self.local_name(&name) else { continue };
            let loaded = load_unknown(&self.link, &self.keys, &name).await.map_err(|error| away(&error))?;
            let Some((Some(offset), state)) = loaded else { continue };
            let puts = state.into_iter().map(|(key, value)| StateChange::Put { key, value });
            let copied = Replicated {
                owner: Some(owner.to_owned()),
                offset: Some(offset),
                records: Vec::new(),
                state: std::iter::once(StateChange::Clear).chain(puts).collect(),
            };
            self.mirror.replicate(vec![copied]).await.map_err(Trouble::Refused)?;
        }
        Ok(())
    }

    async fn disown_unknown(&self, names: &[String]) -> Result<(), Trouble> {
        let mut unknown = self.mirrored_owners().await?;
        // A host's own may be known to its file alone.
        unknown.retain(|(owner, place)| place.whose != Whose::Own && !names.contains(owner));
        match unknown.is_empty() {
            true => Ok(()),
            false => {
                let unknown = unknown.into_iter().map(|(owner, _)| owner).collect();
                self.mirror.disown(unknown).await.map_err(Trouble::Refused)
            }
        }
    }

    /// Brings what only one host commits, and what all of them do, where the server has less of it: nobody does again what is between.
    /// Without this the next commit would follow from one that is not there, or another host that died would not know what it had said
    /// last.
    pub(super) async fn bring_own_owners(&self) -> Result<(), Trouble> {
        for (owner, place) in self.mirrored_owners().await? {
            if !matches!(place.whose, Whose::Holder(_)) && !place.reads_log {
                self.bring(&owner, &place, true).await?;
            }
        }
        Ok(())
    }

    /// Brings what the host that filled the server did not know: owners that began a moment before. Who reads the log begins again: its
    /// state speaks of positions that are gone.
    pub(super) async fn bring_missing_owners(&self) -> Result<(), Trouble> {
        for (owner, place) in self.mirrored_owners().await? {
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
        command.arg(&name).arg(offset).arg(u8::from(gives_way));
        for (key, value) in state {
            command.arg(key).arg(value);
        }
        command.query_async::<Value>(&mut self.link.clone()).await.map(drop).map_err(|error| away(&error))
    }

    /// The owners of the deployment that this host's file knows: not those that are about the file.
    pub(super) async fn mirrored_owners(&self) -> Result<Vec<(String, Place)>, Trouble> {
        let owners = self.mirror.owners("").await.map_err(Trouble::Refused)?.into_iter();
        let of_deployment = owners.filter(|owner| !owner.starts_with(REDIS_OWNERS) && !owner.starts_with(LOCAL_OWNERS));
        Ok(of_deployment.map(|owner| (owner.clone(), self.place(&owner))).collect())
    }
}
