//! The certificate as an in-toto statement, for whoever keeps such things: bare, or in an envelope that a key has signed.

use orion_trust::{Envelope, SecretKey};
use serde_json::{Value, json};

use super::Certificate;
use crate::cli::Failure;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// What the predicate is: a [`Certificate`].
const PREDICATE_TYPE: &str = "urn:orion:n0-certificate:1";

/// The statement; with a key in an envelope that it has signed.
pub fn statement(certificate: &Certificate, key: Option<&SecretKey>) -> Result<Value, Failure> {
    let mut subjects: Vec<Value> = certificate
        .orion
        .sha256
        .iter()
        .map(|digest| json!({ "name": "orion", "digest": { "sha256": digest } }))
        .collect();
    subjects.extend(certificate.plugins.iter().map(|row| {
        let name = row.file.as_ref().unwrap_or(&row.certificate.manifest.name);
        json!({ "name": format!("plugin/{name}"), "digest": { "sha256": row.certificate.digest } })
    }));
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": certificate,
    });
    match key {
        None => Ok(statement),
        Some(key) => {
            let payload = serde_json::to_vec(&statement).map_err(Failure::configuration)?;
            serde_json::to_value(Envelope::seal(PAYLOAD_TYPE, &payload, key)).map_err(Failure::configuration)
        }
    }
}
