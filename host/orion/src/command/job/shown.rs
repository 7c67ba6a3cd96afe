//! Jobs for people.

use orion_model::{Job, Progress, format_duration};

use crate::output::columns;
use crate::text::short_id;

/// One job.
pub fn facts(job: &Job) -> String {
    let mut facts = vec![
        ("job", job.id.to_string()),
        ("kind", job.kind.as_str().to_owned()),
        ("state", job.state.as_str().to_owned()),
        ("asked", format!("{} by {}", job.asked_at, job.asked_by)),
        ("priority", job.priority.as_str().to_owned()),
    ];
    if let Some(progress) = &job.progress {
        facts.push(("progress", shown(progress)));
    }
    if let Some((began, ended)) = job.began_at.zip(job.ended_at) {
        facts.push(("took", format_duration(ended.millis_since(began))));
    }
    facts.extend(job.cancelled_by.iter().map(|by| ("cancelled", format!("by {by}"))));
    facts.extend(job.holds.map(|holds| ("holds", if holds { "yes" } else { "no" }.to_owned())));
    facts.extend(job.result_bytes.map(|bytes| ("result", format!("{bytes} bytes, `orion job result {}`", job.id))));
    let mut text: String = facts.into_iter().map(|(name, value)| format!("{name:10}  {value}\n")).collect();
    text.extend(job.failure.iter().map(|failure| format!("\n{}\n", failure.message.trim_end())));
    text
}

/// Many jobs.
pub fn table(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "no jobs\n".to_owned();
    }
    let row = |job: &Job| {
        let progress = job.progress.as_ref().map(shown).unwrap_or_default();
        vec![
            short_id(&job.id.to_string()),
            job.kind.as_str().to_owned(),
            job.state.as_str().to_owned(),
            job.priority.as_str().to_owned(),
            job.asked_at.to_string(),
            job.asked_by.clone(),
            progress,
        ]
    };
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    columns(&["JOB", "KIND", "STATE", "PRIORITY", "ASKED", "BY", "PROGRESS"], &rows)
}

fn shown(progress: &Progress) -> String {
    format!("{} % ({} of {} {})", progress.percent(), progress.done, progress.total, progress.unit.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::{FailureReason, IdBuilder, JobFailure, JobKind, JobState, Priority, ProgressUnit, Timestamp};

    fn failed() -> Job {
        Job {
            id: IdBuilder::new("test").finish(),
            kind: JobKind::Replay,
            priority: Priority::High,
            timeout_millis: 60_000,
            asked_at: Timestamp::from_millis(1_000),
            asked_by: "ada".to_owned(),
            state: JobState::Failed,
            attempts: 1,
            began_at: Some(Timestamp::from_millis(2_000)),
            ended_at: Some(Timestamp::from_millis(64_000)),
            cancelled_by: None,
            progress: Some(Progress { done: 30, total: 120, unit: ProgressUnit::Seconds }),
            holds: None,
            result_bytes: None,
            failure: Some(JobFailure {
                reason: FailureReason::BadRule,
                message: "a rule file is refused\na.yaml:1:1: what is wrong\n".to_owned(),
            }),
        }
    }

    #[test]
    fn a_job_is_shown_with_why_it_failed() {
        insta::assert_snapshot!(facts(&failed()));
    }

    #[test]
    fn jobs_are_a_table() {
        let job = failed();
        let waiting = Job { state: JobState::Queued, progress: None, failure: None, ..job.clone() };
        insta::assert_snapshot!(table(&[waiting, job]));
        assert_eq!(table(&[]), "no jobs\n");
    }
}
