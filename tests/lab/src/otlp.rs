//! A collector that takes what is sent to it by OTLP over HTTP, and keeps it as it came.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use crate::error::LabError;
use crate::http::{Next, Request, Server, lock, response};

/// Keeps every request.
pub struct OtlpReceiver {
    server: Server,
    received: Arc<Mutex<Vec<Request>>>,
}

impl OtlpReceiver {
    /// Starts on a free port.
    pub fn start() -> Result<Self, LabError> {
        let received: Arc<Mutex<Vec<Request>>> = Arc::default();
        let kept = received.clone();
        let server = Server::start(Arc::new(move |request, connection| {
            lock(&kept).push(request.clone());
            // An empty message: everything was taken.
            connection.write_all(&response(200, "application/x-protobuf", b""))?;
            Ok(Next::KeepOpen)
        }))?;
        Ok(Self { server, received })
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Request> {
        lock(&self.received).clone()
    }
}
