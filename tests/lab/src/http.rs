//! As much HTTP/1.1 as the lab needs, over plain sockets: a server on a loopback port, a GET and a POST.
//!
//! A framework would refuse to send the broken answers that tests are about.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::LabError;

/// A request's head and body stay below this; more comes from a broken client, and reading on would hang the test.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;

/// How long the lab's own client waits for one of its servers.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that a server of the lab received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// Body, for those that have one.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads one request; `None` when the client is done.
    fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut limited = reader.take(MAX_REQUEST_BYTES);
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            line.clear();
            if limited.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let mut request = Self { method, target, headers, body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        limited.take(length).read_to_end(&mut request.body)?;
        Ok(Some(request))
    }
}

/// An ordinary answer.
pub(crate) fn response(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status} Lab\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// What a server does with a connection after a request.
pub(crate) enum Next {
    /// Wait for the next request.
    KeepOpen,
    /// Close it.
    Close,
}

/// Answers one request by writing to the connection.
pub(crate) type Handler = Arc<dyn Fn(&Request, &mut TcpStream) -> std::io::Result<Next> + Send + Sync>;

/// A server on a loopback port, until it is stopped or dropped.
pub(crate) struct Server {
    address: SocketAddr,
    handler: Handler,
    running: Option<Running>,
}

struct Running {
    stopping: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts on a free port.
    pub(crate) fn start(handler: Handler) -> Result<Self, LabError> {
        let mut server = Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), handler, running: None };
        server.restart()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens again on the port it had; nothing to do while it listens.
    pub(crate) fn restart(&mut self) -> Result<(), LabError> {
        if self.running.is_some() {
            return Ok(());
        }
        let listener =
            TcpListener::bind(self.address).map_err(LabError::io(format!("cannot listen on {}", self.address)))?;
        self.address = listener.local_addr().map_err(LabError::io("cannot learn the port"))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let accepting = std::thread::spawn({
            let (stopping, connections, handler) = (stopping.clone(), connections.clone(), self.handler.clone());
            move || accept(&listener, &stopping, &connections, &handler)
        });
        self.running = Some(Running { stopping, connections, accepting });
        Ok(())
    }

    /// Closes the listening socket and every connection: from now on a client is refused.
    pub(crate) fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stopping.store(true, Ordering::SeqCst);
        // The thread waits in accept(); a connection wakes it. If none can be made, it is not waiting.
        drop(TcpStream::connect(self.address));
        drop(running.accepting.join());
        for connection in lock(&running.connections).drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &TcpListener, stopping: &AtomicBool, connections: &Arc<Mutex<Vec<TcpStream>>>, handler: &Handler) {
    for connection in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        if let Ok(clone) = connection.try_clone() {
            let mut open = lock(connections);
            // Forgets the dead ones: the clone would keep their descriptor.
            open.retain(|connection| connection.peer_addr().is_ok());
            open.push(clone);
        }
        let handler = handler.clone();
        std::thread::spawn(move || {
            // A client that goes away in the middle is its own business.
            drop(serve(&connection, &handler));
            drop(connection.shutdown(Shutdown::Both));
        });
    }
}

fn serve(connection: &TcpStream, handler: &Handler) -> std::io::Result<()> {
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = Request::read(&mut reader)? {
        let asked_to_close = request.header("connection") == Some("close");
        if matches!(handler(&request, &mut writer)?, Next::Close) || asked_to_close {
            break;
        }
    }
    Ok(())
}

/// The status and body of a GET.
pub(crate) fn get(address: SocketAddr, target: &str) -> Result<(u16, Vec<u8>), LabError> {
    exchange(address, "GET", target, &[], &[])
}

/// The status and body that a POST is answered with.
pub(crate) fn post(
    address: SocketAddr,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, Vec<u8>), LabError> {
    exchange(address, "POST", target, headers, body)
}

fn exchange(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(u16, Vec<u8>), LabError> {
    let mut head = format!("{method} {target} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    send(address, &[head.as_bytes(), body].concat())
        .map_err(|why| LabError::Http { url: format!("http://{address}{target}"), why: why.to_string() })
}

fn send(address: SocketAddr, request: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let mut connection = TcpStream::connect_timeout(&address, CLIENT_TIMEOUT)?;
    connection.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    // HTTP/1.0, so that no server answers in chunks and the end of the body is the end of the connection.
    connection.write_all(request)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let head = head_end.and_then(|end| std::str::from_utf8(answer.get(..end)?).ok());
    let status = head.and_then(|head| head.split_whitespace().nth(1)?.parse().ok());
    match (status, head_end) {
        (Some(status), Some(end)) => Ok((status, answer.split_off(end + 4))),
        _ => Err(std::io::Error::other("no HTTP answer")),
    }
}

/// `text` as it may stand in a query parameter.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A value of a query or form as it was meant. What is no escape stays as it is.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = || u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok();
        let (byte, taken) = match first {
            b'+' => (b' ', 0),
            b'%' => escaped().map_or((b'%', 0), |byte| (byte, 2)),
            byte => (*byte, 0),
        };
        bytes.push(byte);
        rest = after.get(taken..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A lock that a panicking test thread left behind is still a lock: the data are lists of finished things.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Server {
        Server::start(Arc::new(|request, connection| {
            connection.write_all(&response(200, "text/plain", request.target.as_bytes()))?;
            Ok(Next::Close)
        }))
        .unwrap()
    }

    #[test]
    fn a_stopped_server_refuses_and_a_restarted_one_answers_on_the_same_port() {
        let mut server = hello();
        let address = server.address();
        assert_eq!(get(address, "/a").unwrap(), (200, b"/a".to_vec()));
        server.stop();
        assert!(get(address, "/a").is_err());
        server.restart().unwrap();
        assert_eq!(server.address(), address);
        assert_eq!(get(address, "/b").unwrap(), (200, b"/b".to_vec()));
    }

    #[test]
    fn stopping_ends_connections_that_are_kept_open() {
        let mut server = Server::start(Arc::new(|_, connection| {
            connection.write_all(&response(200, "text/plain", b"x"))?;
            Ok(Next::KeepOpen)
        }))
        .unwrap();
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        server.stop();
        // Whether by an orderly end or by a reset: the connection must not outlive the server.
        client.set_read_timeout(Some(CLIENT_TIMEOUT)).unwrap();
        let mut rest = Vec::new();
        if let Err(why) = client.read_to_end(&mut rest) {
            assert_ne!(why.kind(), std::io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn what_is_special_in_a_query_is_escaped() {
        let text = "up{a=\"é\"} > 1";
        assert_eq!(percent_decoded(&percent_encoded(text)), text);
        assert_eq!(percent_decoded("a+b%zz%2"), "a b%zz%2");
        assert_eq!(percent_encoded("up{a=\"é\"} > 1"), "up%7Ba%3D%22%C3%A9%22%7D%20%3E%201");
    }
}
