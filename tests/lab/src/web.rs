//! A web server that has some files.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use crate::error::LabError;
use crate::http::{Next, Server, response};

/// Files by their paths, from the slash on; everything else is not there.
pub struct WebServer {
    server: Server,
}

impl WebServer {
    /// Starts on a free port.
    pub fn start(files: BTreeMap<String, Vec<u8>>) -> Result<Self, LabError> {
        let server = Server::start(Arc::new(move |request, connection| {
            let answer = match files.get(&request.target) {
                Some(bytes) if request.target.ends_with(".html") => response(200, "text/html; charset=utf-8", bytes),
                Some(bytes) => response(200, "application/octet-stream", bytes),
                None => response(404, "text/plain", b"not here"),
            };
            connection.write_all(&answer)?;
            Ok(Next::KeepOpen)
        }))?;
        Ok(Self { server })
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }
}
