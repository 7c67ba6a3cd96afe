//! The servers: whether they answer.

use orion_bus::survey;
use orion_model::Clock;
use orion_pipeline::clock::SystemClock;
use orion_pipeline::shares;
use orion_source::{QuerySession, Source as _};
use serde_json::json;

use crate::cli::{Failure, RunArgs};
use crate::finding::{Check, Fault, counted};
use crate::setup;

/// Asks for nothing that depends on what it scrapes.
const QUERY: &str = "vector(1)";

/// Whether Prometheus answers a query.
pub fn prometheus(args: &RunArgs) -> Result<Check, Failure> {
    const NAME: &str = "prometheus";
    let Ok(source) = args.watch.prometheus.source(args.watch.prometheus_timeout) else {
        return Ok(Check::not_seen(NAME, "not asked: see secrets".to_owned(), json!({})));
    };
    let (address, mut session) = (source.address().to_owned(), QuerySession::new(QUERY));
    let answer = setup::runtime()?.block_on(source.query(&mut session, SystemClock.now()));
    let mend = "start it, or say where it is with --prometheus-url (PROMETHEUS_URL); Orion runs without it, says so, and catches up";
    let failures = answer.err().map(|why| Fault::new(why.to_string(), mend)).into_iter().collect();
    Ok(Check::of(NAME, format!("{address} answers"), failures, json!({ "address": address })))
}

/// Whether Loki answers a query, where there is one.
pub fn loki(args: &RunArgs) -> Result<Check, Failure> {
    const NAME: &str = "loki";
    let source = match args.watch.loki.source(args.watch.loki_timeout) {
        Ok(Some(source)) => source,
        Ok(None) => return Ok(Check::not_seen(NAME, "none: no rule can ask the source `loki`".to_owned(), json!({}))),
        Err(_) => return Ok(Check::not_seen(NAME, "not asked: see secrets".to_owned(), json!({}))),
    };
    let (address, mut session) = (source.address().to_owned(), QuerySession::new(QUERY));
    let answer = setup::runtime()?.block_on(source.query(&mut session, SystemClock.now()));
    let mend = "start it, or say where it is with --loki-url (LOKI_URL), and whose logs are meant with --loki-tenant; Orion runs without \
                it, says so, and catches up";
    let failures = answer.err().map(|why| Fault::new(why.to_string(), mend)).into_iter().collect();
    Ok(Check::of(NAME, format!("{address} answers"), failures, json!({ "address": address })))
}

/// Whether the Redis where hosts meet answers, and who is there.
pub fn redis(args: &RunArgs) -> Result<Check, Failure> {
    const NAME: &str = "redis";
    let server = match args.deployment.redis.server() {
        Ok(Some(server)) => server,
        Ok(None) => {
            return Ok(Check::not_seen(
                NAME,
                "none: this host is alone and keeps everything itself".to_owned(),
                json!({}),
            ));
        }
        Err(_) => return Ok(Check::not_seen(NAME, "not asked: see secrets".to_owned(), json!({}))),
    };
    let look = survey(&server, &args.deployment.redis.redis_prefix, shares::place);
    match setup::runtime()?.block_on(look) {
        Ok(survey) => {
            let live = survey.nodes.iter().filter(|node| node.is_live).count();
            let facts = json!({ "server": server.to_string(), "hosts": survey.nodes.len(), "live": live });
            Ok(Check::of(
                NAME,
                format!("{server} answers; {} there, {live} of them live", counted(survey.nodes.len(), "host")),
                Vec::new(),
                facts,
            ))
        }
        Err(why) => {
            let mend = "start it, or say where it is with --redis-url (REDIS_URL); a host that runs goes on without it within its outbox";
            Ok(Check::of(
                NAME,
                String::new(),
                vec![Fault::new(why.to_string(), mend)],
                json!({ "server": server.to_string() }),
            ))
        }
    }
}
