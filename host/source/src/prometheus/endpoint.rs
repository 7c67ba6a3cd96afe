//! Where a Prometheus is, and who asks: the address from the configuration, taken apart once.
//!
//! Credentials leave the address here and never come back: what errors and logs show is [`Endpoint::shown`].

use std::fmt;

use orion_model::Timestamp;
use percent_encoding::percent_decode_str;
use url::Url;

use super::{Credentials, Destination};
use crate::Lines;
use crate::decode::Instants;

/// Longer addresses go into the body of a POST: proxies refuse request lines from 4 to 8 KiB on, some from 2.
const MAX_URL_BYTES: usize = 2 * 1024;

/// Everything that a pipeline ever asks, by the path behind the address: an instant, and many instants.
pub const QUERY_ENDPOINTS: [&str; 2] = [QUERY, QUERY_RANGE];
const QUERY: &str = "/api/v1/query";
const QUERY_RANGE: &str = "/api/v1/query_range";

/// The same at a Loki.
pub const LOKI_ENDPOINTS: [&str; 2] = [LOKI_QUERY, LOKI_QUERY_RANGE];
const LOKI_QUERY: &str = "/loki/api/v1/query";
const LOKI_QUERY_RANGE: &str = "/loki/api/v1/query_range";

/// Where those ask who are asked in the form of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Prometheus itself, and whoever imitates it.
    Prometheus,
    /// Loki: other paths, the same answers. Only GET is documented for it, and no `timeout`.
    Loki,
}

impl Dialect {
    const fn paths(self) -> [&'static str; 2] {
        match self {
            Self::Prometheus => QUERY_ENDPOINTS,
            Self::Loki => LOKI_ENDPOINTS,
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Prometheus => "http://prometheus:9090",
            Self::Loki => "http://loki:3100",
        }
    }
}

/// What only somebody who verifies a deployment asks.
const ALERTMANAGERS: &str = "/api/v1/alertmanagers";
const RULES: &str = "/api/v1/rules";

/// The page that people look at graphs on. Nothing is sent there; Prometheus 3 leads on from it to its new one.
const GRAPH: &str = "/graph";

/// The endpoints of one Prometheus.
pub(super) struct Endpoint {
    base_url: Url,
    base_path: String,
    query_url: Url,
    range_url: Url,
    dialect: Dialect,
    shown: String,
    credentials: Credentials,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.shown).finish()
    }
}

/// One query on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Everything in the address.
    Get(Url),
    /// The parameters as a form.
    Post(Url, String),
}

