//! How far the projection has come, when the last lines of the files cannot tell: a bus of a million events and no
//! decision leaves `decisions.jsonl` empty, and without this every start would read all of it again.
//!
//! Only a hint. It is written after the files were synced, so it never says too much; when it is missing, torn or of other
//! files, the files' own last lines count.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::MemoryError;

/// The hint's name in the memory folder.
const PROGRESS_FILE: &str = "projected";

/// Four numbers and a hash have fewer bytes; whatever else lies in the file is not read.
const MAX_PROGRESS_BYTES: u64 = 256;

/// The hint, open for writing.
pub(super) struct Progress {
    file: File,
    path: PathBuf,
    told: Told,
}

/// "When the files' last records were these, they held everything up to the position."
#[derive(Clone, Copy, Default)]
struct Told {
    position: u64,
    last_seqs: [u64; 3],
}

impl Progress {
    pub(super) fn open(memory_dir: &Path) -> Result<Self, MemoryError> {
        let path = memory_dir.join(PROGRESS_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(MemoryError::io("open", &path))?;
        let mut text = String::new();
        let told = match (&file).take(MAX_PROGRESS_BYTES).read_to_string(&mut text) {
            Ok(_) => parse(&text).unwrap_or_default(),
            Err(_) => Told::default(),
        };
        Ok(Self { file, path, told })
    }

    /// Up to where all files hold everything, given the last record of each. A file that has lost lines since is not
    /// covered by the hint: it counts from its own last line.
    pub(super) fn resume_after(&self, last_seqs: [u64; 3]) -> u64 {
        let told = last_seqs.iter().zip(self.told.last_seqs);
        let complete = told.map(|(last, then)| if *last < then { *last } else { self.told.position.max(*last) });
        complete.min().unwrap_or(0)
    }

    pub(super) fn record(&mut self, position: u64, last_seqs: [u64; 3]) -> Result<(), MemoryError> {
        let [events, incidents, decisions] = last_seqs;
        let numbers = format!("{position} {events} {incidents} {decisions}");
        let line = format!("{numbers} b3:{}\n", blake3::hash(numbers.as_bytes()).to_hex());
        let rewrite = |file: &mut File| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(line.as_bytes())?;
            file.set_len(line.len() as u64)
        };
        rewrite(&mut self.file).map_err(MemoryError::io("write", &self.path))
    }
}

fn parse(text: &str) -> Option<Told> {
    let (numbers, hash) = text.strip_suffix('\n')?.rsplit_once(" b3:")?;
    if blake3::hash(numbers.as_bytes()).to_hex().as_str() != hash {
        return None;
    }
    let mut numbers = numbers.split(' ').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Told { position: next()?, last_seqs: [next()?, next()?, next()?] })
}
