//! The dashboards: as Grafana's own library builds them, with queries that Prometheus takes, about metrics that there are.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use orion_lab::{NodeExporter, Prometheus, RedisOptions, RedisServer, ScrapeConfig};
use serde_json::Value;

use super::{repository, taken, text, tool};
use crate::support::asked::get;
use crate::support::{Deployment, TARGETS};

const TITLES: [(&str, &str); 3] =
    [("media-stack", "Media Stack"), ("orion-health", "ORION Health"), ("system", "System")];

/// What Grafana fills in: at least four scrapes, so that a rate has something to compare.
const RATE_INTERVAL: &str = "$__rate_interval";

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&text(&format!("deploy/grafana/dashboards/{name}.json"))).unwrap()
}

/// Panels that show something, those within rows too.
fn panels(dashboard: &Value) -> Vec<Value> {
    let mut panels = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        panels.extend(panel["panels"].as_array().into_iter().flatten().cloned());
        if panel["type"] != "row" {
            panels.push(panel.clone());
        }
    }
    panels
}

fn queries(name: &str) -> Vec<String> {
    let targets = panels(&dashboard(name));
    let targets = targets.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Text with what stands between these taken out.
fn without(text: &str, open: char, close: char) -> String {
    let mut depth = 0;
    let mut kept = String::new();
    for letter in text.chars() {
        match letter {
            // Quotes open and close with the same.
            _ if letter == close && (depth > 0) => depth -= 1,
            _ if letter == open => depth += 1,
            _ if depth == 0 => kept.push(letter),
            _ => {}
        }
    }
    kept
}

/// Names of metrics in a query: every word that is neither called nor one of the language.
fn metrics(query: &str) -> BTreeSet<String> {
    const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];
    let mut rest = without(&without(&without(query, '"', '"'), '{', '}'), '[', ']');
    for list in LISTS {
        while let Some(at) = rest.find(&format!(" {list} (")) {
            let end = at + rest[at..].find(')').unwrap();
            rest.replace_range(at..=end, " ");
        }
    }
    let mut found = BTreeSet::new();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let mut after = rest.as_str();
    while let Some(at) = after.find(is_part) {
        let word: String = after[at..].chars().take_while(|letter| is_part(*letter)).collect();
        after = &after[at + word.len()..];
        let is_number = word.starts_with(|letter: char| letter.is_ascii_digit());
        let is_called = after.trim_start().starts_with('(');
        if !is_number && !is_called && !WORDS.contains(&word.as_str()) {
            found.insert(word);
        }
    }
    found
}

/// Names of metrics that a scrape holds, of histograms those of their parts.
fn offered(scrape: &str) -> BTreeSet<String> {
    let samples = scrape.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let sampled = samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned());
    // A family without a series yet says at least what it is.
    let families = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    sampled.chain(families.map(|line| line.split(' ').next().unwrap().to_owned())).collect()
}

#[test]
fn metrics_of_a_query_are_told_from_its_words() {
    let query =
        r#"sum by (a, b) (rate(x_total{c="d{e"}[$__rate_interval])) / on (a) group_left () (max(y) > 0) or vector(0)"#;
    assert_eq!(metrics(query), BTreeSet::from(["x_total".to_owned(), "y".to_owned()]));
}