impl Endpoint {
    /// Takes `base_url` apart; the error says what to write instead.
    pub(super) fn new(base_url: &str, credentials: &Credentials, dialect: Dialect) -> Result<Self, String> {
        let example = dialect.example();
        let mut url = Url::parse(base_url.trim())
            .map_err(|why| format!("its address is no URL ({why}); write it like {example} or https://host/prefix"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(format!("its address must begin with http:// or https:// and a host, like {example}"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("its address must end with the path: leave off `?` or `#` and what follows".into());
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if path.ends_with("/api/v1") || path.ends_with("/api/v1/query") {
            return Err(match dialect {
                Dialect::Prometheus => "its address must stop before /api/v1, which is added for each query".into(),
                Dialect::Loki => "its address must stop before /loki/api/v1, which is added for each query".into(),
            });
        }
        let credentials = credentials_for(&url, credentials)?;
        // Neither can fail for an http address with a host.
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        stripped.map_err(|()| "its address cannot carry credentials".to_owned())?;
        url.set_path(&path);
        let shown = url.as_str().trim_end_matches('/').to_owned();
        let (mut query_url, mut range_url) = (url.clone(), url.clone());
        let [query, range] = dialect.paths();
        query_url.set_path(&format!("{path}{query}"));
        range_url.set_path(&format!("{path}{range}"));
        Ok(Self { base_url: url, base_path: path, query_url, range_url, dialect, shown, credentials })
    }

    /// The address without credentials.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Host and port that requests go to.
    pub(super) fn destination(&self) -> Destination {
        let host = self.query_url.host_str().unwrap_or_default();
        // An http address always has one of them.
        let port = self.query_url.port_or_known_default().unwrap_or_default();
        Destination { host: host.to_owned(), port }
    }

    /// How to ask which Alertmanagers it tells.
    pub(super) fn alertmanagers_call(&self) -> Call {
        self.call_to_path(ALERTMANAGERS, None)
    }

    /// How to ask for its own alerting rules.
    pub(super) fn rules_call(&self) -> Call {
        self.call_to_path(RULES, Some("type=alert"))
    }

    /// Where a person sees a query as a graph. Loki has no pages of its own.
    pub(super) fn page(&self, expr: &str, from: Timestamp, to: Timestamp) -> Option<String> {
        if self.dialect == Dialect::Loki {
            return None;
        }
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{GRAPH}", self.base_path));
        let span = to.millis_since(from).max(1_000) / 1_000;
        // Without the fraction and the zone: every version reads that, as UTC.
        let end: String = to.to_string().replace('T', " ").chars().take("2026-01-31 12:00:00".len()).collect();
        url.query_pairs_mut()
            .append_pair("g0.expr", expr)
            .append_pair("g0.tab", "0")
            .append_pair("g0.range_input", &format!("{span}s"))
            .append_pair("g0.end_input", &end);
        Some(url.into())
    }

    fn call_to_path(&self, path: &str, query: Option<&str>) -> Call {
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{path}", self.base_path));
        url.set_query(query);
        Call::Get(url)
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.query_url.scheme() == "https"
    }

    /// Who asks.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// How to ask for `expr` at `instant`.
    pub(super) fn call(&self, expr: &str, instant: Timestamp, timeout_millis: u64) -> Call {
        let at = [("time", instant.as_prometheus())];
        self.call_to(&self.query_url, expr, &at, timeout_millis)
    }

    /// How to ask for `expr` at many instants.
    pub(super) fn range_call(&self, expr: &str, instants: Instants, timeout_millis: u64) -> Call {
        let step = seconds(instants.step_millis.unsigned_abs());
        let (start, end) = (instants.first.as_prometheus(), instants.last().as_prometheus());
        self.call_to(&self.range_url, expr, &[("start", start), ("end", end), ("step", step)], timeout_millis)
    }

    /// How to ask for lines: the oldest first.
    pub(super) fn lines_call(&self, lines: Lines<'_>) -> Call {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", lines.query)
            .append_pair("start", &lines.from_nanos.to_string())
            .append_pair("end", &lines.until_nanos.to_string())
            .append_pair("limit", &lines.limit.to_string())
            .append_pair("direction", "forward")
            .finish();
        let mut url = self.range_url.clone();
        url.set_query(Some(&form));
        Call::Get(url)
    }

    fn call_to(&self, url: &Url, expr: &str, at: &[(&str, String)], timeout_millis: u64) -> Call {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expr).extend_pairs(at);
        if self.dialect == Dialect::Prometheus {
            form.append_pair("timeout", &seconds(timeout_millis));
        }
        let form = form.finish();
        let is_long = url.as_str().len() + 1 + form.len() > MAX_URL_BYTES;
        if is_long && self.dialect == Dialect::Prometheus {
            return Call::Post(url.clone(), form);
        }
        let mut url = url.clone();
        url.set_query(Some(&form));
        Call::Get(url)
    }
}

/// Seconds with a point: the one form of a duration that Prometheus and those who imitate it all read.
fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn credentials_for(url: &Url, told: &Credentials) -> Result<Credentials, String> {
    let in_address = !url.username().is_empty() || url.password().is_some();
    match told {
        Credentials::None if in_address => Ok(Credentials::Basic {
            user: percent_decoded(url.username())?,
            password: percent_decoded(url.password().unwrap_or_default())?,
        }),
        _ if in_address => Err("it has credentials both in its address and in its settings; keep one".into()),
        // Files that hold a token end with a newline, and headers cannot.
        Credentials::Bearer(token) => match token.trim() {
            token if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Credentials::Bearer(token.to_owned()))
            }
            _ => Err("its bearer token is empty or has characters that a header cannot carry".into()),
        },
        other => Ok(other.clone()),
    }
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| "the credentials in its address are not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_732_174_269_007);

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::new(url, &Credentials::None, Dialect::Prometheus).unwrap()
    }

    fn get(url: &str) -> String {
        match endpoint(url).call("up == 1", T0, 10_000) {
            Call::Get(url) => url.to_string(),
            Call::Post(..) => panic!("a short query is a GET"),
        }
    }

    #[test]
    fn a_query_goes_below_the_prefix_of_the_address() {
        let query = "query?query=up+%3D%3D+1&time=1732174269.007&timeout=10.000";
        assert_eq!(get("http://p:9090"), format!("http://p:9090/api/v1/{query}"));
        assert_eq!(get(" http://p:9090/ "), format!("http://p:9090/api/v1/{query}"));
        assert_eq!(get("https://p/a/b/"), format!("https://p/a/b/api/v1/{query}"));
    }

    #[test]
    fn a_long_query_is_posted_to_the_same_endpoint_and_a_shorter_one_is_not() {
        let endpoint = endpoint("http://p");
        let around = "http://p/api/v1/query?query=&time=1732174269.007&timeout=10.000".len();
        let longest = "x".repeat(MAX_URL_BYTES - around);
        assert!(matches!(endpoint.call(&longest, T0, 10_000), Call::Get(_)));
        let Call::Post(url, form) = endpoint.call(&format!("{longest}x"), T0, 10_000) else {
            panic!("too long for GET")
        };
        assert_eq!(url.as_str(), "http://p/api/v1/query");
        assert!(form.starts_with("query=xxx") && form.ends_with("x&time=1732174269.007&timeout=10.000"));
    }

