//! Jobs as whoever asks for them meets them: kept, told, and done again after a start.

use std::sync::Arc;

use orion_bus::{Bus, Commit, SqliteBus, StateChange};
use orion_model::{Clock, Event, Job, JobKind, JobRequest, JobSpec, JobState, Priority, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

use super::desk::{Jobs, JobsError, owner};
use super::{Done, MAX_FINISHED, MAX_QUEUED, MAX_RESULT_BYTES, NotDone, Stop};

/// A clock that stands still: nothing here depends on time passing.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000)
    }
}

fn bus(folder: &TempDir) -> Arc<dyn Bus> {
    Arc::new(SqliteBus::open(folder.path()).unwrap())
}

/// Alone, a host records in its own file.
async fn jobs_on(bus: &Arc<dyn Bus>) -> Jobs {
    Jobs::with(bus.clone(), bus.clone(), Arc::new(Still), Box::new(|| 7)).await
}

fn request(priority: Priority) -> JobRequest {
    let spec = JobSpec::Verify { offline: true, strict: false };
    JobRequest { spec, priority, timeout_millis: 60_000, by: "ada".to_owned() }
}

fn done(result: &str) -> Result<Done, NotDone> {
    Ok(Done { result: result.to_owned(), holds: true })
}

async fn states(jobs: &Jobs) -> Vec<(JobState, u32)> {
    jobs.list().await.unwrap().iter().map(|(_, job)| (job.state, job.attempts)).collect()
}

#[tokio::test]
async fn a_job_goes_its_way_and_who_listens_hears_of_each_change() {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus(&folder);
    let jobs = jobs_on(&bus).await;
    let mut news = jobs.news();
    let asked = jobs.ask(request(Priority::Normal)).await.unwrap();
    assert!(matches!(jobs.result(asked.id).await, Err(JobsError::NoResult { state: JobState::Queued, .. })));
    let (course, spec) = jobs.begin().await.unwrap().unwrap();
    assert_eq!(spec, request(Priority::Normal).spec);
    assert!(jobs.begin().await.unwrap().is_none(), "one at a time");
    for done in 0..=1_000 {
        course.reached(done, 1_000, orion_model::ProgressUnit::Checks);
    }
    jobs.end(&course, &done("{\"x\":1}")).await.unwrap();
    assert_eq!(jobs.result(asked.id).await.unwrap(), "{\"x\":1}");
    let mut heard = Vec::new();
    while let Ok(job) = news.try_recv() {
        heard.push(job);
    }
    let ways: Vec<JobState> = heard.iter().map(|job| job.state).collect();
    assert_eq!((ways[0], ways[1], ways[ways.len() - 1]), (JobState::Queued, JobState::Running, JobState::Done));
    assert_eq!(heard.len(), 3 + 101, "every hundredth once");
}

#[tokio::test]
async fn who_asked_and_who_cancelled_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus(&folder);
    let jobs = jobs_on(&bus).await;
    let job = jobs.ask(request(Priority::Low)).await.unwrap();
    jobs.cancel(job.id, "bob").await.unwrap();
    assert!(matches!(jobs.cancel(job.id, "bob").await, Err(JobsError::Over { state: JobState::Cancelled, .. })));
    let events: Vec<Event> =
        bus.read(0, 9).await.unwrap().iter().map(|entry| serde_json::from_str(&entry.body).unwrap()).collect();
    let said: Vec<_> = events
        .iter()
        .map(|event| (event.event_type.as_str(), event.labels.get("by").unwrap(), event.labels.get("job").unwrap()))
        .collect();
    let id = job.id.to_string();
    assert_eq!(said, [("job_requested", "ada", id.as_str()), ("job_cancelled", "bob", id.as_str())]);
    assert!(events.iter().all(|event| event.generation == 7));
}

#[tokio::test]
async fn one_that_runs_is_stopped_by_who_cancels_it() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = jobs_on(&bus(&folder)).await;
    let job = jobs.ask(request(Priority::Normal)).await.unwrap();
    let (course, _) = jobs.begin().await.unwrap().unwrap();
    assert_eq!(course.stopped(), None);
    jobs.cancel(job.id, "bob").await.unwrap();
    assert_eq!((course.stopped(), course.until_stopped().await), (Some(Stop::Cancelled), Stop::Cancelled));
    jobs.end(&course, &Err(NotDone::Stopped)).await.unwrap();
    assert_eq!(jobs.get(job.id).await.unwrap().state, JobState::Cancelled);
}

#[tokio::test]
async fn a_result_that_is_too_long_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = jobs_on(&bus(&folder)).await;
    for (bytes, state) in [(MAX_RESULT_BYTES, JobState::Done), (MAX_RESULT_BYTES + 1, JobState::Failed)] {
        let job = jobs.ask(request(Priority::Normal)).await.unwrap();
        let (course, _) = jobs.begin().await.unwrap().unwrap();
        jobs.end(&course, &done(&"1".repeat(bytes))).await.unwrap();
        let job = jobs.get(job.id).await.unwrap();
        assert_eq!(job.state, state, "{bytes}");
        assert_eq!(job.failure.is_some(), state == JobState::Failed);
    }
}

