//! A stand-in for Loki: it answers queries in the words of Loki's documentation, with what a function of the question says.
//!
//! It is no Loki and understands no LogQL. A real one is not at hand for tests: what is held against it is the form of the
//! conversation, as it is documented, and what Orion makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use crate::answering::Answered;
use crate::error::LabError;
use crate::http::{Next, Request, Server, lock, percent_decoded, response};

/// What a query comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum LokiAnswer {
    /// These series.
    Series(Vec<Answered>),
    /// Lines, as for a query that counts nothing.
    Lines,
    /// It is no query, in Loki's words.
    BadQuery(String),
    /// Too much is asked of it.
    Busy,
}

/// A stand-in for Loki.
pub struct LokiStandIn {
    server: Server,
    requests: Arc<Mutex<Vec<Request>>>,
    lines: Arc<Mutex<BTreeSet<Line>>>,
}

/// Time, labels of the stream, text. Loki, too, has each once.
type Line = (i64, Vec<(String, String)>, String);

/// What Loki says of the work that an answer was, as its documentation has it, in short.
const STATISTICS: &str = r#"{"ingester":{"compressedBytes":0,"decompressedBytes":0,"headChunkBytes":0,"totalReached":0},"store":{"chunksDownloadTime":0,"totalChunksRef":0},"summary":{"bytesProcessedPerSecond":0,"execTime":0.000003,"linesProcessedPerSecond":0,"totalBytesProcessed":0}}"#;

impl LokiStandIn {
    /// Starts on a free port.
    pub fn start(answer: impl Fn(&str) -> LokiAnswer + Send + Sync + 'static) -> Result<Self, LabError> {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let lines: Arc<Mutex<BTreeSet<Line>>> = Arc::default();
        let (heard, kept) = (requests.clone(), lines.clone());
        let server = Server::start(Arc::new(move |request, connection| {
            lock(&heard).push(request.clone());
            let (status, kind, body) = said(request, &lock(&kept), &answer);
            connection.write_all(&response(status, kind, body.as_bytes()))?;
            Ok(Next::KeepOpen)
        }))?;
        Ok(Self { server, requests, lines })
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A line comes in.
    pub fn push(&self, at_nanos: i64, labels: &[(&str, &str)], text: &str) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        lock(&self.lines).insert((at_nanos, labels, text.to_owned()));
    }

    /// Everything that was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// Closes its port and all connections.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Listens again on the same port.
    pub fn restart(&mut self) -> Result<(), LabError> {
        self.server.restart()
    }
}

fn said(request: &Request, lines: &BTreeSet<Line>, answer: impl Fn(&str) -> LokiAnswer) -> (u16, &'static str, String) {
    const JSON: &str = "application/json; charset=UTF-8";
    const TEXT: &str = "text/plain; charset=utf-8";
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let is_range = path == "/loki/api/v1/query_range";
    if (path != "/loki/api/v1/query" && !is_range) || request.method != "GET" {
        return (404, TEXT, "404 page not found\n".to_owned());
    }
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value)).next().unwrap_or_default()
    };
    match answer(&parameter("query")) {
        LokiAnswer::Series(series) => (200, JSON, vector(&parameter("time"), &series)),
        LokiAnswer::Lines if is_range => {
            let number = |name: &str| parameter(name).parse::<i64>().unwrap_or_default();
            let (start, end, limit) = (number("start"), number("end"), number("limit").unsigned_abs() as usize);
            let wanted = lines.iter().filter(|(at, ..)| (start..end).contains(at)).take(limit);
            (200, JSON, ranged(wanted))
        }
        LokiAnswer::Lines => (200, JSON, streams()),
        LokiAnswer::BadQuery(why) => (400, TEXT, why),
        LokiAnswer::Busy => (429, TEXT, "too many outstanding requests".to_owned()),
    }
}

fn vector(time: &str, series: &[Answered]) -> String {
    let mut body = r#"{"status":"success","data":{"resultType":"vector","result":["#.to_owned();
    for (index, (labels, value)) in series.iter().enumerate() {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(body, r#"{comma}{{"metric":{{{}}},"value":[{time},"{value}"]}}"#, labels.join(","));
    }
    let _ = write!(body, r#"],"stats":{STATISTICS}}}}}"#);
    body
}

/// The lines by their streams. Texts of tests have nothing in them that JSON would write otherwise than Rust does.
fn ranged<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let mut streams: BTreeMap<&[(String, String)], Vec<String>> = BTreeMap::new();
    for (at, labels, text) in lines {
        streams.entry(labels).or_default().push(format!(r#"["{at}",{text:?}]"#));
    }
    let stream = |(labels, values): (&[(String, String)], Vec<String>)| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name:?}:{value:?}")).collect();
        format!(r#"{{"stream":{{{}}},"values":[{}]}}"#, labels.join(","), values.join(","))
    };
    let result = streams.into_iter().map(stream).collect::<Vec<_>>().join(",");
    format!(r#"{{"status":"success","data":{{"resultType":"streams","result":[{result}],"stats":{STATISTICS}}}}}"#)
}

fn streams() -> String {
    format!(
        r#"{{"status":"success","data":{{"resultType":"streams","result":[{{"stream":{{"filename":"/var/log/myproject.log","job":"varlogs","level":"info"}},"values":[["1569266497240578000","foo"],["1569266492548155000","bar"]]}}],"stats":{STATISTICS}}}}}"#
    )
}
