//! An application with metrics, as far as Prometheus can tell.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::error::LabError;
use crate::http::{Next, Server, lock, response};

/// The content type of the text exposition format; Prometheus refuses to guess.
const EXPOSITION_TEXT: &str = "text/plain; version=0.0.4";

/// Serves `/metrics` with what the test set. Dropped: gone.
pub struct Exporter {
    job: String,
    series: Arc<Mutex<BTreeMap<String, f64>>>,
    server: Server,
}

impl Exporter {
    /// An exporter without metrics, to be scraped as `job`.
    pub fn start(job: &str) -> Result<Self, LabError> {
        Self::start_with(job, String::new)
    }

    /// An exporter whose text is made anew for each scrape; what the test sets stands behind it.
    pub fn start_with(job: &str, text: impl Fn() -> String + Send + Sync + 'static) -> Result<Self, LabError> {
        let series = Arc::new(Mutex::new(BTreeMap::new()));
        let server = Server::start(Arc::new({
            let series = series.clone();
            move |_, connection| {
                let mut body = text();
                write_series(&mut body, &lock(&series));
                connection.write_all(&response(200, EXPOSITION_TEXT, body.as_bytes()))?;
                Ok(Next::KeepOpen)
            }
        }))?;
        Ok(Self { job: job.to_owned(), series, server })
    }

    /// The job it is scraped as.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Sets a series, written as in the exposition format: `queue_length{name="x"}`.
    pub fn set(&self, series: &str, value: f64) {
        lock(&self.series).insert(series.to_owned(), value);
    }

    /// Takes a series away.
    pub fn remove(&self, series: &str) {
        lock(&self.series).remove(series);
    }

    /// Closes its port: the next scrape fails, and `up` becomes 0.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Listens again on the same port; its series are as they were.
    pub fn restart(&mut self) -> Result<(), LabError> {
        self.server.restart()
    }
}

fn write_series(body: &mut String, series: &BTreeMap<String, f64>) {
    for (name, value) in series {
        // Rust writes infinities as `inf`, which the exposition format reads in any case.
        let _ = writeln!(body, "{name} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::get;

    #[test]
    fn an_exporter_serves_what_was_set_last() {
        let exporter = Exporter::start("demo").unwrap();
        exporter.set("b", 1.0);
        exporter.set("a{x=\"y\"}", 0.5);
        exporter.set("b", f64::NAN);
        exporter.set("c", 3.0);
        exporter.remove("c");
        let (status, body) = get(exporter.address(), "/metrics").unwrap();
        assert_eq!((status, String::from_utf8(body).unwrap().as_str()), (200, "a{x=\"y\"} 0.5\nb NaN\n"));
    }
}
