//! The HTTP interface under load: deliveries that are on the disk when they are answered, requests, listeners, a scrape.
//!
//! Time on the wall: waiting for answers is what this is about.

mod client;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

pub(super) use self::client::Client;
use super::Context;
use crate::deployment::{Deployment, PATIENCE, Running, wait_until};
use crate::error::{BenchError, require};
use crate::report::{Figure, Target};
use crate::stand_in::{NOTHING, StandIn};

const LEAST_DELIVERIES: f64 = 2_000.0;
const MOST_DELIVERY_MILLIS: f64 = 50.0;
const MOST_REQUEST_MILLIS: f64 = 50.0;
const MOST_HEARD_MILLIS: f64 = 100.0;
const MOST_SCRAPE_MILLIS: f64 = 20.0;

/// Who delivers at once, each one delivery after the other.
const SENDERS: usize = 64;

/// How long is delivered, and how long is asked.
const SECONDS: usize = 5;

/// Requests a second, by how many.
const REQUESTS: usize = 1_000;
const ASKERS: usize = 20;

const LISTENERS: usize = 500;

/// Records that each of them hears.
const HEARD: usize = 20;

const RULES: usize = 1_000;
const SCRAPES: usize = 100;

/// What is asked of the interface, in turn: what the console asks most.
const TARGETS: [&str; 3] = ["/api/v1/summary", "/api/v1/events?limit=20", "/api/v1/incidents?limit=20"];

/// One hook, without a secret.
pub(super) const HOOKS: &str = "hooks: [{ name: bench, kind: alertmanager }]\n";

/// Measures it.
pub fn run(context: &Context) -> Result<Vec<Figure>, BenchError> {
    let prometheus = StandIn::start(Arc::new(|_| NOTHING.to_vec()))?;
    let deployment = Deployment::new(context.orion()?, &prometheus.url())?;
    deployment.file("hooks.yaml", HOOKS)?;
    deployment.rule_file("many.yaml", &rules())?;
    let (orion, address) = start(&deployment)?;
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start threads"))?;
    let figures = deployment.explained(runtime.block_on(measure(address)))?;
    deployment.explained(orion.terminate())?;
    Ok(figures)
}

fn rules() -> String {
    let rule = |n: usize| format!("      - {{ alert: Rule{n}, expr: bench_{n} > 0 }}\n");
    let rules: String = (0..RULES).map(rule).collect();
    format!("groups:\n  - name: many\n    interval: 60s\n    rules:\n{rules}")
}

/// Starts it where it serves, and waits until it is ready.
pub(super) fn start(deployment: &Deployment) -> Result<(Running, SocketAddr), BenchError> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let address = free.map_err(BenchError::failed("find a free port"))?;
    let listen = address.to_string();
    let variables = [("ORION_API__LISTEN", listen.as_str()), ("ORION_API__WEBHOOKS", "hooks.yaml")];
    let orion = deployment.start_with(&variables)?;
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::failed("start threads"))?;
    let is_ready = || {
        let asked = async { Client::connect(address, 0).await?.get("/-/ready").await };
        Ok(runtime.block_on(asked).is_ok())
    };
    deployment.explained(wait_until("it to be ready", PATIENCE, Duration::from_millis(50), is_ready))?;
    Ok((orion, address))
}

async fn measure(address: SocketAddr) -> Result<Vec<Figure>, BenchError> {
    let mut figures = deliveries(address).await?;
    figures.push(requests(address).await?);
    figures.push(listeners(address).await?);
    figures.push(scrapes(address).await?);
    Ok(figures)
}

/// As Alertmanager tells of one alert.
fn notification(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let began = orion_model::Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or_default());
    format!(
        r#"{{"version":"4","receiver":"orion","status":"firing","groupKey":"{{}}","externalURL":"http://am:9093","alerts":[{{"status":"firing","labels":{{"alertname":"Bench","severity":"warning","instance":"{name}"}},"annotations":{{"summary":"{name} is measured"}},"startsAt":"{began}","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p:9090/graph","fingerprint":"{name}"}}]}}"#
    )
}

