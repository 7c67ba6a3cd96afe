//! Where a collector is.

use url::Url;

use crate::TelemetryError;

/// What OTLP over HTTP has for traces, behind the address of a collector.
const TRACES: &str = "v1/traces";

/// The address of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// `http://collector:4318`, or with a path before `/v1/traces`.
    pub fn parse(text: &str) -> Result<Self, TelemetryError> {
        let wrong = |why: &str| TelemetryError::Endpoint(why.to_owned());
        let url = Url::parse(text.trim()).map_err(|error| TelemetryError::Endpoint(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("it has to begin with http:// or https:// and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user or a password, and would be shown with them"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has to end with the path"));
        }
        Ok(Self(url))
    }

    /// A name, or an address; one of IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        // An http address always has one of them.
        self.0.port_or_known_default().unwrap_or_default()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Where traces are sent.
    pub(crate) fn traces(&self) -> String {
        format!("{}/{TRACES}", self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_behind_the_address_and_it_names_one_host_and_port() {
        for (text, traces, host, port) in [
            ("http://c:4318", "http://c:4318/v1/traces", "c", 4318),
            (" https://c/otel/ ", "https://c/otel/v1/traces", "c", 443),
            ("http://[::1]", "http://[::1]/v1/traces", "[::1]", 80),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.traces().as_str(), endpoint.host(), endpoint.port()), (traces, host, port));
        }
    }

    #[test]
    fn an_address_that_cannot_work_or_holds_a_secret_is_refused_with_what_to_write() {
        for text in ["", "collector:4318", "grpc://c", "http://me:secret@c", "http://c/?a=b", "http://c/#a"] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains("http://collector:4318") && !error.contains("secret@"), "{text}: {error}");
        }
    }
}
