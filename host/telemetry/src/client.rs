//! What carries a batch of spans to a collector: the HTTP client that is there already.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::redirect::Policy;

use crate::TelemetryError;
use crate::endpoint::Endpoint;

/// How long a collector has for a batch.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(5);

/// What of an answer is read: it says what was not taken, in a few words.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A client that sends to one place.
#[derive(Debug)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, TelemetryError> {
        // The first caller installs it; for all later ones it is there, and that is no error.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder()
            .user_agent(concat!("orion/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(Policy::none())
            .http1_only()
            .timeout(ANSWER_TIME);
        let client = match endpoint.is_encrypted() {
            true => builder.build(),
            // Nothing will be encrypted, and a machine without any certificate authorities can still send.
            false => builder.tls_certs_only([]).build(),
        };
        client.map(Self).map_err(|error| TelemetryError::Sender(error.to_string()))
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let sent = self.0.post(head.uri.to_string()).headers(head.headers).body(body).send().await?;
        let (status, headers) = (sent.status(), sent.headers().clone());
        let mut response = Response::new(beginning(sent).await?);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }
}

/// The body, or as much of it as is read.
async fn beginning(mut sent: reqwest::Response) -> Result<Bytes, HttpError> {
    let mut body = Vec::new();
    while let Some(piece) = sent.chunk().await? {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if body.len() >= MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(body.into())
}
