//! What is held against a plugin that fails is told: strikes, until when it is left alone, why, and what was set aside; beside what
//! was proven of it, what it may use and the worst that was seen.

use orion_lab::AnsweringServer;
use serde_json::{Value, json};

use crate::support::asked::get;
use crate::support::{Deployment, browser, guests};

const RULES: &str = r#"
groups:
  - name: mixed
    interval: 1s
    rules:
      - { alert: Trapping, expr: load, plugin: mine }
      - { alert: Healthy, expr: load, with: { above: 1 } }
"#;

#[test]
fn a_quarantine_is_told_with_why_and_until_when_also_after_a_restart() {
    let labels = || vec![("job", "<script>globalThis.hit=1</script>".to_owned())];
    let prometheus = AnsweringServer::start(move |_| vec![(labels(), 5.0)]).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving();
    deployment.plugin("mine.wasm", &guests::detector("mine", "1.0.0", "unreachable"));
    deployment.rule("mixed.yaml", RULES);
    let orion = deployment.start();
    let mut address = deployment.served_ready_at();
    let held = |address| get(address, "/api/v1/quarantine").json()["items"].as_array().unwrap().clone();
    deployment.wait_until("a quarantine", |_| held(address).iter().any(|it| it["until"].is_string()));
    browser::read("quarantine", address, &[]);
    assert!(orion.terminate().success());
    let orion = deployment.start_again();
    address = deployment.served_ready_at();
    let all = held(address);
    assert_eq!(all.len(), 1, "{all:?}");
    let mine = &all[0];
    assert_eq!((&mine["of"], &mine["kind"]), (&"mixed.yaml/mixed/Trapping".into(), &"rule".into()));
    assert_eq!((&mine["plugin"], &mine["strikes"]), (&"mine".into(), &2.into()));
    assert!(mine["quarantines"].as_u64().unwrap() >= 1, "{mine}");
    assert!(mine["why"].as_str().unwrap().contains("trapped"), "{mine}");
    let input = &mine["aside"][0]["input"];
    assert_eq!(*input, json!({ "kind": "answer", "expr": "load" }));

    let plugins = get(address, "/api/v1/plugins").json();
    let find = |name: &str| -> Value {
        let items = plugins["items"].as_array().unwrap();
        items.iter().find(|it| it["certificate"]["manifest"]["name"] == name).unwrap().clone()
    };
    assert_eq!(find("mine")["certificate"]["digest"], mine["plugin_digest"]);
    let threshold = find("threshold");
    assert!(threshold["most_fuel"].as_f64().unwrap() <= threshold["ceilings"]["call_fuel"].as_f64().unwrap());
    assert_eq!(threshold["ceilings"]["memory_bytes"], 64 << 20);
    assert!(orion.terminate().success());
    deployment.check_promises();
}
