//! `orion verify`: prints the N0 certificate of a deployment, and exits with 0 only when it holds.

use std::process::ExitCode;

use orion_model::Clock;
use orion_pipeline::clock::SystemClock;
use orion_trust::SecretKey;
use serde_json::json;

use crate::cli::{EXIT_DOES_NOT_HOLD, Failure, VerifyArgs};
use crate::output::{form, print, print_value};
use crate::setup;
use crate::verify::{Subject, certify, statement, text};

/// Verifies.
pub fn verify(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    // Before anything is looked at: a key that cannot be used is known at once.
    let key = args.key.as_ref().map(|path| {
        SecretKey::load(path)
            .map_err(|why| Failure::Configuration(format!("the key {} cannot be used: {why}", path.display())))
    });
    let key = key.transpose()?;
    let certified = certify(&Subject::of(args)?, SystemClock.now(), &setup::runtime()?, &mut |_, _| true)?;
    let Some(certificate) = certified else { return Ok(ExitCode::from(EXIT_DOES_NOT_HOLD)) };
    if args.statement {
        print(&format!("{}\n", statement(&certificate, key.as_ref())?))?;
    } else {
        print_value(form(args.output), &json!(certificate), || text(&certificate))?;
    }
    Ok(if certificate.holds { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DOES_NOT_HOLD) })
}
