//! The compose files, as the loader of Docker Compose reads them, and the configurations that they mount.

use std::collections::BTreeSet;
use std::path::Path;

use orion_lab::{RedisOptions, RedisServer};
use serde_json::Value;

use super::{repository, said, taken, text, tool};
use crate::support::Deployment;

const LAB: &str = "deploy/lab/docker-compose.monitoring.yml";
const ALONE: &str = "deploy/docker/compose.yaml";

/// Each exactly so: of some a newer-looking name is another thing.
const IMAGES: [&str; 7] = [
    "ghcr.io/google/cadvisor:0.60.5",
    "grafana/alloy:v1.18.1",
    "grafana/grafana:13.2",
    "grafana/loki:3.7.6",
    "prom/prometheus:v3.14.0",
    "quay.io/prometheus/node-exporter:v1.12.1",
    "redis:8-alpine",
];

/// Images that hold nothing which could ask.
const WITHOUT_A_HEALTH_CHECK: [&str; 2] = ["alloy", "loki"];

/// What the loader makes of a file, with everything filled in.
fn loaded(file: &str) -> Value {
    let mut compose = tool("docker-compose");
    compose.env("PROMETHEUS_URL", "http://prometheus.example:9090").arg("--file").arg(repository(file));
    serde_json::from_str(&taken(compose.args(["config", "--format", "json"]))).unwrap()
}

