//! A running Orion, asked over its own HTTP interface from wherever its people sit. What can be sent to it is what it takes: a mark, a rule set, or that a
//! job is wanted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use orion_source::Destination;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::redirect::Policy;
use reqwest::tls::Certificate;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use crate::arguments::{ListenArgs, duration};
use crate::cli::Failure;
use crate::itself::reachable;

/// More than any answer of the interface has.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Which Orion is asked, and as whom.
#[derive(Args, Clone)]
pub struct RemoteArgs {
    /// Address of a running Orion [default: the one of this machine]
    #[arg(long, value_name = "URL", env = "ORION_API_URL")]
    pub url: Option<String>,
    /// File with the token that says who asks; needed where Orion serves other machines
    #[arg(long, value_name = "FILE", env = "ORION_API_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust beside those that the system trusts
    #[arg(long, value_name = "FILE", env = "ORION_API_CA")]
    pub ca: Option<PathBuf>,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: i64,
}

/// A running Orion.
pub struct Remote {
    client: Client,
    base: Url,
    token: Option<HeaderValue>,
}

impl Remote {
    /// The one that is asked for, or the one that these settings have serve here. Nothing is asked yet.
    pub fn of(args: &RemoteArgs, here: &ListenArgs) -> Result<Self, Failure> {
        let url = match &args.url {
            Some(url) => url.clone(),
            None => format!("http://{}", reachable(here.address()?)),
        };
        let token = args.token_file.as_deref().map(token).transpose()?;
        Ok(Self { client: client(args, &url)?, base: base(&url)?, token })
    }

    /// The one that is asked for, and no other.
    pub fn there(args: &RemoteArgs) -> Result<Self, Failure> {
        let url = args.url.as_deref().unwrap_or_default();
        let token = args.token_file.as_deref().map(token).transpose()?;
        Ok(Self { client: client(args, url)?, base: base(url)?, token })
    }

    /// Whether nobody on the way reads along: TLS, or no way at all.
    pub fn is_private(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_here =
            host.parse::<IpAddr>().map_or(host == "localhost", |address| address.to_canonical().is_loopback());
        self.base.scheme() == "https" || is_here
    }

    /// What is connected to.
    pub fn destination(&self) -> Option<Destination> {
        let (host, port) = (self.base.host_str()?.to_owned(), self.base.port_or_known_default()?);
        Some(Destination { host, port })
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What it answers at a path such as `api/v1/summary`. The error says who did not answer what, and why.
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        self.ask(self.client.get(self.at(path)?), path).await
    }

    /// The same, with something to be recorded.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(self.sending(path, body)?, path).await
    }

    /// The same, with something that is judged.
    pub async fn offer(&self, path: &str, body: &Value) -> Result<Offered, String> {
        match self.exchange(self.sending(path, body)?, path).await? {
            (StatusCode::UNPROCESSABLE_ENTITY, Some(why)) => Ok(Offered::Refused(why)),
            (status, answer) => self.good(path, status, answer).map(Offered::Taken),
        }
    }

    /// A page after the other of a list, until there is no further one or `most` items are there.
    pub async fn items(&self, path: &str, most: usize) -> Result<Vec<Value>, String> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{cursor}")).await?;
            let of_page = page.get("items").and_then(Value::as_array).cloned();
            items.extend(of_page.ok_or_else(|| format!("{}/{path} answers without `items`", self.address()))?);
            let Some(next) = page.get("next").and_then(Value::as_str).filter(|_| items.len() < most) else {
                items.truncate(most);
                return Ok(items);
            };
            let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
            cursor = format!("{}cursor={next}", if path.contains('?') { '&' } else { '?' });
        }
    }

    /// The same, with something that has to begin where what was taken ends.
    pub async fn hand_over(&self, path: &str, body: String) -> Result<Handed, String> {
        let request = self.client.post(self.at(path)?).header(CONTENT_TYPE, "application/json").body(body);
        match self.exchange(request, path).await? {
            (StatusCode::CONFLICT, Some(answer)) if answer.get("taken").is_some() => {
                Ok(Handed::Elsewhere(answer.get("taken").cloned().unwrap_or_default()))
            }
            (status, answer) => self.good(path, status, answer).map(Handed::Taken),
        }
    }

    /// What it answers at a path, if that is not what it answered when it gave this tag.
    pub async fn newer(&self, path: &str, etag: Option<&str>) -> Result<Newer, String> {
        let mut request = self.client.get(self.at(path)?);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let (status, headers, body) = self.send(request, path).await?;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        match (status, answer) {
            (StatusCode::NOT_MODIFIED, _) => Ok(Newer::Same),
            (StatusCode::NOT_FOUND, Some(why)) => Ok(Newer::None(refusal(status, Some(&why)))),
            (status, answer) => {
                let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
                self.good(path, status, answer).map(|value| Newer::Other(value, etag))
            }
        }
    }

    fn sending(&self, path: &str, body: &Value) -> Result<RequestBuilder, String> {
        let request = self.client.post(self.at(path)?).header(CONTENT_TYPE, "application/json");
        Ok(request.body(body.to_string()))
    }

    fn at(&self, path: &str) -> Result<Url, String> {
        self.base.join(path).map_err(|error| format!("{path}: {error}"))
    }

    async fn ask(&self, request: RequestBuilder, path: &str) -> Result<Value, String> {
        let (status, answer) = self.exchange(request, path).await?;
        self.good(path, status, answer)
    }

    fn good(&self, path: &str, status: StatusCode, answer: Option<Value>) -> Result<Value, String> {
        match answer {
            Some(value) if status.is_success() => Ok(value),
            value => Err(format!("{}/{path}: {}", self.address(), refusal(status, value.as_ref()))),
        }
    }

    /// What comes back, if it is JSON.
    async fn exchange(&self, request: RequestBuilder, path: &str) -> Result<(StatusCode, Option<Value>), String> {
        let (status, _, body) = self.send(request, path).await?;
        Ok((status, serde_json::from_slice(&body).ok()))
    }

    async fn send(&self, request: RequestBuilder, path: &str) -> Result<(StatusCode, HeaderMap, Vec<u8>), String> {
        let mut request = request.header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let silent = |error: &reqwest::Error| {
            format!("{} does not answer: {} (--url says where it serves)", self.address(), innermost(error))
        };
        let mut answer = request.send().await.map_err(|error| silent(&error))?;
        let (status, headers, mut body) = (answer.status(), answer.headers().clone(), Vec::new());
        while let Some(part) = answer.chunk().await.map_err(|error| silent(&error))? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(format!("{} answers {path} with more than {MAX_ANSWER_BYTES} bytes", self.address()));
            }
            body.extend_from_slice(&part);
        }
        Ok((status, headers, body))
    }
}

