//! Jobs as the HTTP interface asks for them: texts of files are filled in before a job is kept, so that it says the same when it is begun again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use orion_api::{JobDesk, JobRefused};
use orion_metrics::Text;
use orion_model::{Job, JobRequest, JobSpec, JobText, MAX_JOB_TEXT_BYTES, RecordId};
use orion_pipeline::jobs::{Jobs, JobsError};
use orion_pipeline::library::read_rule_file;
use orion_suite::run::Answers;
use tokio::sync::broadcast;

/// How the names of recorded answers end.
const ANSWERS: &str = ".gz";

/// The jobs of a host, and the folder that their files lie in.
pub struct Desk {
    jobs: Arc<Jobs>,
    rules_dir: PathBuf,
}

impl Desk {
    /// Of these jobs, with texts of this folder.
    pub fn new(jobs: Arc<Jobs>, rules_dir: PathBuf) -> Self {
        Self { jobs, rules_dir }
    }

    /// Writes down the numbers.
    pub fn write_metrics(&self, text: &mut Text) {
        self.jobs.write(text);
    }
}

#[async_trait]
impl JobDesk for Desk {
    async fn ask(&self, request: JobRequest) -> Result<Job, JobRefused> {
        let rules_dir = self.rules_dir.clone();
        let filled = tokio::task::spawn_blocking(move || {
            let spec = filled(request.spec, &rules_dir)?;
            Ok(JobRequest { spec, ..request })
        });
        let request = filled.await.map_err(|error| JobRefused::NotNow(error.to_string()))?;
        self.jobs.ask(request.map_err(JobRefused::Bad)?).await.map_err(refused)
    }

    async fn list(&self) -> Result<Vec<(u64, Job)>, JobRefused> {
        self.jobs.list().await.map_err(refused)
    }

    async fn get(&self, id: RecordId) -> Result<Job, JobRefused> {
        self.jobs.get(id).await.map_err(refused)
    }

    async fn result(&self, id: RecordId) -> Result<String, JobRefused> {
        self.jobs.result(id).await.map_err(refused)
    }

    async fn cancel(&self, id: RecordId, by: &str) -> Result<Job, JobRefused> {
        self.jobs.cancel(id, by).await.map_err(refused)
    }

    fn news(&self) -> broadcast::Receiver<Arc<Job>> {
        self.jobs.news()
    }
}

/// With the texts of the files that it names. Names were checked: each is a file of the folder itself.
fn filled(mut spec: JobSpec, rules_dir: &Path) -> Result<JobSpec, String> {
    for text in spec.texts_mut() {
        if text.text.is_none() {
            text.text = Some(text_of(text, rules_dir)?);
        }
    }
    // Files count as texts do that came with the job.
    spec.check().map_err(|why| why.to_string())?;
    Ok(spec)
}

fn text_of(text: &JobText, rules_dir: &Path) -> Result<String, String> {
    let path = rules_dir.join(&text.name);
    if text.name.ends_with(ANSWERS) {
        return Answers::text_of(&path, MAX_JOB_TEXT_BYTES);
    }
    read_rule_file(&path).map_err(|why| {
        let name = &text.name;
        format!("`{name}` has no text and cannot be read in the rules folder: {why}; give its text, or name a file that lies there")
    })
}

fn refused(why: JobsError) -> JobRefused {
    let said = why.to_string();
    match why {
        JobsError::Bad(_) => JobRefused::Bad(said),
        JobsError::Full(_) => JobRefused::Full(said),
        JobsError::Unknown(_) => JobRefused::Unknown(said),
        JobsError::Over { .. } | JobsError::NoResult { .. } => JobRefused::Conflict(said),
        JobsError::Bus(_) | JobsError::NotWritable(_) => JobRefused::NotNow(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_file_gets_its_text_and_what_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "groups: []").unwrap();
        let spec = |name: &str| JobSpec::Test {
            tests: vec![JobText { name: name.to_owned(), text: None }],
            rules: Vec::new(),
            answers: None,
        };
        let JobSpec::Test { tests, .. } = filled(spec("a.yaml"), folder.path()).unwrap() else { panic!("a test") };
        assert_eq!(tests[0].text.as_deref(), Some("groups: []"));
        let why = filled(spec("b.yaml"), folder.path()).unwrap_err();
        assert!(why.contains("`b.yaml` has no text") && why.contains("give its text"), "{why}");
    }

    #[test]
    fn files_count_as_texts_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "x".repeat(MAX_JOB_TEXT_BYTES)).unwrap();
        std::fs::write(folder.path().join("b.yaml"), "x").unwrap();
        let file = |name: &str| JobText { name: name.to_owned(), text: None };
        let of = |tests: &[&str]| JobSpec::Test {
            tests: tests.iter().map(|name| file(name)).collect(),
            rules: Vec::new(),
            answers: None,
        };
        assert!(filled(of(&["a.yaml"]), folder.path()).is_ok());
        assert!(filled(of(&["a.yaml", "b.yaml"]), folder.path()).unwrap_err().contains("are taken"));
    }
}
