//! What runs: rules, plugins, hosts, partitions, and how the records are kept.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use orion_bus::Reader;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::desk::Desk;
use crate::document::Document;
use crate::host::RulePage;
use crate::page::{Page, limit};
use crate::problem::Problem;
use crate::query::{Asked, Nothing};
use crate::reading::unreadable;

/// What can be asked about rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleFilter {
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    unwell: bool,
    q: Option<String>,
}

/// `GET /api/v1/rules`
pub(crate) async fn rules(
    State(desk): State<Arc<Desk>>,
    Asked(filter): Asked<RuleFilter>,
) -> Result<Document, Problem> {
    let limit = limit(filter.limit)?;
    let mentions = filter.q.map(|text| text.to_lowercase());
    let asked = RulePage { after: filter.cursor, limit: limit + 1, unwell: filter.unwell, mentions };
    let host = desk.host_or_problem()?;
    let rules = desk.reading()?.run(move |reader| host.rules(reader, &asked)).await?;
    let (mut page, mut last) = (Page::of(limit), None);
    for rule in &rules {
        if !page.add(&rule.to_string()) {
            return Ok(page.end(last));
        }
        last = rule.get("rule").and_then(Value::as_str).map(str::to_owned);
    }
    Ok(page.end(None))
}

/// `GET /api/v1/plugins`
pub(crate) async fn plugins(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let host = desk.host_or_problem()?;
    Document::of(&json!({ "items": host.plugins() }))
}

/// `GET /api/v1/quarantine`
pub(crate) async fn quarantine(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let host = desk.host_or_problem()?;
    let held = desk.reading()?.run(move |reader| host.quarantine(reader)).await?;
    Document::of(&json!({ "items": held }))
}

/// `GET /api/v1/nodes`
pub(crate) async fn nodes(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let nodes = desk.host_or_problem()?.nodes().await.map_err(|error| unreadable(&error))?;
    Document::of(&json!({ "items": nodes }))
}

/// `GET /api/v1/partitions`
pub(crate) async fn partitions(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let partitions = desk.host_or_problem()?.partitions().await.map_err(|error| unreadable(&error))?;
    Document::of(&json!({ "items": partitions }))
}

/// `GET /api/v1/locks`
pub(crate) async fn locks(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let locks = desk.host_or_problem()?.locks().await.map_err(|error| unreadable(&error))?;
    Document::of(&json!({ "items": locks }))
}

/// `GET /api/v1/summary`
pub(crate) async fn summary(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let host = desk.host_or_problem()?;
    let followed = desk.followed()?;
    let incidents = followed.register().map(|register| {
        let open: Map<String, Value> =
            register.open().into_iter().map(|(severity, count)| (severity.to_string(), count.into())).collect();
        json!({ "open": open, "known": register.len() })
    });
    let health = host.health().await;
    let mut summary = Map::from_iter([
        ("version".to_owned(), env!("CARGO_PKG_VERSION").into()),
        ("autonomy_level".to_owned(), "N0".into()),
        ("status".to_owned(), health.status().into()),
        ("position".to_owned(), followed.position().into()),
        ("incidents".to_owned(), incidents.unwrap_or_default()),
        ("hooks".to_owned(), desk.hooks.summary()),
    ]);
    summary.extend(host.running());
    Document::of(&summary)
}

/// `GET /api/v1/persistence`
pub(crate) async fn persistence(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Document, Problem> {
    let host = desk.host_or_problem()?;
    let memory_dir = host.memory_dir().to_owned();
    let look = move |reader: &mut Reader| {
        Ok([
            ("position", reader.last_seq()?),
            ("forgotten", reader.forgotten()?),
            ("database_bytes", reader.used_bytes()?),
            ("file_bytes", size_of_files(&memory_dir)),
        ])
    };
    let numbers = desk.reading()?.run(look).await?;
    let mut persistence: Map<String, Value> =
        numbers.into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect();
    persistence.extend(host.persistence().await);
    Document::of(&persistence)
}

/// Bytes of the audit trail's files, closed and packed ones among them. One that goes away meanwhile is not counted.
fn size_of_files(memory_dir: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(memory_dir) else { return 0 };
    let is_of_the_trail = |name: &str| name.contains(".jsonl");
    let of_trail = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_of_the_trail));
    of_trail.filter_map(|entry| entry.metadata().ok()).map(|it| it.len()).sum()
}

/// `GET /api/v1/audit`
pub(crate) async fn audit(
    State(desk): State<Arc<Desk>>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<(StatusCode, Document), Problem> {
    let (audit, reading) = (desk.host_or_problem()?.audit(), desk.reading()?);
    let checked = desk.audits()?.ask(move || async move { reading.run(move |reader| Ok(audit(reader))).await }).await?;
    match checked {
        Some(audit) => Ok((StatusCode::OK, Document::written(audit.to_string()))),
        None => Ok((StatusCode::ACCEPTED, Document::of(&json!({ "state": "running" }))?)),
    }
}
