//! Asks a running Orion over HTTP, for commands that need one answer and no library for it.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// More than an answer to a command ever has.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// A request.
pub struct Request<'a> {
    /// GET or POST.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// What the host is called.
    pub host: &'a str,
    /// Who asks, where that has to be said.
    pub token: Option<&'a str>,
    /// In JSON, where something is sent.
    pub body: Option<&'a str>,
}

/// An answer.
pub struct Answer {
    /// 200 when all is well.
    pub status: u16,
    /// Its text.
    pub body: String,
}

/// Asks, and reads until the other end has said everything.
pub fn exchange(address: SocketAddr, request: &Request<'_>, timeout: Duration) -> std::io::Result<Answer> {
    let Request { method, path, host, token, body } = request;
    // A token is one word; what is none would write other headers.
    if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Error::new(ErrorKind::InvalidInput, "the token is no word"));
    }
    let mut text = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n");
    if let Some(token) = token {
        text.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Error::new(ErrorKind::InvalidData, "what answers there is no Orion"))?;
    Ok(Answer { status, body: body.to_owned() })
}
