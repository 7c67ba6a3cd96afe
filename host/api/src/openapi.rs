//! The description of the interface, in OpenAPI 3.1. It is written by hand beside the code; that each path of it is served, that
//! each that is served is in it, and that answers are as it says, tests see to.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The description, but for its version.
pub(crate) const DESCRIPTION: &str = include_str!("../openapi.json");

/// Stands in it for the version of this build.
const VERSION: &str = "0.0.0-version";

/// `GET /api/v1/openapi.json`
pub(crate) async fn document() -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([kind], DESCRIPTION.replace(VERSION, env!("CARGO_PKG_VERSION"))).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The whole numbers in what `schema` refers to or holds, by where they are, that have no bounds.
    fn unbounded(all: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = name.strip_prefix('#').unwrap();
            return unbounded(all, all.pointer(pointer).unwrap(), &format!("{at} {name}"), found);
        }
        let kind = schema.get("type").map(ToString::to_string).unwrap_or_default();
        let has = |bound| schema.get(bound).is_some_and(Value::is_number);
        if kind.contains("\"integer\"") && !(has("minimum") && has("maximum")) {
            found.push(at.to_owned());
        }
        match schema {
            Value::Object(members) => {
                members.iter().for_each(|(name, held)| unbounded(all, held, &format!("{at}/{name}"), found));
            }
            Value::Array(items) => items.iter().for_each(|held| unbounded(all, held, at, found)),
            _ => {}
        }
    }

    #[test]
    fn every_whole_number_that_is_sent_has_bounds_that_are_told() {
        let all: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let mut found = Vec::new();
        for (path, operations) in all["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                for sent in ["parameters", "requestBody"].map(|part| operation.get(part)).into_iter().flatten() {
                    unbounded(&all, sent, &format!("{method} {path}"), &mut found);
                }
            }
        }
        assert_eq!(found, [""; 0]);
    }
}