/// What became of something that was handed over.
pub enum Handed {
    /// What was answered.
    Taken(Value),
    /// It does not begin where what was taken ends; where that is.
    Elsewhere(Value),
}

/// What there is, for who knows something already.
pub enum Newer {
    /// The same.
    Same,
    /// Nothing, and why.
    None(String),
    /// Something else, and its tag.
    Other(Value, Option<String>),
}

/// What became of something that is judged.
pub enum Offered {
    /// What was answered.
    Taken(Value),
    /// It was looked at and is not good: all that is wrong with it.
    Refused(Value),
}

/// What a refusal says: the reason that Orion gives, or that whoever answers is none.
fn refusal(status: StatusCode, answer: Option<&Value>) -> String {
    let said = answer.and_then(|it| it.get("detail").or_else(|| it.get("title"))).and_then(Value::as_str);
    match (said, status) {
        (Some(said), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            format!("{said} (--token-file or ORION_API_TOKEN_FILE names a file with a token)")
        }
        (Some(said), _) => said.to_owned(),
        (None, _) => format!("the answer ({status}) is none of Orion's: see --url"),
    }
}

/// The address, so that paths go below it.
fn base(url: &str) -> Result<Url, Failure> {
    let wrong = |why: String| Failure::Configuration(format!("--url {url}: {why}; write it like http://host:9600"));
    let mut base = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it is no http:// or https:// address".to_owned()));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(wrong("it has a name or password in it; a token goes into a file, see --token-file".to_owned()));
    }
    let path = format!("{}/", base.path().trim_end_matches('/'));
    base.set_path(&path);
    Ok(base)
}

fn token(path: &Path) -> Result<HeaderValue, Failure> {
    let wrong = |why: String| Failure::Configuration(format!("--token-file {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| wrong("it holds no token: a token is one line of letters, digits and `-_.`".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(args: &RemoteArgs, url: &str) -> Result<Client, Failure> {
    // Whoever came first has installed the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let timeout = Duration::from_millis(u64::try_from(args.timeout).unwrap_or(u64::MAX));
    // A redirect would carry the token to somebody else.
    let mut builder = Client::builder().no_proxy().redirect(Policy::none()).timeout(timeout);
    if let Some(path) = &args.ca {
        let wrong = |why: String| Failure::Configuration(format!("--ca {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            return Err(wrong("it holds no certificate".to_owned()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if !url.starts_with("https:") {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(Failure::configuration)
}

/// The cause that a person can do something about.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_below_the_prefix_of_an_address() {
        for (url, there) in [
            ("http://h:9600", "http://h:9600/api/v1/summary"),
            ("https://h/orion", "https://h/orion/api/v1/summary"),
            ("https://h/orion/", "https://h/orion/api/v1/summary"),
        ] {
            assert_eq!(base(url).unwrap().join("api/v1/summary").unwrap().as_str(), there);
        }
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_with_what_to_write() {
        for (url, why) in [
            ("", "write it like http://host:9600"),
            ("host:9600", "no http:// or https:// address"),
            ("ftp://h", "no http:// or https:// address"),
            ("http://me:secret@h", "a token goes into a file"),
        ] {
            let said = base(url).unwrap_err().to_string();
            assert!(said.contains(why), "{url}: {said}");
        }
    }

    #[test]
    fn a_refusal_says_what_orion_says_and_where_a_token_is_named() {
        let said = serde_json::json!({ "title": "Unauthorized", "detail": "a token is needed" });
        assert_eq!(
            refusal(StatusCode::UNAUTHORIZED, Some(&said)),
            "a token is needed (--token-file or ORION_API_TOKEN_FILE names a file with a token)"
        );
        assert_eq!(refusal(StatusCode::NOT_FOUND, Some(&said)), "a token is needed");
        assert_eq!(refusal(StatusCode::OK, None), "the answer (200 OK) is none of Orion's: see --url");
    }
}
