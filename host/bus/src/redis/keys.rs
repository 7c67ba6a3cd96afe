//! The keys of a deployment. All are in one hash slot, so one script reaches all of them, on a Cluster, too.

/// Names of keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) prefix: String,
    /// Stream: every commit, in order.
    pub(super) log: String,
    /// Hash: `lineage`, `run`, `seq`, `trimmed`.
    pub(super) meta: String,
    /// Hash: owner → offset.
    pub(super) owners: String,
    /// Set: ids of records; the second one holds those of before.
    pub(super) ids: [String; 2],
    /// Hash: partition → token of who holds it.
    pub(super) leases: String,
    /// Hash: owner → offset, of owners that read the log.
    pub(super) readers: String,
    /// Hash: node → how far its file holds the log, and when it said so.
    pub(super) mirrors: String,
    /// Hash: node → what is known of it.
    pub(super) nodes: String,
    /// List: when the server lost something.
    pub(super) breaks: String,
    /// Lock: who fills an empty server.
    pub(super) founding: String,
    /// Stream: the log while a server is being filled, seen by nobody.
    pub(super) founded_log: String,
}

impl Keys {
    pub(super) fn of(prefix: &str) -> Self {
        let key = |name: &str| format!("{{{prefix}}}:{name}");
        Self {
            prefix: prefix.to_owned(),
            log: key("log"),
            meta: key("meta"),
            owners: key("owners"),
            ids: [key("ids"), key("ids:before")],
            leases: key("leases"),
            readers: key("readers"),
            mirrors: key("mirrors"),
            nodes: key("nodes"),
            breaks: key("breaks"),
            founding: key("founding"),
            founded_log: key("founding:log"),
        }
    }

    /// Hash: what an owner remembers.
    pub(super) fn state(&self, owner: &str) -> String {
        format!("{{{}}}:state:{owner}", self.prefix)
    }

    /// As the commit script wants them.
    pub(super) fn of_commit(&self, owner: &str) -> [String; 8] {
        let [ids, before] = self.ids.clone();
        let (log, meta, owners) = (self.log.clone(), self.meta.clone(), self.owners.clone());
        [log, meta, owners, self.state(owner), ids, before, self.leases.clone(), self.readers.clone()]
    }
}
