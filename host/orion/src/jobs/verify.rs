//! What is promised of this deployment, looked at from within.
//!
//! A confined process cannot see what the kernel says of it; that is not seen then, and `orion verify` beside it sees it.

use orion_model::ProgressUnit;
use orion_pipeline::jobs::{Course, Done, NotDone};
use serde_json::json;
use tokio::runtime::Runtime;

use super::{Bench, not_done};
use crate::verify::{Subject, certify};

impl Bench {
    pub(super) fn verify(
        &self,
        offline: bool,
        strict: bool,
        course: &Course,
        runtime: &Runtime,
    ) -> Result<Done, NotDone> {
        let subject = Subject { offline, strict, ..self.subject.clone() };
        let mut goes_on = |done, total| {
            course.reached(done, total, ProgressUnit::Checks);
            course.stopped().is_none()
        };
        let certified = certify(&subject, self.observer.now(), runtime, &mut goes_on).map_err(not_done)?;
        let certificate = certified.ok_or(NotDone::Stopped)?;
        let checks = certificate.checks.len() as u64;
        course.reached(checks, checks, ProgressUnit::Checks);
        Ok(Done { result: json!(certificate).to_string(), holds: certificate.holds })
    }
}
