//! What a server lost comes back from the hosts' own files: by ids, so that nothing comes twice, and at new positions, because the
//! old ones may be taken by then.

use std::time::Duration;

use redis::RedisResult;

use super::core::{Core, Stands, Trouble, away};
use super::history::History;
use super::wire::EntryId;
use super::{Place, Whose};
use crate::Bus as _;
use crate::body::Body;
use crate::record::{Commit, Entry, NewRecord};

/// Records that are given back in one step.
const BATCH: usize = 512;

/// Who gives records back: nobody's step.
pub(super) const RESTORED_OWNER: &str = "restored";

/// How long records wait for who has the work of their owner to come as far: for a takeover, and for catching up behind a long outage.
/// Behind that nobody has it any more, and what was accepted is not lost.
const HELD_BACK: Duration = Duration::from_secs(300);

/// How a commit stands to what the server has of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It follows from that.
    Whole,
    /// The owner is as far, on this way or another: what it recorded there is known by its ids.
    Passed,
    /// Something before it is missing.
    TooEarly,
}

/// A moment at which a server lost something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Break {
    /// The process that has lost it.
    pub(super) run: String,
    /// The last position that it had kept.
    pub(super) survived: u64,
    /// Positions go on behind this one.
    pub(super) resumed: u64,
    /// Whether all that it had kept was brought by a host: of the log what that host's file held then.
    pub(super) is_filled: bool,
}

impl Break {
    /// As the scripts write it: `RUN SURVIVED RESUMED`, and ` filled`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (run, survived, resumed) = (parts.next()?, parts.next()?, parts.next()?);
        let (survived, resumed) = (survived.parse().ok()?, resumed.parse().ok()?);
        Some(Self { run: run.to_owned(), survived, resumed, is_filled: parts.next() == Some("filled") })
    }

    /// Whether what stood at this position is gone.
    pub(super) fn took(&self, position: u64) -> bool {
        self.survived < position && position <= self.resumed
    }
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filled = if self.is_filled { " filled" } else { "" };
        write!(f, "{} {} {}{filled}", self.run, self.survived, self.resumed)
    }
}

/// The breaks that came after those of a known server process; all when it is not among them.
pub(super) fn breaks_since(run: Option<&str>, breaks: &[Break]) -> Vec<Break> {
    let known = breaks.iter().rposition(|one| Some(one.run.as_str()) == run);
    breaks.iter().skip(known.map_or(0, |at| at + 1)).cloned().collect()
}

/// A record of the log to be given again.
pub(super) fn as_new(entry: &Entry) -> NewRecord {
    NewRecord { kind: entry.kind, id: entry.id, ts: entry.ts, body: Body::stored(&entry.body) }
}

impl Core {
    /// Gives the server what it lost, the oldest first, because who reads one key reads it in this order: every record that this
    /// host's file holds of the positions that are gone, then the commits of this host which the file does not hold yet, whole
    /// where they still fit. What waits in the outbox is younger than all of it. A commit that follows from one that another host
    /// has yet to give, because the work went from there to here in between, is held back.
    /// It has come through `known` in all.
    pub(super) async fn give_back(&self, breaks: &[Break], known: &[Break]) -> Result<(), Trouble> {
        for lost in breaks {
            tracing::warn!(
                "Redis at {} lost what was behind position {}; this host gives back what it has of it",
                self.settings.server,
                lost.survived
            );
        }
        self.give_back_records(breaks, known).await?;
        self.give_back_unmirrored().await
    }

    /// The records of all losses together, and not of one after the other: a server that came back as of long ago lost a second time
    /// what is older than what it lost the first time.
    async fn give_back_records(&self, breaks: &[Break], known: &[Break]) -> Result<(), Trouble> {
        let history = History::of(&self.mirror, known).await.map_err(Trouble::Refused)?;
        let until = breaks.iter().map(|lost| lost.resumed).max().unwrap_or(0);
        let mut after = breaks.iter().map(|lost| lost.survived).min().unwrap_or(until);
        while after < until {
            let entries = history.read(after, BATCH).await.map_err(Trouble::Refused)?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            let are_lost = entries.iter().filter(|entry| breaks.iter().any(|lost| lost.took(entry.seq)));
            let records: Vec<_> = are_lost.map(as_new).collect();
            if !records.is_empty() {
                let commit = Commit { owner: RESTORED_OWNER.to_owned(), records, ..Commit::default() };
                self.give(&commit, &Place { whose: Whose::Own, reads_log: false }, true).await?;
            }
        }
        Ok(())
    }

