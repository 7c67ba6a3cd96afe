//! `/metrics`: the numbers of the host and of this server, as Prometheus reads them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use orion_metrics::{Counter, FamilyType, Text, content_type_for};

use crate::desk::Desk;

/// What the server counts of itself.
#[derive(Default)]
pub(crate) struct ServerMeters {
    pub(crate) connections: Counter,
    pub(crate) ended: Counter,
    answers: [Counter; CLASSES.len()],
}

/// Answers by the first digit of their status: a bounded number, whatever is asked.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl ServerMeters {
    /// An answer with this status was given.
    pub(crate) fn answered(&self, status: u16) {
        if let Some(counter) = self.answers.get(usize::from(status / 100).saturating_sub(1)) {
            counter.increase();
        }
    }

    fn write(&self, text: &mut Text) {
        let open = self.connections.get().saturating_sub(self.ended.get());
        let help = "Connections to the HTTP interface that are open.";
        text.family("orion_api_connections", FamilyType::Gauge, help).count(&[], open);
        let help = "Connections to the HTTP interface that were accepted.";
        text.counter("orion_api_connections_total", help, self.connections.get());
        let help = "Answers of the HTTP interface, by the class of their status.";
        let mut family = text.family("orion_api_answers_total", FamilyType::Counter, help);
        for (class, counter) in CLASSES.iter().zip(&self.answers) {
            family.count(&[("class", *class)], counter.get());
        }
    }
}

/// All numbers. While the host starts there are those of the server alone.
pub(crate) async fn scrape(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut text = Text::default();
    text.gauge(
        "orion_start_time_seconds",
        "When this process began to serve, in seconds since 1970.",
        desk.began_seconds(),
    );
    if let Some(host) = desk.host() {
        host.metrics(&mut text).await;
    }
    if let Ok(followed) = desk.followed() {
        followed.write(&mut text);
    }
    desk.meters.write(&mut text);
    desk.guard.write(&mut text);
    desk.hooks.write(&mut text);
    ([(header::CONTENT_TYPE, content_type_for(accept))], text.into_string()).into_response()
}
