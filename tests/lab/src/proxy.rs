//! A proxy that remembers what passes: the witness that Orion only reads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::error::LabError;
use crate::http::{Next, Request, Server, lock, response};

/// Passes requests on to another server and remembers the line of each.
pub struct RecordingProxy {
    requests: Arc<Mutex<Vec<(String, String)>>>,
    server: Server,
}

impl RecordingProxy {
    /// A proxy before `upstream`.
    pub fn start(upstream: SocketAddr) -> Result<Self, LabError> {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Server::start(Arc::new({
            let requests = requests.clone();
            move |request: &Request, connection: &mut TcpStream| {
                lock(&requests).push((request.method.clone(), request.target.clone()));
                if forward(request, upstream, connection).is_err() {
                    connection.write_all(&response(502, "text/plain", b"the lab's proxy cannot reach its upstream"))?;
                }
                Ok(Next::Close)
            }
        }))?;
        Ok(Self { requests, server })
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Method and path with query of every request so far.
    pub fn requests(&self) -> Vec<(String, String)> {
        lock(&self.requests).clone()
    }

    /// Closes its port: to its clients the upstream is down.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Listens again on the same port.
    pub fn restart(&mut self) -> Result<(), LabError> {
        self.server.restart()
    }
}

/// One connection to the upstream for each request: where the answer ends is where that connection ends.
fn forward(request: &Request, upstream: SocketAddr, client: &mut TcpStream) -> std::io::Result<()> {
    let mut onward = TcpStream::connect(upstream)?;
    write!(onward, "{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.target)?;
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "connection") {
        write!(onward, "{name}: {value}\r\n")?;
    }
    write!(onward, "\r\n")?;
    onward.write_all(&request.body)?;
    let mut answer = Vec::new();
    onward.read_to_end(&mut answer)?;
    client.write_all(&answer)
}