    async fn give_back_unmirrored(&self) -> Result<(), Trouble> {
        let unmirrored = self.journal().unmirrored();
        for commit in unmirrored {
            match self.give_again(&commit, false).await? {
                Some(stands) => {
                    // It may be lost once more before this host's file holds it.
                    let entry = self.entry_to_wait_for(&stands);
                    self.journal().taken_again(&commit, entry);
                }
                None => self.journal().hold_back(&commit),
            }
        }
        Ok(())
    }

    /// Gives what was held back and need not be any more: its owner has come as far, or it took too long; at the end of the host all of
    /// it.
    pub(super) async fn give_held_back(&self, is_end: bool) -> Result<(), Trouble> {
        let held_back = self.journal().held_back();
        for (commit, since) in held_back {
            let is_forced = is_end || since.elapsed() >= HELD_BACK;
            let Some(stands) = self.give_again(&commit, is_forced).await? else { continue };
            let entry = self.entry_to_wait_for(&stands);
            let _turn = self.outbox.lock().await;
            let written = self.journal().to_drop_held_back(&commit);
            if let Some(written) = &written {
                self.mirror.commit(written.clone()).await.map_err(Trouble::Refused)?;
            }
            self.journal().drop_held_back(&commit, written.as_ref(), entry);
        }
        Ok(())
    }

    /// Gives a commit that the server does not have: whole where it still fits, or its records. `None` where they would come too early.
    async fn give_again(&self, commit: &Commit, is_forced: bool) -> Result<Option<Stands>, Trouble> {
        let place = self.place(&commit.owner);
        let is_records_only = match self.fit(commit, &place).await? {
            Fit::Whole => match self.give(commit, &place, false).await {
                // Another host has the work.
                Err(Trouble::Refused(_)) if !is_forced => return Ok(None),
                Err(Trouble::Refused(_)) => true,
                given => return given.map(Some),
            },
            Fit::TooEarly if !is_forced => return Ok(None),
            Fit::TooEarly | Fit::Passed => true,
        };
        self.give(commit, &place, is_records_only).await.map(Some)
    }

    /// How a commit that was refused, or is lost, stands to what the server has of its owner.
    pub(super) async fn fit(&self, commit: &Commit, place: &Place) -> Result<Fit, Trouble> {
        let name = self.server_name(&commit.owner, place);
        let found: RedisResult<Option<i64>> =
            redis::cmd("HGET").arg(&self.keys.owners).arg(name).query_async(&mut self.link.clone()).await;
        Ok(match found.map_err(|error| away(&error))? {
            Some(found) if found >= commit.offset => Fit::Passed,
            // The state of who reads the log speaks of positions that are gone. What it said comes again from the log.
            found if found == commit.expected && !place.reads_log => Fit::Whole,
            _ => Fit::TooEarly,
        })
    }

    /// A commit that one server process took, and that was noted here when another one had already been given back what was noted
    /// until then.
    pub(super) async fn give_back_if_forgotten(&self, met: &str) -> Result<(), Trouble> {
        if *self.met() == *met {
            return Ok(());
        }
        self.greet().await?;
        self.give_back_unmirrored().await
    }

    /// Up to which entry this host's own file has to hold the log for these records to be in it; `None` when they are.
    pub(super) fn entry_to_wait_for(&self, stands: &Stands) -> Option<EntryId> {
        // Those that were known already stand somewhere before.
        let last = stands.committed.positions.end.saturating_sub(1);
        stands.entry.or((last > self.mirrored()).then_some(EntryId { position: last, number: 0 }))
    }

    async fn give(&self, commit: &Commit, place: &Place, is_records_only: bool) -> Result<Stands, Trouble> {
        let given = self.send_once(commit, place, is_records_only).await?;
        given.ok_or_else(|| Trouble::Away("it loses everything while it is given back".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_reads_as_it_was_written_and_those_since_a_process_are_known() {
        let texts = ["a/1 5 1000005", "b/2 1000007 2000009 filled"];
        let breaks: Vec<_> = texts.iter().filter_map(|text| Break::read(text)).collect();
        assert_eq!(breaks.iter().map(Break::to_string).collect::<Vec<_>>(), texts);
        assert_eq!((breaks[0].took(5), breaks[0].took(6), breaks[0].took(1_000_006)), (false, true, false));
        assert_eq!(breaks_since(Some("a/1"), &breaks), breaks[1..]);
        assert_eq!(breaks_since(Some("b/2"), &breaks), []);
        assert_eq!(breaks_since(Some("before"), &breaks), breaks);
        assert_eq!(Break::read("a/1 5"), None);
    }
}
