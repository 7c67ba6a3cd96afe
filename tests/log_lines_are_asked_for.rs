//! What a running Orion says in its log is read by who may run it, from elsewhere too, and followed.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::Deployment;
use crate::support::asked::{ask, get};
use crate::support::issuer::{self, token_of};

#[test]
fn what_a_host_says_is_read_from_elsewhere_and_followed() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    let orion = deployment.start();
    let address = deployment.served_ready_at();
    let url = format!("http://{address}");
    let logs = |arguments: &[&str]| {
        let output = deployment.orion(&[&["logs", "--url", &url, "--output", "ndjson"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let all = logs(&[]);
    assert!(all.iter().any(|line| line["message"] == "Orion observes; people act"), "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0]["number"].as_u64() < pair[1]["number"].as_u64()));
    assert_eq!(logs(&["--lines", "1"]).len(), 1);

    let mut following = deployment
        .command(&["logs", "--follow", "--level", "error", "--url", &url, "--output", "ndjson"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    deployment.rule("broken.yaml", "groups: 7");
    let lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let refused = lines.map_while(Result::ok).find(|line| line.contains("rule file refused")).unwrap();
    let refused: serde_json::Value = serde_json::from_str(&refused).unwrap();
    assert_eq!((&refused["level"], &refused["fields"]["file"]), (&"error".into(), &"broken.yaml".into()));
    following.kill().unwrap();
    following.wait().unwrap();

    let wrong = get(address, "/api/v1/logs?level=loud");
    assert_eq!(wrong.status, 400, "{wrong:?}");
    assert!(orion.terminate().success());
    let gone = deployment.orion(&["logs", "--url", &url]);
    assert_eq!(gone.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("does not answer"), "{gone:?}");
}

#[test]
fn who_may_only_read_records_reads_no_log() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    issuer::known_to(&deployment);
    let deployment = deployment
        .with("ORION_API__LISTEN", "0.0.0.0:0")
        .with("ORION_API__TOKEN_KEYS", "token-keys")
        .with("ORION_API__ALLOW_PLAINTEXT", "true");
    let _orion = deployment.start();
    let address = std::net::SocketAddr::new([127, 0, 0, 1].into(), deployment.served_at().port());
    deployment.wait_until("it to be there", |_| get(address, "/-/healthy").status == 200);
    for (role, status) in [("viewer", 403), ("operator", 200), ("admin", 200)] {
        let bearer = format!("Bearer {}", token_of("ada", role));
        let mut told = ask(address, "GET", "/api/v1/logs", &[("Authorization", &bearer)]);
        // It is asked as soon as it serves, and it may be starting still.
        deployment.wait_until("it to have started", |_| {
            told = ask(address, "GET", "/api/v1/logs", &[("Authorization", &bearer)]);
            told.status != 503
        });
        assert_eq!(told.status, status, "{role}: {told:?}");
    }
}
