//! The scorer that comes with the data: what it says of the same scores.

use std::fs;
use std::path::Path;
use std::process::Command;

use orion_nab::Corpus;
use serde_json::Value;

use crate::QualityError;

/// What it says by each profile; `None` where the folder has none, or there is no Python.
pub fn judge(folder: &Path, corpus: &Corpus, scores: &[Vec<f64>]) -> Result<Option<Value>, QualityError> {
    let scorer = folder.join("score.py");
    if !scorer.is_file() {
        return Ok(None);
    }
    let written = tempfile::tempdir().map_err(QualityError::failed("make a folder for scores"))?;
    for (series, scores) in corpus.series.iter().zip(scores) {
        let path = written.path().join(&series.name);
        let failed = || QualityError::failed("write scores");
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed())?;
        let lines: String = scores.iter().map(|score| format!("{score}\n")).collect();
        fs::write(path, format!("score\n{lines}")).map_err(failed())?;
    }
    let Ok(said) = Command::new("python3").arg(scorer).arg(written.path()).output() else { return Ok(None) };
    let said = serde_json::from_slice(&said.stdout).map_err(QualityError::failed("understand what score.py says"))?;
    Ok(Some(said))
}
