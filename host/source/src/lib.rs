//! What Orion reads. The only room of the house that speaks to Prometheus and Loki, or to a recording of them.
//!
//! A [`Source`] answers one query at one instant with a [`Frame`]. What it learns about the series of a query stays in
//! the query's [`QuerySession`], so that a series met before costs one comparison of bytes and no parsing. Whatever
//! comes from outside is checked here, at the door: size, depth, shape, text. Inside the house nobody checks again.
//!
//! Nothing in this crate can change a source: it sends GET, or POST to the query endpoint, and has no other verb.

mod decode;
mod error;
mod known;
mod loki;
mod prometheus;
mod recording;
mod session;

use async_trait::async_trait;
use orion_model::{Frame, Timestamp};

pub use decode::{AnswerLimits, Instants, StreamLine, decode, decode_range};
pub use error::SourceError;
pub use loki::Loki;
pub use prometheus::{
    Alerting, Credentials, Destination, LOKI_ENDPOINTS, Prometheus, PrometheusSettings, QUERY_ENDPOINTS,
};
pub use recording::{Recording, RecordingError, RecordingSource, RecordingWriter};
pub use session::{QuerySession, SERIES_KEPT_UNSEEN_MILLIS};

/// Which lines of log streams are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// A query for lines.
    pub query: &'a str,
    /// The first time, in nanoseconds since 1970.
    pub from_nanos: i64,
    /// The first time behind them.
    pub until_nanos: i64,
    /// Most of them; the oldest are given.
    pub limit: usize,
}

/// Something that answers queries: Prometheus, Loki, or a recording of them.
#[async_trait]
pub trait Source: Send + Sync {
    /// What rule files call it.
    fn name(&self) -> &str;

    /// The answer to the session's query at `instant`.
    ///
    /// After an error the session is as good as before: what it knows may have grown, and nothing in it is wrong.
    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError>;

    /// The answers to the session's query at many instants: each as [`Source::query`] would give it.
    async fn query_range(&self, session: &mut QuerySession, instants: Instants) -> Result<Vec<Frame>, SourceError> {
        let mut frames = Vec::with_capacity(instants.count);
        for instant in instants.iter() {
            frames.push(self.query(session, instant).await?);
        }
        Ok(frames)
    }

    /// The same for somebody who only wants to look, and may not cost as much as a rule: an answer beyond these limits, or those of the
    /// source, is an error.
    async fn look(
        &self,
        session: &mut QuerySession,
        instants: Instants,
        _limits: AnswerLimits,
    ) -> Result<Vec<Frame>, SourceError> {
        self.query_range(session, instants).await
    }

    /// Where a person sees a query between two instants in the source's own pages; `None` when it has none.
    fn page(&self, _expr: &str, _from: Timestamp, _to: Timestamp) -> Option<String> {
        None
    }

    /// Lines of log streams, in the order of their times.
    async fn lines(&self, _lines: Lines<'_>) -> Result<Vec<StreamLine>, SourceError> {
        Err(SourceError::Misconfigured { name: self.name().to_owned(), why: "it has no lines of logs".to_owned() })
    }
}
