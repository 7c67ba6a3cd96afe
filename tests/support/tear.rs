//! Files as a crash may leave them.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::Deployment;
use super::dice::Dice;

/// What happens to the files that people read, between two runs.
#[derive(Clone, Copy, Debug)]
pub enum Tear {
    /// The end was never written.
    Cut,
    /// Half a line was.
    HalfALine,
    /// The file had grown, and what should be there had not been written.
    Zeros,
    /// Somebody deleted it.
    Deleted,
    /// The hint of how far the files have come was torn.
    Hint,
    /// Or is gone.
    NoHint,
}

impl Tear {
    pub const ALL: [Self; 6] = [Self::Cut, Self::HalfALine, Self::Zeros, Self::Deleted, Self::Hint, Self::NoHint];

    /// A crash tears no more than the lines that were written last.
    const MOST_TORN_BYTES: usize = 8_000;

    /// Does it to files of a host that does not run.
    pub fn tear(self, deployment: &Deployment, dice: &mut Dice) {
        let name = dice.one_of(&["events", "incidents", "decisions"]);
        let (file, hint) = (deployment.path(&format!("memory/{name}.jsonl")), deployment.path("memory/projected"));
        let length = |path: &Path| path.metadata().map_or(0, |metadata| usize::try_from(metadata.len()).unwrap());
        let bytes = dice.below(length(&file).min(Self::MOST_TORN_BYTES) + 1);
        match self {
            Self::Cut => cut(&file, length(&file) - bytes),
            Self::HalfALine => {
                append(&file, &br#"{"seq":18446744073709551615,"schema":"orion.event/1","event_id":"#[..1 + bytes % 60])
            }
            Self::Zeros => append(&file, &vec![0; bytes]),
            Self::Deleted => std::fs::remove_file(&file).unwrap_or_default(),
            Self::Hint => cut(&hint, length(&hint) / 2),
            Self::NoHint => std::fs::remove_file(&hint).unwrap_or_default(),
        }
    }
}

fn cut(path: &Path, length: usize) {
    if let Ok(file) = File::options().write(true).open(path) {
        file.set_len(length as u64).unwrap();
    }
}

fn append(path: &Path, bytes: &[u8]) {
    if let Ok(mut file) = File::options().append(true).open(path) {
        // On a full disk less is torn.
        let _ = file.write_all(bytes);
    }
}