fn services(file: &Value) -> impl Iterator<Item = (&String, &Value)> {
    file["services"].as_object().unwrap().iter()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_service_runs_with_the_least_and_is_published_to_this_machine_alone() {
    for file in [LAB, ALONE].map(loaded) {
        for (name, service) in services(&file) {
            assert_eq!(service["read_only"], true, "{name}");
            assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
            assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
            assert!(service["privileged"].is_null() && service["cap_add"].is_null(), "{name}");
            for limit in ["mem_limit", "cpus", "pids_limit"] {
                assert!(!service[limit].is_null(), "{name} has no {limit}");
            }
            assert!(service["logging"]["options"]["max-size"].is_string(), "{name} may fill the disk with its log");
            for port in list(&service["ports"]) {
                assert_eq!(port["host_ip"], "127.0.0.1", "{name}");
            }
            let asked = !service["healthcheck"].is_null();
            assert_eq!(asked, !WITHOUT_A_HEALTH_CHECK.contains(&name.as_str()), "{name}");
            let waits_for = service["depends_on"].as_object().into_iter().flat_map(|on| on.keys());
            for other in waits_for {
                assert!(!WITHOUT_A_HEALTH_CHECK.contains(&other.as_str()), "{name} would wait for ever for {other}");
            }
            for variable in service["environment"].as_object().into_iter().flat_map(|all| all.keys()) {
                let is_file = variable.ends_with("_FILE") || variable.ends_with("_KEYS");
                let is_secret = ["PASSWORD", "TOKEN", "SECRET"].iter().any(|word| variable.contains(word));
                assert!(is_file || !is_secret, "{name}: {variable} holds a secret and not a file");
            }
        }
    }
}

#[test]
fn the_lab_has_the_images_it_was_made_for_and_neither_alert_rules_nor_an_alertmanager() {
    let lab = loaded(LAB);
    let images: BTreeSet<&str> = services(&lab).filter_map(|(_, service)| service["image"].as_str()).collect();
    assert_eq!(images, BTreeSet::from(IMAGES));
    assert_eq!(services(&lab).count(), IMAGES.len() + 1, "and Orion, which is built");
    assert!(services(&lab).all(|(name, _)| !name.contains("alertmanager")));
    let prometheus = text("deploy/prometheus/prometheus.yml");
    assert!(!prometheus.contains("rule_files") && !prometheus.contains("alerting"), "watching is Orion's part");
    let flags = lab["services"]["prometheus"]["command"].to_string();
    assert!(flags.contains("--storage.tsdb.retention.time=7d"), "{flags}");
    assert!(text("deploy/loki/loki.yaml").contains("retention_period: 168h"));
}

#[test]
fn what_is_mounted_is_there_and_rules_are_mounted_as_a_folder() {
    for (file, compose) in [LAB, ALONE].map(|file| (file, loaded(file))) {
        let root = repository("");
        for (name, service) in services(&compose) {
            for mount in list(&service["volumes"]).iter().filter(|mount| mount["type"] == "bind") {
                let source = Path::new(mount["source"].as_str().unwrap());
                // Secrets are made when they are needed; what lies elsewhere is the machine's.
                if source.starts_with(&root) && !source.starts_with(root.join("deploy/lab/secrets")) {
                    assert!(source.is_dir(), "{file}, {name}: {} is no folder", source.display());
                }
                assert_eq!(mount["read_only"], true, "{file}, {name}: {}", source.display());
            }
        }
        let rules = list(&compose["services"]["orion"]["volumes"]).iter().find(|it| it["target"] == "/etc/orion/rules");
        assert_eq!(rules.unwrap()["source"], root.join("rules").to_str().unwrap());
    }
}

#[test]
fn the_bus_leads_nowhere_and_only_orion_and_redis_are_on_it() {
    let lab = loaded(LAB);
    assert_eq!(lab["networks"]["bus"]["internal"], true);
    let on_it = services(&lab).filter(|(_, service)| service["networks"].get("bus").is_some());
    assert_eq!(on_it.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["orion", "redis"]);
}

#[test]
fn promtool_takes_the_configuration_of_the_lab_and_every_service_with_metrics_is_scraped() {
    let configuration = repository("deploy/prometheus/prometheus.yml");
    // The token that it names is made with the other secrets.
    taken(tool("promtool").args(["check", "config", "--syntax-only"]).arg(configuration));
    let scraped = text("deploy/prometheus/prometheus.yml");
    for target in ["node-exporter:9100", "cadvisor:8080", "orion:9600", "loki:3100", "grafana:3000", "alloy:12345"] {
        assert!(scraped.contains(&format!("targets: [\"{target}\"]")), "{target}");
    }
}

/// Everything that is given and asked for with the lab's secrets, by the servers that are there.
#[test]
fn the_secrets_of_the_lab_are_made_once_and_let_orion_reach_its_own_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("secrets.sh");
    std::fs::copy(repository("deploy/lab/secrets.sh"), &script).unwrap();
    // The kit of this build, under the name that the script looks for.
    let kit = Path::new(env!("CARGO_BIN_EXE_orion")).with_file_name("orion-kit");
    std::os::unix::fs::symlink(&kit, folder.path().join("orion-kit")).unwrap();
    assert!(kit.exists(), "{} is not built: build the whole workspace", kit.display());
    let path = super::toolchains::path(&[folder.path()]);
    let run = || taken(tool(script.to_str().unwrap()).env("PATH", &path));
    run();
    let read = |name: &str| std::fs::read_to_string(folder.path().join("secrets").join(name)).unwrap();
    let names = ["grafana_password", "redis_password", "redis_users", "orion_token", "token-keys/issuer.pub"];
    let first = names.map(read);
    assert!(first.iter().all(|secret| secret.len() > 40), "{first:?}");
    run();
    assert_eq!(names.map(read), first, "what is there stays");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&folder.path().join("secrets").metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);

    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    // Last the one as whom all of this is said.
    for line in read("redis_users").lines().rev() {
        let words: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(line.split(' ').skip(1)).collect();
        assert_eq!(redis.command(&words).unwrap(), "OK", "{line}");
    }
    assert!(redis.command(&["PING"]).is_err(), "nobody comes in without a name");
    let port = redis.address().port().to_string();
    let ask = |user: &str, password: &str, words: &[&str]| {
        let mut client = tool("redis-cli");
        client.args(["-p", &port, "-e", "--no-auth-warning", "--user", user, "--pass", password]).args(words);
        said(&client.output().unwrap())
    };
    assert_eq!(ask("health", "health", &["ping"]).trim(), "PONG");
    assert!(ask("health", "health", &["get", "x"]).contains("NOPERM"));
    let password = read("redis_password");
    for words in [["set", "other", "1"].as_slice(), &["flushall"], &["config", "get", "*"], &["acl", "list"]] {
        assert!(ask("orion", &password, words).contains("NOPERM"), "{words:?}");
    }
    let deployment = Deployment::new("http://127.0.0.1:9")
        .serving()
        .with("REDIS_URL", &format!("redis://orion@127.0.0.1:{port}"))
        .with("ORION_REDIS__PASSWORD_FILE", folder.path().join("secrets/redis_password").to_str().unwrap())
        .with("ORION_API__TOKEN_KEYS", folder.path().join("secrets/token-keys").to_str().unwrap());
    deployment.rule("targets.yaml", crate::support::TARGETS);
    let orion = deployment.start();
    deployment.wait_until("the decision, over Redis", |it| !it.decisions().is_empty());
    let token = format!("Bearer {}", read("orion_token").trim());
    let asked = |headers: &[(&str, &str)]| {
        crate::support::asked::ask(deployment.served_at(), "GET", "/metrics", headers).status
    };
    assert_eq!(asked(&[("Authorization", &token)]), 200);
    assert!(orion.terminate().success());
    deployment.check_promises();
}
