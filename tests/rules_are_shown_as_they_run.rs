//! A rule's text is told as it runs, with what the last edit changed; and while an edit is refused, everybody who looks is told where
//! it is wrong and what runs in its place.

use orion_lab::AnsweringServer;
use serde_json::{Value, json};

use crate::support::asked::get;
use crate::support::{Deployment, browser};

/// Text that runs where it is taken for markup.
const SCRIPT: &str = "<script>globalThis.hit=1</script>";

fn rules(bound: u32, comment: &str) -> String {
    format!(
        "groups:\n  - name: g\n    interval: 1s\n    rules:\n      - alert: First\n        expr: load\n        with: {{ above: 9 }}\n      \
         - alert: Second # {comment}\n        expr: load\n        with: {{ above: {bound} }}\n"
    )
}

/// Runs what was edited once, with an edit that is refused.
fn edited(deployment: &Deployment) -> std::net::SocketAddr {
    let address = deployment.served_ready_at();
    deployment.rule("a.yaml", &rules(2, SCRIPT));
    deployment.wait_until("the edit to run", |_| told(address)["text"] == rules(2, SCRIPT));
    deployment.rule("a.yaml", &rules(3, "").replace("expr", "exprr"));
    deployment.wait_until("the next to be refused", |_| !told(address)["refused"].is_null());
    address
}

fn told(address: std::net::SocketAddr) -> Value {
    get(address, "/api/v1/rule-files/a.yaml").json()
}

#[test]
fn the_text_that_runs_and_the_one_before_are_told_also_after_a_restart() {
    let prometheus = AnsweringServer::start(|_| Vec::new()).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving();
    deployment.rule("a.yaml", &rules(1, ""));
    let mut orion = deployment.start();
    for is_restart in [false, true] {
        if is_restart {
            assert!(orion.terminate().success());
            orion = deployment.start_again();
        }
        let address = if is_restart { deployment.served_ready_at() } else { edited(&deployment) };
        let file = told(address);
        assert_eq!((&file["text"], &file["before"]["text"]), (&rules(2, SCRIPT).into(), &rules(1, "").into()));
        assert_eq!((&file["before"]["generation"], &file["bytes"]), (&2.into(), &rules(2, SCRIPT).len().into()));
        assert!(file["refused"].as_str().unwrap().contains("a.yaml:6:9"), "{file}");
        let refused = &get(address, "/api/v1/summary").json()["refused"][0];
        assert_eq!((&refused["file"], &refused["last_good_runs"]), (&"a.yaml".into(), &true.into()));
    }
    let address = deployment.served_at();
    deployment.rule("new.yaml", "groups: 7");
    deployment.wait_until("it to be refused", |_| {
        let summary = get(address, "/api/v1/summary").json();
        let refused = summary["refused"].as_array().unwrap().clone();
        refused.iter().any(|it| it["file"] == "new.yaml" && it["last_good_runs"] == json!(false))
    });
    for target in ["new.yaml", "nowhere", "..%2Fsecret", "%00"] {
        assert_eq!(get(address, &format!("/api/v1/rule-files/{target}")).status, 404, "{target}");
    }
    assert!(orion.terminate().success());
    deployment.check_promises();
}

#[test]
fn the_page_of_a_rule_shows_its_lines_and_what_changed_and_the_banner_where_an_edit_is_wrong() {
    let prometheus = AnsweringServer::start(|_| Vec::new()).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving();
    deployment.rule("a.yaml", &rules(1, ""));
    let orion = deployment.start();
    let address = edited(&deployment);
    browser::read("source", address, &[]);
    assert!(orion.terminate().success());
    deployment.check_promises();
}
