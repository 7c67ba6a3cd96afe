//! Which path is answered by whom.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};

use crate::console;
use crate::desk::Desk;
use crate::document::unless_known;
use crate::problem::Problem;
use crate::{
    agents, deployment, health, hook, incidents, jobs, logs, marks, metrics, openapi, records, rule_files, series,
    sets, sketch, stream,
};

/// All there is, each with the path as the description has it.
fn routes() -> [(&'static str, MethodRouter<Arc<Desk>>); 36] {
    [
        ("/-/healthy", get(health::live)),
        ("/-/ready", get(health::ready)),
        ("/health", get(health::report)),
        ("/metrics", get(metrics::scrape)),
        ("/api/v1/openapi.json", get(openapi::document)),
        ("/api/v1/summary", get(deployment::summary)),
        ("/api/v1/events", get(records::events)),
        ("/api/v1/decisions", get(records::decisions)),
        ("/api/v1/incidents", get(incidents::list)),
        ("/api/v1/incidents/{id}", get(incidents::show)),
        ("/api/v1/incidents/{id}/series", get(series::show)),
        ("/api/v1/sparklines", get(sketch::show)),
        ("/api/v1/incidents/{id}/marks", post(marks::mark)),
        ("/api/v1/incidents/{id}/marks/withdraw", post(marks::withdraw_mark)),
        ("/api/v1/missed", post(marks::missed)),
        ("/api/v1/missed/withdraw", post(marks::withdraw_missed)),
        ("/api/v1/jobs", get(jobs::list).post(jobs::ask)),
        ("/api/v1/jobs/{id}", get(jobs::show)),
        ("/api/v1/jobs/{id}/result", get(jobs::result)),
        ("/api/v1/jobs/{id}/cancel", post(jobs::cancel)),
        ("/api/v1/rules", get(deployment::rules)),
        ("/api/v1/rule-files/{name}", get(rule_files::show)),
        ("/api/v1/sets", get(sets::list)),
        ("/api/v1/sets/{set}", get(sets::show).post(sets::apply)),
        ("/api/v1/plugins", get(deployment::plugins)),
        ("/api/v1/quarantine", get(deployment::quarantine)),
        ("/api/v1/nodes", get(deployment::nodes)),
        ("/api/v1/agents/{agent}/events", post(agents::events)),
        ("/api/v1/agents/{agent}/status", post(agents::status)),
        ("/api/v1/partitions", get(deployment::partitions)),
        ("/api/v1/locks", get(deployment::locks)),
        ("/api/v1/logs", get(logs::lines)),
        ("/api/v1/persistence", get(deployment::persistence)),
        ("/api/v1/audit", get(deployment::audit)),
        ("/api/v1/stream", get(stream::listen)),
        ("/hooks/{name}", post(hook::take).options(hook::shake).fallback(hook::only_delivered)),
    ]
}

/// Pages for people. They are not part of what is described for programs.
fn pages() -> [(&'static str, MethodRouter<Arc<Desk>>); 4] {
    [
        ("/", get(console::lead_there)),
        ("/console", get(console::lead_there)),
        ("/console/", get(console::page)),
        ("/console/{version}/{*name}", get(console::file)),
    ]
}

/// All of it.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let paths =
        routes().into_iter().chain(pages()).fold(Router::new(), |router, (path, answer)| router.route(path, answer));
    paths
        .fallback(Problem::no_such_path)
        .method_not_allowed_fallback(Problem::only_reading)
        .layer(from_fn(unless_known))
        .layer(from_fn(console::guarded))
        .with_state(desk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_served_is_what_is_described() {
        let description: serde_json::Value = serde_json::from_str(openapi::DESCRIPTION).unwrap();
        let described: BTreeSet<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let served: BTreeSet<&str> = routes().iter().map(|(path, _)| *path).collect();
        assert_eq!(served, described);
    }
}
