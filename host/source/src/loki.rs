//! Loki, asked what LogQL makes of logs: metric queries, whose answers are those of Prometheus to the last brace, and lines.
//!
//! The only requests that leave here are a GET of the two query endpoints. What Loki adds to an answer (statistics) is passed over.

use async_trait::async_trait;
use orion_model::{Frame, Timestamp};
use reqwest::header::{HeaderMap, HeaderValue};

use crate::decode::{AnswerLimits, Instants, StreamLine};
use crate::error::SourceError;
use crate::prometheus::{Destination, Dialect, Prometheus, PrometheusSettings};
use crate::session::QuerySession;
use crate::{Lines, Source};

/// Says whose logs are meant, where a Loki has those of several.
const TENANT_HEADER: &str = "x-scope-orgid";

/// A Loki server, read over HTTP.
#[derive(Debug)]
pub struct Loki(Prometheus);

impl Loki {
    /// A source named `name` at `base_url`, such as `http://loki:3100`, asked for the logs of `tenant`. Nothing is sent before the
    /// first query.
    pub fn new(
        name: &str,
        base_url: &str,
        tenant: Option<&str>,
        settings: PrometheusSettings,
    ) -> Result<Self, SourceError> {
        let mut headers = HeaderMap::new();
        if let Some(tenant) = tenant {
            let value = HeaderValue::from_str(tenant).map_err(|_| SourceError::Misconfigured {
                name: name.to_owned(),
                why: "its tenant has characters that a header cannot carry".to_owned(),
            })?;
            headers.insert(TENANT_HEADER, value);
        }
        Prometheus::speaking(Dialect::Loki, name, base_url, settings, headers).map(Self)
    }

    /// The one place it ever sends to.
    pub fn destination(&self) -> Destination {
        self.0.destination()
    }

    /// The address, without credentials.
    pub fn address(&self) -> &str {
        self.0.address()
    }
}

#[async_trait]
impl Source for Loki {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        self.0.query(session, instant).await
    }

    async fn query_range(&self, session: &mut QuerySession, instants: Instants) -> Result<Vec<Frame>, SourceError> {
        self.0.query_range(session, instants).await
    }

    async fn look(
        &self,
        session: &mut QuerySession,
        instants: Instants,
        limits: AnswerLimits,
    ) -> Result<Vec<Frame>, SourceError> {
        self.0.look(session, instants, limits).await
    }

    async fn lines(&self, lines: Lines<'_>) -> Result<Vec<StreamLine>, SourceError> {
        self.0.lines_of_streams(lines).await
    }
}