    #[test]
    fn credentials_leave_the_address_and_are_never_shown() {
        let endpoint = endpoint("http://me:p%40ss%2B@p:9090/x");
        let basic = Credentials::Basic { user: "me".into(), password: "p@ss+".into() };
        assert_eq!(*endpoint.credentials(), basic);
        assert_eq!(endpoint.shown(), "http://p:9090/x");
        for shown in [format!("{endpoint:?}"), format!("{basic:?}"), format!("{:?}", endpoint.call("up", T0, 1))] {
            assert!(!shown.contains("p%40ss") && !shown.contains("p@ss"), "{shown}");
        }
        assert!(!format!("{:?}", Credentials::Bearer("secret".into())).contains("secret"));
        assert!(
            Endpoint::new("http://me@p", &basic, Dialect::Prometheus)
                .unwrap_err()
                .contains("both in its address and in its settings")
        );
    }

    #[test]
    fn a_token_may_end_with_a_newline_and_contain_nothing_odd() {
        let of = |token: &str| Endpoint::new("http://p", &Credentials::Bearer(token.into()), Dialect::Prometheus);
        assert_eq!(*of("abc\n").unwrap().credentials(), Credentials::Bearer("abc".into()));
        for odd in ["", "a b", "é", "a\nb"] {
            let why = of(odd).unwrap_err();
            assert!(why.contains("bearer token") && !why.contains("a b"), "{why}");
        }
    }

    #[test]
    fn the_destination_is_the_host_and_its_port_or_the_usual_one() {
        let of = |address: &str| {
            let Destination { host, port } =
                Endpoint::new(address, &Credentials::None, Dialect::Prometheus).unwrap().destination();
            format!("{host} {port}")
        };
        assert_eq!(of("http://user:secret@prometheus:9090/prefix"), "prometheus 9090");
        assert_eq!(of("http://10.0.0.1"), "10.0.0.1 80");
        assert_eq!(of("https://[::1]"), "[::1] 443");
    }

    #[test]
    fn an_address_that_cannot_work_is_refused_with_what_to_write() {
        let cases = [
            ("", "write it like http://prometheus:9090"),
            ("prometheus", "write it like http://prometheus:9090"),
            ("localhost:9090", "must begin with http://"),
            ("ftp://p", "must begin with http://"),
            ("http://p/?a=b", "leave off `?`"),
            ("http://p/#a", "leave off `?`"),
            ("http://p/api/v1", "stop before /api/v1"),
            ("http://p/x/api/v1/query/", "stop before /api/v1"),
        ];
        for (address, advice) in cases {
            let why = Endpoint::new(address, &Credentials::None, Dialect::Prometheus).unwrap_err();
            assert!(why.contains(advice), "{address}: {why}");
        }
    }

    #[test]
    fn a_graph_is_on_the_page_of_prometheus_without_credentials_and_loki_has_none() {
        let page = |dialect| {
            let at = Endpoint::new("https://me:secret@p/x", &Credentials::None, dialect).unwrap();
            at.page("up == 0 & \"a\"", T0, T0.plus_millis(90_000))
        };
        let expected = "https://p/x/graph?g0.expr=up+%3D%3D+0+%26+%22a%22&g0.tab=0&g0.range_input=90s&g0.end_input=2024-11-21+07%3A32%3A39";
        assert_eq!(page(Dialect::Prometheus).as_deref(), Some(expected));
        assert_eq!(page(Dialect::Loki), None);
    }

    #[test]
    fn a_loki_is_asked_at_its_own_path_and_only_with_get() {
        let endpoint = Endpoint::new("http://l:3100/x/", &Credentials::None, Dialect::Loki).unwrap();
        let url = |call: Call| match call {
            Call::Get(url) => url.to_string(),
            Call::Post(..) => panic!("Loki is only asked with GET"),
        };
        let expr = "count_over_time({a=\"b\"}[1m])";
        let query = "query=count_over_time%28%7Ba%3D%22b%22%7D%5B1m%5D%29";
        assert_eq!(
            url(endpoint.call(expr, T0, 10_000)),
            format!("http://l:3100/x/loki/api/v1/query?{query}&time=1732174269.007")
        );
        assert!(url(endpoint.call(&"x".repeat(2 * MAX_URL_BYTES), T0, 10_000)).len() > MAX_URL_BYTES);
        let why = Endpoint::new("http://l/loki/api/v1", &Credentials::None, Dialect::Loki).unwrap_err();
        assert!(why.contains("stop before /loki/api/v1"));
    }
}