#[test]
fn the_dashboards_are_those_that_grafanas_library_builds() {
    let folder = tempfile::tempdir().unwrap();
    taken(tool("python3").arg(repository("deploy/grafana/build.py")).arg(folder.path()));
    for (name, _) in TITLES {
        let built = std::fs::read_to_string(folder.path().join(format!("{name}.json"))).unwrap();
        let kept = text(&format!("deploy/grafana/dashboards/{name}.json"));
        assert!(built == kept, "{name}.json is not what build.py makes: run deploy/grafana/build.py");
    }
    let files = std::fs::read_dir(repository("deploy/grafana/dashboards")).unwrap();
    assert_eq!(files.count(), TITLES.len());
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_asks_the_one_data_source() {
    for (name, title) in TITLES {
        let dashboard = dashboard(name);
        assert_eq!(dashboard["title"], title);
        assert!(dashboard["uid"].as_str().unwrap().starts_with("orion-"), "links name it");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!(variables.len(), 1);
        assert_eq!((&variables[0]["name"], &variables[0]["type"]), (&"datasource".into(), &"datasource".into()));
        let panels = panels(&dashboard);
        let numbers: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(numbers.len(), panels.len());
        for panel in panels {
            let title = panel["title"].as_str().unwrap();
            assert!(!title.is_empty(), "{name}");
            assert!(panel["description"].as_str().unwrap().ends_with('.'), "{name}, {title}");
            assert!(!panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap().is_empty(), "{name}, {title}");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}, {title}");
                assert!(!target["legendFormat"].as_str().unwrap().is_empty(), "{name}, {title}");
            }
        }
    }
    let health = panels(&dashboard("orion-health"));
    for needed in ["Event rate", "Incident count", "Decision types"] {
        assert!(health.iter().any(|panel| panel["title"] == needed), "{needed}");
    }
}

#[test]
fn promtool_takes_every_query_as_a_rule_and_rates_follow_the_scrape_interval() {
    let folder = tempfile::tempdir().unwrap();
    let mut rules = "groups:\n- name: dashboards\n  rules:\n".to_owned();
    for (number, query) in TITLES.iter().flat_map(|(name, _)| queries(name)).enumerate() {
        for (at, call) in query.match_indices("rate(") {
            let range = query[at + call.len()..].split_once('[').unwrap().1;
            assert!(range.starts_with(RATE_INTERVAL), "{query}");
        }
        let expr = Value::from(query.replace(RATE_INTERVAL, "1m"));
        writeln!(rules, "  - record: dashboard:query:{number}\n    expr: {expr}").unwrap();
    }
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, rules).unwrap();
    taken(tool("promtool").args(["check", "rules"]).arg(file));
}

#[test]
fn every_metric_of_a_dashboard_is_offered_by_orion_or_an_exporter() {
    let node = NodeExporter::start().unwrap();
    let prometheus = Prometheus::start(&ScrapeConfig::every(Duration::from_secs(1))).unwrap();
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving().with("REDIS_URL", &redis.url());
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    let mut known = offered(&get(deployment.served_ready_at(), "/metrics").body);
    known.extend(offered(&get(node.address(), "/metrics").body));
    // What every scrape has beside what is scraped.
    known.insert("up".to_owned());
    let recorded = include_str!("cadvisor.txt").lines().filter(|line| !line.starts_with('#'));
    known.extend(recorded.map(str::to_owned));
    for name in TITLES.map(|(name, _)| name) {
        for query in queries(name) {
            let asked = metrics(&query);
            assert!(!asked.is_empty(), "{query}");
            assert!(
                asked.is_subset(&known),
                "{name}: nobody offers {:?}",
                asked.difference(&known).collect::<Vec<_>>()
            );
        }
    }
    assert!(orion.terminate().success());
}

#[test]
fn data_sources_have_fixed_uids_and_dashboards_come_from_the_folder_that_is_mounted() {
    let sources = text("deploy/grafana/provisioning/datasources/orion.yaml");
    for (uid, url) in [("orion-prometheus", "http://prometheus:9090"), ("orion-loki", "http://loki:3100")] {
        assert!(sources.contains(&format!("uid: {uid}\n")) && sources.contains(&format!("url: {url}\n")), "{uid}");
    }
    assert!(text("deploy/grafana/provisioning/dashboards/orion.yaml").contains("path: /etc/grafana/dashboards"));
    assert!(
        text("deploy/lab/docker-compose.monitoring.yml").contains("/grafana/dashboards:/etc/grafana/dashboards:ro")
    );
}
