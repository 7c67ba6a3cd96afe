//! Prometheus, and whatever speaks its query API: VictoriaMetrics, Thanos, Mimir.

//!
//! It is read and nothing else: the only requests that leave here are a GET of the two query endpoints, and for a query too
//! long for an address a POST of the same parameters to the same endpoint. Who verifies a deployment also sends a GET for the
//! server's own alerting rules and one for its Alertmanagers. No proxy of the environment is used and no
//! redirect is followed, so that a query and its credentials reach the configured host and no other.

mod alerting;
mod endpoint;

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use orion_model::{Frame, Timestamp};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use url::Url;

use crate::decode::{AnswerLimits, Instants, StreamLine, decode, decode_range, decode_streams, excerpt, too_large};
use crate::error::SourceError;
use crate::session::QuerySession;
use crate::{Lines, Source};
pub use alerting::Alerting;
pub(crate) use endpoint::Dialect;
use endpoint::{Call, Endpoint};
pub use endpoint::{LOKI_ENDPOINTS, QUERY_ENDPOINTS};

/// Prometheus gives up on a query after two minutes; at the usual interval of a rule group the answer is wanted sooner.
const DEFAULT_TIMEOUT_MILLIS: u64 = 10_000;

/// What an HTTP error may say beside its status; an error page needs no more to be recognised.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// Below the five minutes after which Prometheus closes an idle connection: who closes first meets no race.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(90);

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
    /// Who asks. Credentials may stand in the address instead, not in both.
    pub credentials: Credentials,
}

impl Default for PrometheusSettings {
    fn default() -> Self {
        let limits = AnswerLimits::default();
        Self {
            timeout_millis: DEFAULT_TIMEOUT_MILLIS,
            max_answer_bytes: limits.max_answer_bytes,
            max_series_per_answer: limits.max_series_per_answer,
            compressed: false,
            credentials: Credentials::None,
        }
    }
}

/// Where requests of a source go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// A name, or an address; one of IPv6 in brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
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
    endpoint: Endpoint,
    client: Client,
    timeout_millis: u64,
    limits: AnswerLimits,
    dialect: Dialect,
    /// Sent along with every query.
    headers: HeaderMap,
}

impl Prometheus {
    /// A source named `name` at `base_url`, such as `http://prometheus:9090` or `https://host/prefix`. Nothing is sent
    /// before the first query.
    pub fn new(name: &str, base_url: &str, settings: PrometheusSettings) -> Result<Self, SourceError> {
        Self::speaking(Dialect::Prometheus, name, base_url, settings, HeaderMap::new())
    }

    /// The same for who is asked at other paths, with headers of its own.
    pub(crate) fn speaking(
        dialect: Dialect,
        name: &str,
        base_url: &str,
        settings: PrometheusSettings,
        headers: HeaderMap,
    ) -> Result<Self, SourceError> {
        let misconfigured = |why| SourceError::Misconfigured { name: name.to_owned(), why };
        if settings.timeout_millis == 0 {
            return Err(misconfigured("its timeout is zero; leave it out or give it some seconds".into()));
        }
        let endpoint = Endpoint::new(base_url, &settings.credentials, dialect).map_err(misconfigured)?;
        let client = client(&endpoint, &settings).map_err(|why| misconfigured(innermost(&why)))?;
        Ok(Self {
            name: name.to_owned(),
            endpoint,
            client,
            timeout_millis: settings.timeout_millis,
            limits: AnswerLimits {
                max_answer_bytes: settings.max_answer_bytes,
                max_series_per_answer: settings.max_series_per_answer,
            },
            dialect,
            headers,
        })
    }

    /// The one place it ever sends to.
    pub fn destination(&self) -> Destination {
        self.endpoint.destination()
    }

    /// The address, without credentials.
    pub fn address(&self) -> &str {
        self.endpoint.shown()
    }

    /// Lines of log streams, which only Loki has.
    pub(crate) async fn lines_of_streams(&self, lines: Lines<'_>) -> Result<Vec<StreamLine>, SourceError> {
        let instant = Timestamp::from_millis(lines.until_nanos / 1_000_000);
        let call = self.endpoint.lines_call(lines);
        let body = self.answer(&call, &mut QuerySession::new(lines.query), instant).await?;
        decode_streams(&body)
    }

    async fn ask(&self, call: &Call) -> Result<Response, SourceError> {
        let answer = match self.request(call).send().await {
            // A kept connection that died unnoticed says nothing about the source. A query changes nothing, so it may
            // be sent again; the second time over a new connection.
            Err(why) if !why.is_connect() && !why.is_timeout() => self.request(call).send().await,
            answer => answer,
        };
        answer.map_err(|why| self.no_answer(&why))
    }

