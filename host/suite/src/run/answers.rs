//! What a Prometheus answered to a test, kept: for mutants of the same rules, and for machines without a Prometheus.
//!
//! An answer is known by what was written and what was asked. So a recording stays good for as long as neither the data of
//! a test nor a query changes, and is said to be missing, and never taken for another, as soon as one does.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

/// The one version of the format that there is.
const FORMAT: u32 = 1;

/// A question about one test's data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Question {
    /// Identity of the data.
    pub data: String,
    /// The query.
    pub expr: String,
    /// The first instant, in milliseconds.
    pub first: i64,
    /// Distance and number of instants; `None` for a question about one.
    pub range: Option<(i64, usize)>,
}

/// Answers by their questions.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<Question, String>);

/// The first line of a file of answers.
#[derive(Serialize, Deserialize)]
struct Header {
    orion_test_answers: u32,
}

/// Every further line.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    question: Question,
    body: String,
}

impl Answers {
    /// What was answered to this.
    pub fn get(&self, question: &Question) -> Option<&str> {
        self.0.get(question).map(String::as_str)
    }

    /// Keeps an answer.
    pub fn put(&mut self, question: Question, body: String) {
        self.0.insert(question, body);
    }

    /// Takes those of another in.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Reads a file that [`Answers::write`] wrote.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
        let file = File::open(path).map_err(|why| failed(&why))?;
        Self::of_lines(BufReader::new(GzDecoder::new(file))).map_err(|why| failed(&why))
    }

    /// The lines of such a file, which have so many bytes at most.
    pub fn text_of(path: &Path, most: usize) -> Result<String, String> {
        let failed = |why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
        let file = File::open(path).map_err(|why| failed(&why))?;
        let mut text = String::new();
        // A small file may unpack to a large one: one byte more than is taken tells.
        let room = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        GzDecoder::new(file).take(room).read_to_string(&mut text).map_err(|why| failed(&why))?;
        match text.len() > most {
            true => Err(failed(&format!("it unpacks to more than {most} bytes, the most that is taken"))),
            false => Ok(text),
        }
    }

    /// Reads such lines.
    pub fn of_text(text: &str) -> Result<Self, String> {
        Self::of_lines(text.as_bytes())
    }

    fn of_lines(lines: impl BufRead) -> Result<Self, String> {
        let mut lines = lines.lines();
        let header = lines.next().transpose().map_err(|why| why.to_string())?.unwrap_or_default();
        match serde_json::from_str(&header) {
            Ok(Header { orion_test_answers: FORMAT }) => {}
            _ => return Err("it holds no answers that `orion-kit test --record` wrote".to_owned()),
        }
        let mut answers = Self::default();
        for line in lines {
            let line = line.map_err(|why| why.to_string())?;
            let Line { question, body } = serde_json::from_str(&line).map_err(|why| why.to_string())?;
            answers.put(question, body);
        }
        Ok(answers)
    }

    /// Writes all of them: gzip'ed, a JSON object a line, so that `zcat` reads it, and in an order that makes equal runs
    /// equal files.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |why: std::io::Error| format!("{} cannot be written: {why}", path.display());
        let mut out = GzEncoder::new(BufWriter::new(File::create(path).map_err(failed)?), Compression::best());
        put_line(&mut out, &Header { orion_test_answers: FORMAT }).map_err(failed)?;
        for (question, body) in &self.0 {
            let line = Line { question: question.clone(), body: body.clone() };
            put_line(&mut out, &line).map_err(failed)?;
        }
        out.finish().and_then(|mut out| out.flush()).map_err(failed)
    }
}

fn put_line(out: &mut impl Write, line: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.gz");
        let question = |expr: &str, range| Question { data: "d".into(), expr: expr.into(), first: -5, range };
        let mut answers = Answers::default();
        answers.put(question("up", None), "{\"a\":\n1}".into());
        answers.put(question("up", Some((60_000, 3))), "{}".into());
        answers.write(&path).unwrap();
        assert_eq!(Answers::read(&path).unwrap().0, answers.0);
        let text = Answers::text_of(&path, 1_000).unwrap();
        assert_eq!(Answers::of_text(&text).unwrap().0, answers.0);
        assert!(Answers::text_of(&path, text.len() - 1).unwrap_err().contains("more than"));
        std::fs::write(&path, "x").unwrap();
        assert!(Answers::read(&path).unwrap_err().contains("cannot be read"));
    }
}
