//! A server that answers as no healthy Prometheus does.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::LabError;
use crate::http::{Next, Request, Server, lock, response};

/// How a [`MisbehavingServer`] answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 with this JSON, and the connection kept.
    Json(String),
    /// 200 with a page of HTML, as from a login proxy.
    Html,
    /// This status with this body, said to be JSON.
    Status(u16, String),
    /// 302 to this address.
    Redirect(String),
    /// 200 with a body cut off after `sent` bytes: the rest of what Content-Length promised never comes.
    Cut {
        /// The whole body.
        body: String,
        /// How much of it is sent.
        sent: usize,
    },
    /// 200 and the first half of the body at once; the other half after a pause.
    Slow {
        /// The whole body.
        body: String,
        /// The pause.
        pause: Duration,
    },
    /// 200 and then `prefix` and spaces, this many bytes in all, without a Content-Length.
    Huge {
        /// How it begins.
        prefix: String,
        /// How long it is.
        bytes: u64,
    },
    /// The connection is closed without a byte.
    Close,
    /// These bytes, whatever they are, and the connection closed.
    Raw(Vec<u8>),
}

/// Answers every request with the reply it was told last, and remembers the requests.
pub struct MisbehavingServer {
    reply: Arc<Mutex<Reply>>,
    requests: Arc<Mutex<Vec<Request>>>,
    server: Server,
}

impl MisbehavingServer {
    /// Starts on a free port.
    pub fn start(reply: Reply) -> Result<Self, LabError> {
        let reply = Arc::new(Mutex::new(reply));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Server::start(Arc::new({
            let (reply, requests) = (reply.clone(), requests.clone());
            move |request, connection| {
                lock(&requests).push(request.clone());
                let reply = lock(&reply).clone();
                send(&reply, connection)
            }
        }))?;
        Ok(Self { reply, requests, server })
    }

    /// What it answers from now on.
    pub fn set(&self, reply: Reply) {
        *lock(&self.reply) = reply;
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        self.server.url()
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

const JSON: &str = "application/json";
const HTML: &[u8] = b"<!DOCTYPE html><html><body>Please sign in</body></html>";

fn send(reply: &Reply, connection: &mut TcpStream) -> std::io::Result<Next> {
    match reply {
        Reply::Json(body) => {
            connection.write_all(&response(200, JSON, body.as_bytes()))?;
            return Ok(Next::KeepOpen);
        }
        Reply::Html => connection.write_all(&response(200, "text/html", HTML))?,
        Reply::Status(status, body) => connection.write_all(&response(*status, JSON, body.as_bytes()))?,
        Reply::Redirect(to) => {
            write!(connection, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")?;
        }
        Reply::Cut { body, sent } => {
            let whole = response(200, JSON, body.as_bytes());
            let end = whole.len() - body.len() + sent;
            connection.write_all(whole.get(..end).unwrap_or(&whole))?;
        }
        Reply::Slow { body, pause } => {
            let whole = response(200, JSON, body.as_bytes());
            let (now, later) = whole.split_at(whole.len() - body.len() / 2);
            connection.write_all(now)?;
            std::thread::sleep(*pause);
            connection.write_all(later)?;
        }
        Reply::Huge { prefix, bytes } => send_huge(prefix, *bytes, connection)?,
        Reply::Close => {}
        Reply::Raw(bytes) => connection.write_all(bytes)?,
    }
    Ok(Next::Close)
}

fn send_huge(prefix: &str, bytes: u64, connection: &mut TcpStream) -> std::io::Result<()> {
    static SPACES: [u8; 64 * 1024] = [b' '; 64 * 1024];
    write!(connection, "HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nConnection: close\r\n\r\n{prefix}")?;
    let mut left = bytes.saturating_sub(prefix.len() as u64);
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(SPACES.len());
        connection.write_all(SPACES.get(..piece).unwrap_or_default())?;
        left -= piece as u64;
    }
    Ok(())
}