    fn request(&self, call: &Call) -> RequestBuilder {
        let request = match call {
            Call::Get(url) => self.client.get(url.clone()),
            Call::Post(url, form) => self
                .client
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone()),
        };
        let request = request.headers(self.headers.clone());
        match self.endpoint.credentials() {
            Credentials::None => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
        }
    }

    fn no_answer(&self, why: &reqwest::Error) -> SourceError {
        let url = self.endpoint.shown().to_owned();
        if why.is_timeout() {
            SourceError::TimedOut { url, timeout_millis: self.timeout_millis }
        } else {
            SourceError::Unreachable { url, why: innermost(why) }
        }
    }

    /// Reads the body in pieces and stops at the limit, so that no answer fills the memory before it is refused.
    async fn body(&self, response: &mut Response, max_bytes: usize) -> Result<Body, SourceError> {
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut body = Vec::with_capacity(announced.min(max_bytes));
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(Body::Whole(body)),
                Ok(Some(piece)) if body.len() + piece.len() > max_bytes => {
                    let room = max_bytes - body.len();
                    body.extend_from_slice(piece.get(..room).unwrap_or_default());
                    return Ok(Body::Beginning(body));
                }
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Err(why) if why.is_timeout() => return Err(self.no_answer(&why)),
                Err(_) => return Err(SourceError::Truncated { received_bytes: body.len() }),
            }
        }
    }

    /// The whole body of a good answer.
    async fn answer(
        &self,
        call: &Call,
        session: &mut QuerySession,
        instant: Timestamp,
    ) -> Result<Vec<u8>, SourceError> {
        self.answer_within(self.limits, call, session, instant).await
    }

    async fn answer_within(
        &self,
        limits: AnswerLimits,
        call: &Call,
        session: &mut QuerySession,
        instant: Timestamp,
    ) -> Result<Vec<u8>, SourceError> {
        let mut response = self.ask(call).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response, session, instant).await);
        }
        match self.body(&mut response, limits.max_answer_bytes).await? {
            Body::Whole(body) => Ok(body),
            Body::Beginning(body) => Err(too_large(&body, limits)),
        }
    }

    /// What an answer that is no 200 means.
    async fn refusal(&self, mut response: Response, session: &mut QuerySession, instant: Timestamp) -> SourceError {
        let (url, status) = (self.endpoint.shown().to_owned(), response.status().as_u16());
        if response.status().is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            return SourceError::Redirected { url, status, location: shown_location(location) };
        }
        let body = match self.body(&mut response, MAX_ERROR_BODY_BYTES).await {
            Ok(Body::Whole(body) | Body::Beginning(body)) => body,
            // The status is known and says more than the way its explanation broke off.
            Err(_) => Vec::new(),
        };
        match decode(&body, session, instant, self.limits) {
            Err(said @ SourceError::Api { .. }) => said,
            // Loki says in plain words what is wrong with a query, or that it asks for too much.
            _ if self.dialect == Dialect::Loki && status == StatusCode::BAD_REQUEST.as_u16() => {
                SourceError::Api { error_type: "bad_data".to_owned(), message: excerpt(&body, 0) }
            }
            _ => SourceError::Http { url, status, excerpt: excerpt(&body, 0) },
        }
    }
}

/// A body, as far as it was read.
enum Body {
    Whole(Vec<u8>),
    /// There was more than allowed.
    Beginning(Vec<u8>),
}

#[async_trait]
impl Source for Prometheus {
    fn name(&self) -> &str {
        &self.name
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        let call = self.endpoint.call(session.expr(), instant, self.timeout_millis);
        let body = self.answer(&call, session, instant).await?;
        decode(&body, session, instant, self.limits)
    }

    async fn query_range(&self, session: &mut QuerySession, instants: Instants) -> Result<Vec<Frame>, SourceError> {
        self.look(session, instants, self.limits).await
    }

    async fn look(
        &self,
        session: &mut QuerySession,
        instants: Instants,
        limits: AnswerLimits,
    ) -> Result<Vec<Frame>, SourceError> {
        if instants.count == 0 {
            return Ok(Vec::new());
        }
        let limits = limits.and(self.limits);
        let call = self.endpoint.range_call(session.expr(), instants, self.timeout_millis);
        let body = self.answer_within(limits, &call, session, instants.first).await?;
        decode_range(&body, session, instants, limits)
    }

    fn page(&self, expr: &str, from: Timestamp, to: Timestamp) -> Option<String> {
        self.endpoint.page(expr, from, to)
    }
}

fn client(endpoint: &Endpoint, settings: &PrometheusSettings) -> Result<Client, reqwest::Error> {
    // The first caller installs it; for all later ones it is there, and that is no error.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut headers = HeaderMap::new();
    if !settings.compressed {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    let builder = Client::builder()
        .user_agent(concat!("orion/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .gzip(settings.compressed)
        .no_proxy()
        .redirect(Policy::none())
        .http1_only()
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE_CONNECTION_KEPT)
        .timeout(Duration::from_millis(settings.timeout_millis));
    if endpoint.is_encrypted() {
        builder.build()
    } else {
        // Nothing will be encrypted, and a machine without any certificate authorities can still be served.
        builder.tls_certs_only([]).build()
    }
}

/// What went wrong at the bottom; the layers above repeat the address, which may hold what is not to be shown.
fn innermost(why: &reqwest::Error) -> String {
    let mut cause = why.source();
    let mut text = if cause.is_none() { "the request cannot be built".to_owned() } else { String::new() };
    while let Some(deeper) = cause {
        text = deeper.to_string();
        cause = deeper.source();
    }
    text
}

fn shown_location(location: Option<&str>) -> String {
    match location.map(Url::parse) {
        None => "nowhere".to_owned(),
        Some(Ok(url)) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
        }
        // Relative: a path on the same host.
        Some(Err(_)) => location.and_then(|path| path.split('?').next()).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests;
