//! How the audit trail is kept: when its files are closed, what is let go, who signs for it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use orion_model::format_duration;
use orion_pipeline::archive::ArchiveSettings;
use orion_pipeline::memory::retention::{Keep, MIN_KEEP_MILLIS};
use orion_trust::SecretKey;

use crate::arguments::duration;
use crate::cli::Failure;

/// How the audit trail is kept.
#[derive(Args, Clone)]
pub struct KeepArgs {
    #[command(flatten)]
    pub rotate: RotateArgs,
    /// For how long records are kept, in the store and in files, a day at least [default: for ever]
    #[arg(long, value_name = "DURATION", value_parser = keep, env = "ORION_MEMORY__KEEP")]
    pub keep: Option<i64>,
    /// How large the store may become, and how large all closed files together; the last day stays [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size, env = "ORION_MEMORY__KEEP_BYTES")]
    pub keep_bytes: Option<u64>,
    /// Sign the daily checkpoints of the audit trail with this secret ed25519 key (PEM)
    #[arg(long, value_name = "FILE", env = "ORION_MEMORY__CHECKPOINT_KEY")]
    pub checkpoint_key: Option<PathBuf>,
}

/// When files of the audit trail are closed.
#[derive(Args, Clone)]
pub struct RotateArgs {
    /// A file of the audit trail is closed when it has grown to this, and when its day is over
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size, env = "ORION_MEMORY__ROTATE_BYTES")]
    pub rotate_bytes: u64,
}

impl KeepArgs {
    /// What Memory is told. Reads the key. An agent keeps what its control host has for a day, where nothing else is said: what it keeps
    /// longer is what nobody has yet.
    pub fn settings(&self, of_agent: bool) -> Result<ArchiveSettings, Failure> {
        let load = |path: &PathBuf| {
            SecretKey::load(path)
                .map(Arc::new)
                .map_err(|why| Failure::Configuration(format!("the key {} cannot be used: {why}", path.display())))
        };
        let default = (of_agent && self.keep_bytes.is_none()).then_some(MIN_KEEP_MILLIS);
        Ok(ArchiveSettings {
            rotate_bytes: self.rotate.rotate_bytes,
            keep: Keep { millis: self.keep.or(default), bytes: self.keep_bytes },
            checkpoint_key: self.checkpoint_key.as_ref().map(load).transpose()?,
        })
    }
}

fn keep(text: &str) -> Result<i64, String> {
    match duration(text)? {
        millis if millis < MIN_KEEP_MILLIS => Err(format!(
            "it must be {} at least: within it records may be asked for again",
            format_duration(MIN_KEEP_MILLIS)
        )),
        millis => Ok(millis),
    }
}

/// Units of sizes, as powers of 1024.
const UNITS: [(&str, u32); 5] = [("KiB", 1), ("MiB", 2), ("GiB", 3), ("TiB", 4), ("B", 0)];

/// A number of bytes that is not nothing: `64MiB`, `10GiB`, or plain bytes.
fn size(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find_map(|(unit, power)| Some((text.strip_suffix(unit)?, *power)));
    let (number, power) = unit.unwrap_or((text, 0));
    let bytes =
        number.trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(1024_u64.checked_pow(power)?));
    match bytes {
        None => Err("write it as 512KiB, 64MiB, 10GiB or as a number of bytes".to_owned()),
        Some(0) => Err("it must be more than nothing".to_owned()),
        Some(bytes) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_units_or_plain_bytes() {
        assert_eq!(size("64MiB"), Ok(64 * 1024 * 1024));
        assert_eq!((size("10 GiB"), size("7"), size("7B")), (Ok(10 * 1024 * 1024 * 1024), Ok(7), Ok(7)));
        for wrong in ["", "0", "0GiB", "-1", "64MB", "1.5GiB", "99999999999999TiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_is_the_least_that_is_kept() {
        assert_eq!(keep("1d"), Ok(MIN_KEEP_MILLIS));
        assert_eq!(
            keep("23h59m59s999ms").unwrap_err(),
            "it must be 1d at least: within it records may be asked for again"
        );
    }
}