async fn deliveries(address: SocketAddr) -> Result<Vec<Figure>, BenchError> {
    let began = Instant::now();
    let end = began + Duration::from_secs(SECONDS as u64);
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(async move {
            let (mut client, mut took) = (Client::connect(address, sender).await?, Vec::new());
            while Instant::now() < end {
                let body = notification(&format!("{sender}-{}", took.len()));
                took.push(client.post("/hooks/bench", &body).await?);
            }
            Ok(took)
        });
    }
    let took = gathered(senders).await?;
    let rate = took.len() as f64 / began.elapsed().as_secs_f64();
    let each = format!("one alert each, {SENDERS} at once, on the disk when answered");
    Ok(vec![
        Figure::new("deliveries", Target::AtLeast(LEAST_DELIVERIES), rate, "1/s").note(each),
        Figure::new("a delivery, p95", Target::AtMost(MOST_DELIVERY_MILLIS), p95(took), "ms"),
    ])
}

/// Paced: who is answered late asks late, and what it waited for counts from when it was due.
async fn requests(address: SocketAddr) -> Result<Figure, BenchError> {
    let (began, each) = (Instant::now(), REQUESTS * SECONDS / ASKERS);
    let mut askers = JoinSet::new();
    for asker in 0..ASKERS {
        askers.spawn(async move {
            let (mut client, mut took) = (Client::connect(address, asker).await?, Vec::new());
            for request in 0..each {
                let due = began + Duration::from_secs_f64((request * ASKERS + asker) as f64 / REQUESTS as f64);
                tokio::time::sleep_until(due.into()).await;
                let target = TARGETS.iter().cycle().nth(request);
                client.get(target.unwrap_or(&"/health")).await?;
                took.push(due.elapsed());
            }
            Ok(took)
        });
    }
    let took = gathered(askers).await?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = took.len() as f64 / seconds;
    let note = format!("{rate:.0} of {REQUESTS} requests/s were answered");
    Ok(Figure::new("a request, p95", Target::AtMost(MOST_REQUEST_MILLIS), p95(took), "ms").note(note))
}

async fn listeners(address: SocketAddr) -> Result<Figure, BenchError> {
    let mut listening = Vec::new();
    for listener in 0..LISTENERS {
        let mut client = Client::connect(address, listener).await?;
        client.listen().await?;
        listening.push(client);
    }
    let (mut sender, mut took) = (Client::connect(address, 0).await?, Vec::new());
    for record in 0..HEARD {
        let name = format!("heard-{record}.");
        let mut hearing = JoinSet::new();
        for mut client in listening.drain(..) {
            let name = name.clone();
            hearing.spawn(async move { client.hear(&name).await.map(|heard| (client, heard)) });
        }
        sender.post("/hooks/bench", &notification(&name)).await?;
        let committed = Instant::now();
        while let Some(heard) = hearing.join_next().await {
            let (client, heard) = heard.map_err(BenchError::failed("listen"))??;
            took.push(heard.saturating_duration_since(committed));
            listening.push(client);
        }
    }
    require(took.len() == LISTENERS * HEARD, || format!("{} were heard", took.len()))?;
    let note = format!("{LISTENERS} listeners, from the answer to the delivery, {HEARD} records");
    Ok(Figure::new("a record at a listener, p95", Target::AtMost(MOST_HEARD_MILLIS), p95(took), "ms").note(note))
}

async fn scrapes(address: SocketAddr) -> Result<Figure, BenchError> {
    let (mut client, mut took) = (Client::connect(address, 0).await?, Vec::new());
    for _ in 0..SCRAPES {
        took.push(client.get("/metrics").await?);
    }
    let note = format!("{RULES} rules");
    Ok(Figure::new("a scrape, p95", Target::AtMost(MOST_SCRAPE_MILLIS), p95(took), "ms").note(note))
}

async fn gathered(mut tasks: JoinSet<Result<Vec<Duration>, BenchError>>) -> Result<Vec<Duration>, BenchError> {
    let mut all = Vec::new();
    while let Some(took) = tasks.join_next().await {
        all.extend(took.map_err(BenchError::failed("wait for a client"))??);
    }
    Ok(all)
}

/// What 95 of a hundred did not exceed, in milliseconds; NaN of none.
fn p95(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took.get(took.len() * 95 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
}
