//! Why there is no answer: each way a source fails people, with what to do about it.
//!
//! The great divide is [`SourceError::is_query_fault`]: a source that is down is one event about the source, a query
//! that cannot be answered is the problem of its rule alone. Taking the second for the first would announce an outage
//! of Prometheus because of one typing error.

use orion_model::{Timestamp, format_duration};

/// A query that got no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The settings of the source cannot work.
    #[error("source `{name}` cannot be used: {why}")]
    Misconfigured {
        /// What rule files call it.
        name: String,
        /// What is wrong, and what to write instead.
        why: String,
    },
    /// No connection, or it was closed before an answer began.
    #[error("{url} cannot be reached: {why}; check that it runs, and that this address is the right one")]
    Unreachable {
        /// Address without credentials.
        url: String,
        /// What the network said.
        why: String,
    },
    /// The answer was not complete in time.
    #[error(
        "{url} did not answer within {}; a cheaper query or a longer timeout may help",
        format_duration(i64::try_from(*timeout_millis).unwrap_or(i64::MAX))
    )]
    TimedOut {
        /// Address without credentials.
        url: String,
        /// How long it had.
        timeout_millis: u64,
    },
    /// It wants to send the query elsewhere.
    #[error(
        "{url} redirects to {location} (HTTP {status}), which is not followed: credentials and queries stay with the \
         configured host; if the new address is right, configure it"
    )]
    Redirected {
        /// Address without credentials.
        url: String,
        /// HTTP status, 3xx.
        status: u16,
        /// Where to, without credentials and query.
        location: String,
    },
    /// An HTTP error without the JSON that Prometheus sends with its errors.
    #[error("{url} answered HTTP {status}{}: {excerpt}", http_advice(*status))]
    Http {
        /// Address without credentials.
        url: String,
        /// HTTP status.
        status: u16,
        /// How the body begins.
        excerpt: String,
    },
    /// The body is no JSON object.
    #[error("the answer is not JSON ({why} at byte {at}): {excerpt}; is this the address of a Prometheus API?")]
    NotJson {
        /// What is wrong.
        why: String,
        /// Where.
        at: usize,
        /// What stands there.
        excerpt: String,
    },
    /// The body ends before the answer does.
    #[error("the answer breaks off after {received_bytes} bytes; something between here and the source cut it")]
    Truncated {
        /// How much came.
        received_bytes: usize,
    },
    /// More bytes than an answer may have.
    #[error(
        "the answer has more than {limit_bytes} bytes, the limit `max_answer_bytes` of this source; let the query \
         select or aggregate to fewer series"
    )]
    TooLarge {
        /// How many it may have.
        limit_bytes: usize,
    },
    /// More series than an answer may have.
    #[error(
        "the answer has more than {limit} series, the limit `max_series_per_answer` of this source; let the query \
         select or aggregate to fewer series"
    )]
    TooManySeries {
        /// How many it may have.
        limit: usize,
    },
    /// The source says so itself.
    #[error("the source refuses the query ({error_type}): {message}")]
    Api {
        /// `bad_data`, `execution`, `timeout`, …
        error_type: String,
        /// In the source's words.
        message: String,
    },
    /// JSON of another shape than a query's answer.
    #[error("the answer is not of the shape that the Prometheus API gives ({why} at byte {at}): {excerpt}")]
    UnexpectedShape {
        /// What is wrong.
        why: String,
        /// Where.
        at: usize,
        /// What stands there.
        excerpt: String,
    },
    /// A matrix, a string, or lines of logs.
    #[error(
        "the query gives a {result_type}, and a rule needs an instant vector or a scalar{}",
        not_a_vector_advice(result_type)
    )]
    NotAVector {
        /// `matrix`, `string`, `streams`, …
        result_type: String,
    },
    /// Numbers where lines are wanted.
    #[error(
        "the query gives a {result_type}, and lines of logs are wanted: begin with the streams, as {{app=\"web\"}}"
    )]
    NotStreams {
        /// `vector`, `matrix`, …
        result_type: String,
    },
    /// A native histogram where a number must stand.
    #[error(
        "series {series} is a native histogram, which has no single value: use histogram_quantile, histogram_count, \
         histogram_sum or histogram_fraction"
    )]
    NativeHistogram {
        /// Labels of the first one.
        series: String,
    },
    /// One label set stands twice.
    #[error("series {series} stands twice in the answer")]
    DuplicateSeries {
        /// Its labels.
        series: String,
    },
    /// The recording knows nothing of this query.
    #[error(
        "recording `{recording}` holds no answers to `{expr}`: queries must be the recorded ones, to the letter; record \
         again with the changed rules, or replay the rules it was recorded with"
    )]
    NotRecorded {
        /// Name of the recording.
        recording: String,
        /// The query.
        expr: String,
    },
    /// The recording knows the query, and has no answer near the instant.
    #[error("recording `{recording}` reaches from {start} to {end} and has no answer for {instant}")]
    OutsideRecording {
        /// Name of the recording.
        recording: String,
        /// Its first instant.
        start: Timestamp,
        /// Its last instant.
        end: Timestamp,
        /// What was asked for.
        instant: Timestamp,
    },
}

impl SourceError {
    /// Whether the source works and only this query cannot be answered: the rule is to blame and other rules are well.
    pub fn is_query_fault(&self) -> bool {
        match self {
            // VictoriaMetrics says the HTTP status where Prometheus says a word.
            Self::Api { error_type, .. } => matches!(error_type.as_str(), "bad_data" | "execution" | "400" | "422"),
            Self::TooLarge { .. }
            | Self::TooManySeries { .. }
            | Self::NotAVector { .. }
            | Self::NotStreams { .. }
            | Self::NativeHistogram { .. }
            | Self::DuplicateSeries { .. }
            | Self::NotRecorded { .. } => true,
            _ => false,
        }
    }

    /// One word for metrics and events.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Misconfigured { .. } => "misconfigured",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Redirected { .. } => "redirected",
            Self::Http { .. } => "http",
            Self::NotJson { .. } => "not_json",
            Self::Truncated { .. } => "truncated",
            Self::TooLarge { .. } => "too_large",
            Self::TooManySeries { .. } => "too_many_series",
            Self::Api { .. } => "api",
            Self::UnexpectedShape { .. } => "unexpected_shape",
            Self::NotAVector { .. } => "not_a_vector",
            Self::NotStreams { .. } => "not_streams",
            Self::NativeHistogram { .. } => "native_histogram",
            Self::DuplicateSeries { .. } => "duplicate_series",
            Self::NotRecorded { .. } => "not_recorded",
            Self::OutsideRecording { .. } => "outside_recording",
        }
    }
}

fn not_a_vector_advice(result_type: &str) -> &'static str {
    match result_type {
        "matrix" => ": put the range into a function, such as rate(…[5m])",
        "streams" => ", and these are lines of logs: count them, as in sum by (job) (count_over_time(…[5m]))",
        _ => "",
    }
}

fn http_advice(status: u16) -> &'static str {
    match status {
        401 | 403 => " (it wants other credentials)",
        404 | 405 => " (is the path prefix of the address right?)",
        502..=504 => " (a proxy stands before it and cannot reach it)",
        _ => "",
    }
}
