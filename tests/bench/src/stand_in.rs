//! A Prometheus that costs the measured process nothing it would not cost elsewhere, and remembers when it was asked what.
//!
//! For benchmarks of Orion alone: a real Prometheus cannot answer at once with fifty thousand series whose values move, and
//! does not say when a question came in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::BenchError;

/// An answer without series.
pub const NOTHING: &[u8] = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// A question as it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The query.
    pub expr: String,
    /// The instant, in seconds, as it was written.
    pub time: String,
}

/// How often is looked whether a question has come. When it came is known exactly all the same.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Makes the body of an answer.
pub type Answering = Arc<dyn Fn(&Question) -> Vec<u8> + Send + Sync>;

/// The server, until it is dropped.
pub struct StandIn {
    address: SocketAddr,
    asked: Asked,
    stopping: Arc<AtomicBool>,
}

type Asked = Arc<Mutex<Vec<(Instant, String)>>>;

impl StandIn {
    /// Starts on a free port.
    pub fn start(answering: Answering) -> Result<Self, BenchError> {
        let failed = "start the stand-in for Prometheus";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(BenchError::failed(failed))?;
        let address = listener.local_addr().map_err(BenchError::failed(failed))?;
        let (asked, stopping) = (Asked::default(), Arc::new(AtomicBool::new(false)));
        std::thread::spawn({
            let (asked, stopping) = (asked.clone(), stopping.clone());
            move || accept(&listener, &stopping, &asked, &answering)
        });
        Ok(Self { address, asked, stopping })
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many questions have come.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// When the first question came whose query contains `text`.
    pub fn first(&self, text: &str) -> Option<Instant> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().find(|(_, expr)| expr.contains(text)).map(|(at, _)| *at)
    }

    /// Waits for that question.
    pub fn wait_for(&self, text: &str, within: Duration) -> Result<Instant, BenchError> {
        let mut first = None;
        crate::deployment::wait_until(&format!("a question with `{text}`"), within, LOOK_EVERY, || {
            first = self.first(text);
            Ok(first.is_some())
        })?;
        first.ok_or_else(|| BenchError::Unequal(format!("nobody asked `{text}`")))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // The thread waits for a connection; this is one.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, stopping: &AtomicBool, asked: &Asked, answering: &Answering) {
    for connection in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        let (asked, answering) = (asked.clone(), answering.clone());
        std::thread::spawn(move || {
            // A client that goes away is killed together with what was measured.
            drop(serve(&connection, &asked, &answering));
            drop(connection.shutdown(Shutdown::Both));
        });
    }
}

fn serve(connection: &TcpStream, asked: &Asked, answering: &Answering) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let mut writer = connection;
    while let Some(question) = read(&mut reader)? {
        asked.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), question.expr.clone()));
        let body = answering(&question);
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len())?;
        writer.write_all(&body)?;
    }
    Ok(())
}

/// One question; `None` when the client is done. Only Orion asks here, so nothing is refused.
fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Question>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let query = line.split_whitespace().nth(1).and_then(|target| target.split_once('?')).map(|(_, query)| query);
    let query = query.unwrap_or_default().to_owned();
    let mut length = 0_u64;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut form = query.into_bytes();
    reader.take(length).read_to_end(&mut form)?;
    Ok(Some(parse(&form)))
}

fn parse(form: &[u8]) -> Question {
    let mut question = Question::default();
    for (name, value) in url::form_urlencoded::parse(form) {
        match name.as_ref() {
            "query" => question.expr = value.into_owned(),
            "time" => question.time = value.into_owned(),
            _ => {}
        }
    }
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_from_the_address_or_the_form() {
        let get = b"GET /api/v1/query?query=up+%3D%3D+1&time=5.000 HTTP/1.1\r\nHost: x\r\n\r\n";
        let post = b"POST /api/v1/query HTTP/1.1\r\nContent-Length: 28\r\n\r\nquery=up+%3D%3D+1&time=5.000";
        let expected = Question { expr: "up == 1".to_owned(), time: "5.000".to_owned() };
        assert_eq!(read(&mut &get[..]).unwrap(), Some(expected.clone()));
        assert_eq!(read(&mut &post[..]).unwrap(), Some(expected));
        assert_eq!(read(&mut &b""[..]).unwrap(), None);
    }
}
