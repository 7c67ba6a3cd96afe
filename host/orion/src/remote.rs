//! A running Orion, asked over its own HTTP interface from wherever its people sit. What can be sent to it is what it takes: a mark, or that a job is
//! wanted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::tls::Certificate;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use crate::cli::{Failure, ListenArgs, duration};
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
        let request = self.client.post(self.at(path)?).header(CONTENT_TYPE, "application/json");
        self.ask(request.body(body.to_string()), path).await
    }

    fn at(&self, path: &str) -> Result<Url, String> {
        self.base.join(path).map_err(|error| format!("{path}: {error}"))
    }

    async fn ask(&self, request: RequestBuilder, path: &str) -> Result<Value, String> {
        let mut request = request.header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let silent = |error: &reqwest::Error| {
            format!("{} does not answer: {} (--url says where it serves)", self.address(), innermost(error))
        };
        let mut answer = request.send().await.map_err(|error| silent(&error))?;
        let (status, mut body) = (answer.status(), Vec::new());
        while let Some(part) = answer.chunk().await.map_err(|error| silent(&error))? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(format!("{} answers {path} with more than {MAX_ANSWER_BYTES} bytes", self.address()));
            }
            body.extend_from_slice(&part);
        }
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        match value {
            Some(value) if status.is_success() => Ok(value),
            value => Err(format!("{}/{path}: {}", self.address(), refusal(status, value.as_ref()))),
        }
    }
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
