//! Hosts that share a Redis let go of what is old like one that is alone: each from its own store and files, and only what every stage of
//! the deployment has read, wherever that stage runs.

use orion_bus::SqliteBus;
use orion_lab::{RedisOptions, RedisServer};

use crate::support::{Deployment, Running, history};

/// Ten days, and what of them is older than [`KEEP`].
const RECORDS: i64 = 480;
const OLD: u64 = 400;
const KEEP: &str = "39h30m";

/// How far the Brain has read: nobody may let go of what is behind that.
const READ: u64 = 100;

/// A host of a deployment that came from a folder with a past.
fn host_with_a_past(redis: &RedisServer) -> Deployment {
    let host = Deployment::new("http://127.0.0.1:9").with("REDIS_URL", &redis.url());
    let host = host.with("ORION_NODE_NAME", "one").with("ORION_LEASE", "2s");
    history::fill_read_until(&host.path("memory"), RECORDS, i64::try_from(READ).unwrap());
    let moved = host.orion(&["migrate", "--to", "redis"]);
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    host
}

/// Up to which position the host's store holds nothing.
fn gone(host: &Deployment) -> u64 {
    SqliteBus::open_read_only(&host.path("memory")).unwrap().forgotten().unwrap()
}

fn end(host: &Deployment, running: Running) {
    assert!(running.terminate().success());
    let audit = host.orion(&["audit", "verify"]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}

#[test]
fn nothing_goes_that_a_stage_has_yet_to_read_and_everything_old_when_it_has() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let host = host_with_a_past(&redis);
    let small = ("ORION_MEMORY__ROTATE_BYTES", "8KiB");

    let kept = ("ORION_MEMORY__KEEP", KEEP);

    // Nobody decides anything in the deployment at the moment.
    let running = host.start_with(&[small, kept, ("ORION_ROLES", "watcher,guardian,memory")]);
    host.wait_until("what may go to be gone", |it| gone(it) >= READ);
    host.wait_until("the start", |it| it.attestations().len() == 1);
    end(&host, running);
    assert_eq!(gone(&host), READ);

    let running = host.start_with(&[small, kept]);
    host.wait_until("what is old to be gone", |it| gone(it) >= OLD);
    end(&host, running);
    assert!((OLD..OLD + 10).contains(&gone(&host)), "{}", gone(&host));
}