#[tokio::test]
async fn of_what_is_forgotten_nothing_stays_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus(&folder);
    let jobs = jobs_on(&bus).await;
    for _ in 0..MAX_FINISHED + 5 {
        jobs.ask(request(Priority::Normal)).await.unwrap();
        let (course, _) = jobs.begin().await.unwrap().unwrap();
        jobs.end(&course, &done("{}")).await.unwrap();
    }
    let keys = bus.load(&owner()).await.unwrap().state.len();
    assert_eq!(keys, 2 * MAX_FINISHED, "a job and its result each");
}

#[tokio::test]
async fn more_than_may_wait_are_refused_and_nobody_is_recorded_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus(&folder);
    let jobs = jobs_on(&bus).await;
    for _ in 0..MAX_QUEUED {
        jobs.ask(request(Priority::Normal)).await.unwrap();
    }
    assert!(matches!(jobs.ask(request(Priority::High)).await, Err(JobsError::Full(_))));
    assert_eq!(bus.read(0, 99).await.unwrap().len(), MAX_QUEUED);
    assert_eq!(jobs.list().await.unwrap()[0].1.kind, JobKind::Verify);
}

#[tokio::test]
async fn many_ask_at_once_and_each_has_a_job_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus(&folder);
    let jobs = Arc::new(jobs_on(&bus).await);
    let asking: Vec<_> = (0..MAX_QUEUED)
        .map(|_| {
            let jobs = jobs.clone();
            tokio::spawn(async move { jobs.ask(request(Priority::Normal)).await.unwrap().id })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for asked in asking {
        ids.insert(asked.await.unwrap());
    }
    assert_eq!((ids.len(), jobs.list().await.unwrap().len()), (MAX_QUEUED, MAX_QUEUED));
    assert_eq!(bus.read(0, 99).await.unwrap().len(), MAX_QUEUED, "each is on record");
}

#[tokio::test]
async fn what_another_version_has_kept_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus(&folder);
    let jobs = jobs_on(&bus).await;
    let job = jobs.ask(request(Priority::Normal)).await.unwrap();
    drop(jobs);
    let loaded = bus.load(&owner()).await.unwrap();
    let put = |key: String, value: &str| StateChange::Put { key: key.into_bytes(), value: value.as_bytes().to_vec() };
    let state = vec![put(format!("spec/{}", job.id), "{\"kind\":\"repair\"}"), put("job/77".to_owned(), "{}")];
    let offset = loaded.offset.unwrap() + 1;
    let commit = Commit { owner: owner(), expected: loaded.offset, offset, state, ..Commit::default() };
    bus.commit(commit).await.unwrap();
    let jobs = jobs_on(&bus).await;
    let next = jobs.ask(request(Priority::Low)).await.unwrap();
    let (course, _) = jobs.begin().await.unwrap().unwrap();
    assert_eq!(course.job().id, next.id);
    assert_eq!(jobs.get(job.id).await.unwrap().state, JobState::Failed);
}

/// What can happen to a host and its jobs.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(Priority),
    Begin,
    End,
    Cancel(usize),
    Die,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => prop_oneof![Just(Priority::Low), Just(Priority::High)].prop_map(Step::Ask),
        3 => Just(Step::Begin),
        2 => Just(Step::End),
        1 => (0_usize..8).prop_map(Step::Cancel),
        2 => Just(Step::Die),
    ];
    proptest::collection::vec(step, 1..25)
}

async fn live_through(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus(&folder);
    let (mut jobs, mut course) = (jobs_on(&bus).await, None);
    for step in steps {
        match step {
            Step::Ask(priority) => drop(jobs.ask(request(priority)).await),
            Step::Begin => course = jobs.begin().await.unwrap().map(|(course, _)| course).or(course),
            Step::End => {
                if let Some(course) = course.take() {
                    jobs.end(&course, &done("{}")).await.unwrap();
                }
            }
            Step::Cancel(place) => {
                if let Some((_, job)) = jobs.list().await.unwrap().get(place) {
                    drop(jobs.cancel(job.id, "bob").await);
                }
            }
            Step::Die => {
                let mut before: Vec<Job> = jobs.list().await.unwrap().into_iter().map(|(_, job)| job).collect();
                (jobs, course) = (jobs_on(&bus).await, None);
                let after: Vec<Job> = jobs.list().await.unwrap().into_iter().map(|(_, job)| job).collect();
                assert!(states(&jobs).await.iter().all(|(state, _)| *state != JobState::Running));
                // What ran waits again, was cancelled, or was given up; all else is as it was.
                for (before, after) in before.iter_mut().zip(&after).filter(|(it, _)| it.state == JobState::Running) {
                    before.clone_from(after);
                }
                assert_eq!(before, after);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_host_may_die_at_any_moment_and_knows_its_jobs_afterwards(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(live_through(steps));
    }
}
