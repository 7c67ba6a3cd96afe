//! Asks a running Orion over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::{Deployment, PATIENCE};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn read(answer: &[u8]) -> Self {
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {answer:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: lines.filter_map(header).collect(), body: body.to_owned() }
    }
}

/// Opens a connection that waits for answers no longer than any test does.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request as it is, and reads until the other end has said everything.
pub fn exchange(stream: &mut (impl Read + Write), request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::read(&answer)
}

/// Asks with this method and these headers.
pub fn ask(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = connect(address);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    exchange(&mut stream, &format!("{method} {target} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n"))
}

/// Sends a body with these headers, and its length, which is said beforehand.
pub fn post(address: SocketAddr, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = connect(address);
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("POST {target} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n");
    exchange(&mut stream, &(head + body))
}

/// Sends JSON with these headers.
pub fn post_json(address: SocketAddr, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    post(address, target, &[&[("Content-Type", "application/json")], headers].concat(), body)
}

pub fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target, &[])
}

/// What comes over the stream of records.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Listens to it, with these parameters and lines of the head.
    pub fn open(address: SocketAddr, query: &str, headers: &str) -> Self {
        let mut stream = connect(address);
        stream.write_all(format!("GET /api/v1/stream{query} HTTP/1.0\r\n{headers}\r\n").as_bytes()).unwrap();
        let mut stream = Self(BufReader::new(stream));
        // The first words come when it listens.
        while stream.line().as_deref() != Some("retry: 2000") {}
        stream
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let bytes = self.0.read_line(&mut line).unwrap();
        (bytes > 0).then(|| line.trim_end().to_owned())
    }

    /// The next message: its id if it has one, its kind and itself.
    pub fn message(&mut self) -> Option<(Option<u64>, String, Value)> {
        let (mut id, mut kind) = (None, String::new());
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", position)) => id = Some(position.parse().unwrap()),
                Some(("event", word)) => word.clone_into(&mut kind),
                Some(("data", text)) => return Some((id, kind, serde_json::from_str(text).unwrap())),
                _ => {}
            }
        }
    }

    /// The next record, which has a position.
    pub fn record(&mut self) -> Option<(u64, String, Value)> {
        self.message().map(|(position, kind, record)| (position.unwrap(), kind, record))
    }
}

impl Deployment {
    /// Serves its HTTP interface at a port that is free.
    pub fn serving(self) -> Self {
        self.with("ORION_API__LISTEN", "127.0.0.1:0")
    }

    /// Where the Orion that was started last serves. Waits until it has said so.
    pub fn served_at(&self) -> SocketAddr {
        let mut address = None;
        self.wait_until("it to serve", |it| {
            let log = it.log();
            let starts = log.lines().filter(|line| line.contains("Orion observes; people act")).count();
            let said: Vec<_> = log.lines().filter(|line| line.contains("serving")).collect();
            address = said.last().and_then(|line| line.split("address=").nth(1)?.split(' ').next()?.parse().ok());
            address.is_some() && said.len() == starts
        });
        address.unwrap()
    }

    /// Where a demonstration serves, once it plays.
    pub fn demonstrated_at(&self) -> SocketAddr {
        let mut address = None;
        self.wait_until("the demonstration to play", |it| {
            let log = it.log();
            let said = log.lines().find_map(|line| line.split("address=").nth(1)?.split(' ').next()?.parse().ok());
            address = said.filter(|at| get(*at, "/api/v1/summary").status == 200);
            address.is_some()
        });
        address.unwrap()
    }

    /// The same, once it observes.
    pub fn served_ready_at(&self) -> SocketAddr {
        let address = self.served_at();
        self.wait_until("it to be ready", |_| get(address, "/-/ready").status == 200);
        address
    }
}
