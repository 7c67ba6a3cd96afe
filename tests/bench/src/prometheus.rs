//! A real Prometheus whose share in the work is known.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use orion_lab::{Exporter, Prometheus, ScrapeConfig};

use crate::cpu::{self, ProcessId};
use crate::deployment::PATIENCE;
use crate::error::BenchError;

/// Often enough that the answers are alive, rare enough that scraping is a small part of what Prometheus does.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// How long Prometheus is watched alone, to know what it does without Orion.
const ALONE: Duration = Duration::from_secs(15);

/// A Prometheus with one exporter.
pub struct Measured {
    prometheus: Prometheus,
    process: ProcessId,
    /// CPU seconds that it takes in a second without being asked.
    idle: f64,
}

/// What was done in a while.
pub struct Spent {
    /// Queries that Prometheus answered.
    pub queries: f64,
    /// CPU time of the one who asked.
    pub asking: Duration,
    /// CPU time of Prometheus beyond what it takes without Orion.
    pub prometheus: Duration,
}

impl Measured {
    /// Starts it, waits until `expr` has an answer that contains `text`, and watches it idle.
    pub fn start(exporter: &Exporter, expr: &str, text: &str) -> Result<Self, BenchError> {
        let config = ScrapeConfig::every(SCRAPE_EVERY).target(exporter.job(), exporter.address());
        let prometheus = Prometheus::start(&config)?;
        let process = ProcessId::of_child_with(&format!("--web.listen-address={}", prometheus.address()))?;
        prometheus.wait_for(expr, text, PATIENCE)?;
        // The scrape that is under way belongs to the start.
        std::thread::sleep(SCRAPE_EVERY);
        let before = process.cpu()?;
        std::thread::sleep(ALONE);
        let idle = (process.cpu()? - before).as_secs_f64() / ALONE.as_secs_f64();
        Ok(Self { prometheus, process, idle })
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        self.prometheus.url()
    }

    /// What both processes spend from now on for so long.
    pub fn watch(&self, orion: ProcessId, how_long: Duration) -> Result<Spent, BenchError> {
        let queries_before = self.queries()?;
        let (began, orion_before, own_before) = (Instant::now(), orion.cpu()?, self.process.cpu()?);
        std::thread::sleep(how_long);
        let (orion_after, own_after, took) = (orion.cpu()?, self.process.cpu()?, began.elapsed());
        let queries = self.queries()? - queries_before;
        let idle = took.mul_f64(self.idle);
        Ok(Spent {
            queries,
            asking: orion_after - orion_before,
            prometheus: (own_after - own_before).saturating_sub(idle),
        })
    }

    /// How many queries it has answered well.
    pub fn queries(&self) -> Result<f64, BenchError> {
        const COUNTER: &str = r#"prometheus_http_requests_total{code="200",handler="/api/v1/query"} "#;
        let metrics =
            get(self.prometheus.address(), "/metrics").map_err(BenchError::failed("read Prometheus' metrics"))?;
        let count = metrics.lines().find_map(|line| line.strip_prefix(COUNTER)?.trim().parse().ok());
        Ok(count.unwrap_or(0.0))
    }

    /// What it costs to ask these questions at this pace over one kept connection and to look at nothing: nobody who asks
    /// this Prometheus on this machine gets away with less. CPU time of the asking thread, and of Prometheus.
    pub fn bare(&self, exprs: &[String], every: Duration, how_long: Duration) -> Result<Spent, BenchError> {
        const WHAT: &str = "ask Prometheus over a bare socket";
        let connection = TcpStream::connect(self.prometheus.address()).map_err(BenchError::failed(WHAT))?;
        connection.set_nodelay(true).map_err(BenchError::failed(WHAT))?;
        let mut reader = BufReader::new(&connection);
        let (began, own_before, before) = (Instant::now(), self.process.cpu()?, cpu::of_this_thread());
        let mut queries = 0_u32;
        for expr in exprs.iter().cycle() {
            ask(&connection, &mut reader, expr).map_err(BenchError::failed(WHAT))?;
            queries += 1;
            let next = every * queries;
            if next > how_long {
                break;
            }
            std::thread::sleep(next.saturating_sub(began.elapsed()));
        }
        let (asking, own_after) = (cpu::of_this_thread() - before, self.process.cpu()?);
        let idle = began.elapsed().mul_f64(self.idle);
        let prometheus = (own_after - own_before).saturating_sub(idle);
        Ok(Spent { queries: f64::from(queries), asking, prometheus })
    }

    /// Says it in a note.
    pub fn idle_note(&self) -> String {
        format!("Prometheus alone: {:.1} ms CPU/s, subtracted", self.idle * 1_000.0)
    }
}

/// One query, its answer read and thrown away.
fn ask(mut connection: &TcpStream, reader: &mut impl BufRead, expr: &str) -> std::io::Result<()> {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("query", expr).finish();
    write!(connection, "GET /api/v1/query?{query} HTTP/1.1\r\nHost: prometheus\r\n\r\n")?;
    let (mut line, mut length) = (String::new(), 0_u64);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let value = line.to_ascii_lowercase();
        let value = value.strip_prefix("content-length:").and_then(|value| value.trim().parse().ok());
        length = value.unwrap_or(length);
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).map(drop)
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
