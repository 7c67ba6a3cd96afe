//! What programs deliver over HTTP is recorded before they are told so, once however often it comes, and correlated like anything
//! else; what is not from who may deliver, or is not what it should be, changes nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use orion_lab::{Alertmanager, RedisOptions, RedisServer};
use serde_json::{Value, json};

use crate::support::asked::{Answer, ask, connect, exchange, get, post};
use crate::support::{Deployment, Running, mounts};

/// A source that nobody needs here.
const NO_PROMETHEUS: &str = "http://127.0.0.1:9";

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// One hook of each kind: two that whoever is on this machine may use, two with a secret.
const HOOKS: &str = "hooks:
  - { name: alerts, kind: alertmanager, labels: { site: cellar } }
  - { name: graphs, kind: grafana, secret_file: hook.secret }
  - { name: clouds, kind: cloudevents }
  - { name: deploys, kind: generic, secret_file: hook.secret }
";

/// One incident for each service that is down, whoever says so, and one for each that was deployed badly.
const RULES: &str = r#"
correlations:
  - name: outage
    match: { event_type: service_down }
    group_by: [service]
    incident: { type: service_outage, severity: critical, summary: "{{ $labels.service }} is out" }
  - name: deployment
    match: { event_type: deploy.failed }
    group_by: [service]
    incident: { type: bad_deployment, severity: error, summary: "{{ $labels.service }} was deployed badly" }
"#;

const JSON: (&str, &str) = ("Content-Type", "application/json");

struct Scene<'h> {
    host: &'h Deployment,
    orion: Running,
    address: SocketAddr,
}

fn deployment() -> Deployment {
    let host = Deployment::new(NO_PROMETHEUS).serving().with("ORION_API__WEBHOOKS", "hooks.yaml");
    host.rule("hooks.yaml", RULES);
    std::fs::write(host.path("hooks.yaml"), HOOKS).unwrap();
    std::fs::write(host.path("hook.secret"), format!("{SECRET}\n")).unwrap();
    host
}

impl<'h> Scene<'h> {
    fn of(host: &'h Deployment) -> Self {
        // Where it served before is no more where it does.
        let has_run = host.path("orion.log").exists();
        let orion = if has_run { host.start_again() } else { host.start() };
        let address = served(host);
        Self { host, orion, address }
    }

    fn post(&self, hook: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        post(self.address, &format!("/hooks/{hook}"), &[&[JSON], headers].concat(), &body.to_string())
    }

    fn signed(&self, body: &str, at: i64) -> Answer {
        let signature = signature(body, at);
        post(self.address, "/hooks/deploys", &[JSON, ("X-Signature", &signature)], body)
    }

    /// A number of the hooks, added up.
    fn number(&self, line: &str) -> u64 {
        let metrics = get(self.address, "/metrics").body;
        let found = metrics.lines().find_map(|it| it.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("{line}\n{metrics}"))
    }

    fn end(self) {
        assert!(self.orion.terminate().success());
        self.host.check_promises();
    }
}

/// Waits until somebody is there who takes deliveries: the source that does not answer keeps it from being ready.
fn served(host: &Deployment) -> SocketAddr {
    let address = host.served_at();
    host.wait_until("it to observe", |_| get(address, "/health").json()["status"] != "starting");
    address
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn signature(body: &str, at: i64) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = ring::hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

fn time(seconds: i64) -> String {
    orion_model::Timestamp::from_millis(seconds * 1_000).to_string()
}

/// A notification about one service, as Alertmanager and Grafana send it.
fn notification(version: &str, service: &str, status: &str, began: i64) -> Value {
    let ended = if status == "firing" { "0001-01-01T00:00:00Z".to_owned() } else { time(now()) };
    json!({
        "version": version, "receiver": "orion", "status": status, "groupKey": "{}", "externalURL": "http://there",
        "alerts": [{
            "status": status, "labels": { "alertname": "ServiceDown", "severity": "critical", "service": service },
            "annotations": { "summary": "it does not answer" }, "startsAt": time(began), "endsAt": ended,
            "generatorURL": "http://there/graph", "fingerprint": service, "values": { "A": 0 },
        }],
    })
}

fn recorded(count: u64) -> Value {
    json!({ "recorded": count, "known": 0, "put_aside": 0 })
}

#[test]
fn what_each_kind_delivers_becomes_an_incident_and_its_end_ends_it() {
    let host = deployment();
    let scene = Scene::of(&host);
    let bearer = format!("Bearer {SECRET}");
    let grafana = [("Authorization", bearer.as_str())];
    let began = now() - 30;
    for (hook, headers, version) in [("alerts", &[][..], "4"), ("graphs", &grafana[..], "1")] {
        let answer = scene.post(hook, headers, &notification(version, hook, "firing", began));
        assert_eq!((answer.status, answer.json()), (200, recorded(1)), "{answer:?}");
        scene.host.wait_until("the incident", |it| {
            it.incidents_of("service_outage", "opened")
                .iter()
                .any(|incident| incident["summary"] == format!("{hook} is out"))
        });
        // Told again, and told of its end, and of that again.
        let again = scene.post(hook, headers, &notification(version, hook, "firing", began));
        assert_eq!(again.json(), json!({ "recorded": 0, "known": 1, "put_aside": 0 }));
        let ended = notification(version, hook, "resolved", began);
        assert_eq!(scene.post(hook, headers, &ended).json()["recorded"], 1);
        assert_eq!(scene.post(hook, headers, &ended).json()["known"], 1);
        scene.host.wait_until("its end", |it| {
            it.incidents_of("service_outage", "resolved")
                .iter()
                .any(|incident| incident["summary"] == format!("{hook} is out"))
        });
    }
    let events = scene.host.events_of("service_down", "firing");
    assert_eq!((events.len(), &events[0]["labels"]["site"]), (2, &"cellar".into()));
    assert_eq!((&events[0]["ts"], &events[0]["data"]["startsAt"]), (&time(began).into(), &time(began).into()));
    assert_eq!((&events[1]["rule"], &events[1]["source"]), (&"hook/graphs".into(), &"grafana".into()));

    let cloud = json!({ "specversion": "1.0", "id": "1", "source": "/ci", "type": "deploy.failed", "data": { "service": "clouds" } });
    let structured = post(
        scene.address,
        "/hooks/clouds",
        &[("Content-Type", "application/cloudevents+json; charset=utf-8")],
        &cloud.to_string(),
    );
    assert_eq!(structured.json(), recorded(1), "{structured:?}");
    let attributes = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/ci"), ("ce-type", "deploy.failed")];
    let binary = scene.post("clouds", &attributes, &json!({ "service": "clouds" }));
    assert_eq!(binary.json()["known"], 1, "the same event in another form: {binary:?}");
    let body = r#"[{"event_type":"deploy.failed","severity":"error","data":{"service":"signed"}}]"#;
    assert_eq!(scene.signed(body, now()).json(), recorded(1));
    scene.host.wait_until("their incidents", |it| it.incidents_of("bad_deployment", "opened").len() == 2);

    assert_eq!(scene.number("orion_webhook_accepted_total{hook=\"alerts\"}"), 2);
    assert_eq!(scene.number("orion_webhook_duplicate_total{hook=\"alerts\"}"), 2);
    assert_eq!(scene.number("orion_webhook_received_total{hook=\"clouds\"}"), 2);
    let hooks = &get(scene.address, "/api/v1/summary").json()["hooks"];
    let deploys = json!({
        "name": "deploys", "kind": "generic", "has_secret": true, "received": 1, "recorded": 1, "known": 0, "put_aside": 0, "refused": 0,
    });
    assert_eq!(hooks.as_array().unwrap().iter().find(|hook| hook["name"] == "deploys"), Some(&deploys), "{hooks}");
    let said = [scene.host.log(), hooks.to_string(), json!(scene.host.events()).to_string()].concat();
    assert!(!said.contains(SECRET), "a secret is never shown");
    scene.end();
}

#[test]
fn what_is_not_from_who_may_deliver_changes_nothing() {
    let host = deployment();
    let scene = Scene::of(&host);
    let body = r#"{"event_type":"deploy.failed"}"#;
    let good = signature(body, now());
    let deliver = |headers: &[(&str, &str)]| post(scene.address, "/hooks/deploys", &[&[JSON], headers].concat(), body);
    let unsigned = deliver(&[]);
    assert_eq!((unsigned.status, unsigned.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(deliver(&[("Authorization", &format!("Bearer {SECRET}"))]).status, 401, "it has to be signed");
    assert_eq!(deliver(&[("X-Signature", &signature("{}", now()))]).status, 401, "of another body");
    assert_eq!(scene.signed(body, now() - 400).status, 401, "of another time");
    assert_eq!(scene.signed(body, now() + 400).status, 401, "of a time to come");
    assert_eq!(deliver(&[("X-Signature", &good)]).status, 200);
    let replayed = deliver(&[("X-Signature", &good)]);
    assert_eq!(replayed.status, 409, "{replayed:?}");
    assert!(replayed.json()["detail"].as_str().unwrap().contains("nothing was recorded again"), "{replayed:?}");

    let alert = notification("4", "x", "firing", now());
    assert_eq!(scene.post("alerts", &[("Origin", "https://evil.example")], &alert).status, 403, "a web page");
    let form = post(scene.address, "/hooks/alerts", &[("Content-Type", "text/plain")], &alert.to_string());
    assert_eq!(form.status, 415, "what a web page sends without asking");
    let mut stream = connect(scene.address);
    let named = "POST /hooks/alerts HTTP/1.0\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(exchange(&mut stream, named).status, 421, "a web page that gives itself this address");
    assert_eq!(scene.post("graphs", &[], &alert).status, 401);
    assert_eq!(scene.post("nowhere", &[], &alert).status, 404);
    assert_eq!(get(scene.address, "/hooks/alerts").status, 405);
    assert_eq!(
        ask(scene.address, "OPTIONS", "/hooks/alerts", &[("Origin", "https://evil.example")])
            .header("access-control-allow-origin"),
        None
    );

    // Three did not hold so far, and the tenth is one too many.
    let wrong: Vec<u16> =
        (0..7).map(|_| scene.post("graphs", &[("Authorization", "Bearer wrong")], &alert).status).collect();
    assert_eq!(wrong, [401, 401, 401, 401, 401, 401, 401]);
    assert_eq!(scene.post("alerts", &[], &alert).status, 429, "it is not heard for a while");
    scene.host.wait_until("the lock-out", |it| it.events_of("api_client_locked_out", "occurred").len() == 1);
    assert_eq!(scene.host.events_of("deploy.failed", "occurred").len(), 1);
    assert_eq!(scene.host.events_of("service_down", "firing"), [] as [Value; 0]);
    scene.end();
}

#[test]
fn a_broker_that_asks_first_is_told_whether_it_may_deliver_and_nobody_is_called_back() {
    let host = deployment();
    let hooks = "  - { name: broker, kind: cloudevents, origins: [events.example.com] }
  - { name: all, kind: cloudevents, origins: ['*'], secret_file: hook.secret }\n";
    std::fs::write(host.path("hooks.yaml"), format!("{HOOKS}{hooks}")).unwrap();
    let scene = Scene::of(&host);
    let callback = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    callback.set_nonblocking(true).unwrap();
    let confirm = format!("http://{}/confirm?id=1", callback.local_addr().unwrap());
    let shake = |hook: &str, origin: &str, headers: &[(&str, &str)]| {
        let asked = [("WebHook-Request-Origin", origin), ("WebHook-Request-Callback", confirm.as_str())];
        ask(scene.address, "OPTIONS", &format!("/hooks/{hook}"), &[&asked[..], headers].concat())
    };
    let allowed = |answer: &Answer| {
        let said = |name: &str| answer.header(name).map(str::to_owned);
        (answer.status, said("webhook-allowed-origin"), said("webhook-allowed-rate"), said("allow"))
    };
    let yes = |origin: &str, rate: &str| (200, Some(origin.to_owned()), Some(rate.to_owned()), Some("POST".to_owned()));
    // As many as it asks for, up to what one client of this machine may.
    for (asked, rate) in [
        (None, "300000"),
        (Some("120"), "120"),
        (Some("900000"), "300000"),
        (Some("0"), "300000"),
        (Some("many"), "300000"),
    ] {
        let headers: Vec<_> = asked.iter().map(|rate| ("WebHook-Request-Rate", *rate)).collect();
        let answer = shake("broker", "Events.Example.com", &headers);
        assert_eq!((allowed(&answer), answer.body.as_str()), (yes("Events.Example.com", rate), ""), "{asked:?}");
    }
    // Who is asked whether deliveries are welcome is not told a secret yet.
    assert_eq!(allowed(&shake("all", "anybody.example", &[])), yes("*", "300000"));

    let no = (403, None, None, Some("POST".to_owned()));
    for (hook, origin) in [
        ("broker", "example.com"),
        ("broker", "events.example.com.evil.example"),
        ("broker", ""),
        ("broker", "*"),
        ("all", ""),
        ("clouds", "events.example.com"),
        ("alerts", "events.example.com"),
        ("nowhere", "events.example.com"),
    ] {
        let answer = shake(hook, origin, &[]);
        assert_eq!(allowed(&answer), no, "{hook} {origin}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("`origins`"), "{answer:?}");
    }
    assert_eq!(allowed(&ask(scene.address, "OPTIONS", "/hooks/broker", &[])), no);
    let page = shake("broker", "events.example.com", &[("Origin", "https://evil.example")]);
    assert_eq!((page.status, page.header("webhook-allowed-origin")), (403, None), "a web page");

    assert_eq!(callback.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody is called back");
    assert_eq!(scene.number("orion_webhook_received_total{hook=\"broker\"}"), 0, "asking delivers nothing");
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/ci", "type": "deploy.failed", "data": { "service": "s" } });
    let headers = [("Content-Type", "application/cloudevents+json"), ("WebHook-Request-Origin", "events.example.com")];
    assert_eq!(post(scene.address, "/hooks/broker", &headers, &event.to_string()).json(), recorded(1));
    scene.end();
}

#[test]
fn what_is_too_much_too_slow_or_no_event_is_refused_and_says_why() {
    let host = deployment();
    let scene = Scene::of(&host);
    let refused = |answer: Answer| (answer.status, answer.json()["detail"].as_str().unwrap_or_default().to_owned());
    let raw = |head: &str, body: &str| {
        let mut stream = connect(scene.address);
        refused(exchange(
            &mut stream,
            &format!(
                "POST /hooks/alerts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{head}\r\n{body}"
            ),
        ))
    };
    assert_eq!(raw("Content-Length: 1048577\r\n", "").0, 413);
    assert_eq!(raw("Transfer-Encoding: chunked\r\n", "0\r\n\r\n").0, 411);
    assert_eq!(raw("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}").0, 415);
    assert_eq!(raw("Content-Length: 2\r\n", "no").0, 400);
    // A body that does not come is waited for five seconds.
    let (status, why) = raw("Content-Length: 3\r\n", "{}");
    assert_eq!((status, why.as_str()), (408, "the body was not there within 5 s"));
    let mut version = notification("5", "x", "firing", now());
    assert_eq!(scene.post("alerts", &[], &version).status, 400);
    version["version"] = "4".into();
    version["alerts"] = (0..1_001).map(|n| json!({ "n": n })).collect();
    assert_eq!(scene.post("alerts", &[], &version).status, 413);
    version["alerts"] = json!([{ "status": "loud" }]);
    let (status, why) = refused(scene.post("alerts", &[], &version));
    assert_eq!((status, why.as_str()), (422, "`status` is no status: firing, resolved"));
    let mut mixed = notification("4", "x", "firing", now());
    mixed["alerts"].as_array_mut().unwrap().push(json!(7));
    let taken = scene.post("alerts", &[], &mixed).json();
    assert_eq!((&taken["recorded"], &taken["put_aside"]), (&1.into(), &1.into()), "{taken}");
    for (reason, count) in
        [("too_large", 2), ("no_length", 1), ("wrong_type", 1), ("malformed", 2), ("too_slow", 1), ("no_event", 1)]
    {
        let line = format!("orion_webhook_refused_total{{hook=\"alerts\",reason=\"{reason}\"}}");
        assert_eq!(scene.number(&line), count, "{reason}");
    }
    // Whoever hangs up in the middle is nobody's trouble.
    let mut stream = connect(scene.address);
    stream.write_all(b"POST /hooks/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{").unwrap();
    drop(stream);
    assert_eq!(scene.host.events_of("service_down", "firing").len(), 1);
    scene.end();
}

#[test]
fn what_was_answered_is_there_after_a_kill_and_delivered_again_it_is_there_once() {
    let host = deployment();
    let mut told = 0;
    for round in 0..5 {
        let scene = Scene::of(&host);
        let Scene { orion, address, .. } = scene;
        for n in 0..20 {
            let body =
                format!(r#"{{"event_type":"deploy.failed","event_id":"{round}-{n}","data":{{"service":"s{round}"}}}}"#);
            let answer = post(address, "/hooks/deploys", &[JSON, ("X-Signature", &signature(&body, now()))], &body);
            assert_eq!(answer.json(), recorded(1));
            told += 1;
        }
        orion.kill();
    }
    let scene = Scene::of(&host);
    for round in 0..5 {
        let body =
            format!(r#"{{"event_type":"deploy.failed","event_id":"{round}-7","data":{{"service":"s{round}"}}}}"#);
        assert_eq!(scene.signed(&body, now()).json()["known"], 1);
    }
    scene.host.wait_until("all of it", |it| it.events_of("deploy.failed", "occurred").len() == told);
    scene.host.wait_until("the incidents", |it| it.incidents_of("bad_deployment", "opened").len() == 5);
    scene.end();
}

#[test]
fn on_a_full_disk_nothing_is_taken_nobody_is_told_otherwise_and_with_room_it_goes_on() {
    if !mounts::are_own(
        "webhooks_are_kept::on_a_full_disk_nothing_is_taken_nobody_is_told_otherwise_and_with_room_it_goes_on",
    ) {
        return;
    }
    let host = deployment();
    mounts::small(&host.path("memory"), 64 * 1024 * 1024);
    let scene = Scene::of(&host);
    let body = |n: usize| format!(r#"{{"event_type":"deploy.failed","event_id":"{n}","data":{{"service":"s"}}}}"#);
    assert_eq!(scene.signed(&body(0), now()).status, 200);
    let ballast = host.path("memory/ballast");
    let mut told = vec![0];
    let mut refused = Vec::new();
    // What was given back meanwhile is taken again.
    for n in 1..200 {
        mounts::fill(&ballast);
        let answer = scene.signed(&body(n), now());
        match answer.status {
            200 => told.push(n),
            503 => {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                assert!(answer.json()["detail"].as_str().unwrap().contains("not known to be recorded"), "{answer:?}");
                refused.push(n);
            }
            _ => panic!("{answer:?}"),
        }
        if refused.len() > 3 {
            break;
        }
    }
    assert!(!refused.is_empty(), "the disk did not fill");
    std::fs::remove_file(&ballast).unwrap();
    host.wait_until("room", |_| scene.signed(&body(999), now()).status == 200);
    for n in &refused {
        assert_eq!(scene.signed(&body(*n), now()).status, 200);
    }
    let all = told.len() + refused.len() + 1;
    host.wait_until("all of it, once", |it| it.events_of("deploy.failed", "occurred").len() == all);
    scene.end();
}

#[test]
fn a_real_alertmanager_is_heard_through_a_restart_of_orion() {
    let host = Deployment::new(NO_PROMETHEUS).with("ORION_API__WEBHOOKS", "hooks.yaml");
    host.rule("hooks.yaml", RULES);
    std::fs::write(host.path("hook.secret"), SECRET).unwrap();
    std::fs::write(host.path("hooks.yaml"), "hooks: [{ name: am, kind: alertmanager, secret_file: hook.secret }]")
        .unwrap();
    // It is known beforehand where it serves, and serves there again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let host = host.with("ORION_API__LISTEN", &port.to_string());
    let alertmanager = Alertmanager::start(&format!("http://{port}/hooks/am"), SECRET).unwrap();
    let began = time(now() - 5);
    let alert = |service: &str, ends: &str| {
        let labels = json!({ "alertname": "ServiceDown", "severity": "critical", "service": service });
        let summary = json!({ "summary": format!("{service} does not answer") });
        json!({ "labels": labels, "annotations": summary, "startsAt": began, "endsAt": ends, "generatorURL": "http://p/graph" })
    };
    let later = time(now() + 600);
    let tell = |alerts: Value| alertmanager.alert(&alerts.to_string()).unwrap();
    // Nobody is there to hear the first notifications.
    tell(json!([alert("jellyfin", &later), alert("sonarr", &later)]));
    let orion = host.start();
    host.wait_until("both incidents", |it| it.incidents_of("service_outage", "opened").len() == 2);
    let event = &host.events_of("service_down", "firing")[0];
    assert_eq!((&event["ts"], &event["severity"]), (&began.clone().into(), &"critical".into()), "{event}");
    assert_eq!(event["data"]["notification"]["receiver"], "orion");
    let address = host.served_at();
    host.wait_until("it to be told again", |_| {
        let metrics = get(address, "/metrics").body;
        !metrics.contains("orion_webhook_duplicate_total{hook=\"am\"} 0\n")
    });
    orion.kill();
    tell(json!([alert("jellyfin", &time(now()))]));
    let orion = host.start();
    host.wait_until("the end of one", |it| it.incidents_of("service_outage", "resolved").len() == 1);
    assert_eq!(host.events_of("service_down", "resolved").len(), 1);
    assert_eq!(host.events_of("service_down", "firing").len(), 2, "each once, however often it was told");
    assert!(orion.terminate().success());
    host.check_promises();
}

#[test]
fn any_host_of_a_deployment_takes_and_while_redis_is_away_it_is_kept_until_it_is_back() {
    let redis = RedisServer::start(&RedisOptions::default()).unwrap();
    let url = redis.url();
    let shared = |name: &'static str| {
        deployment().with("REDIS_URL", &url).with("ORION_NODE_NAME", name).with("ORION_LEASE", "3s")
    };
    let (one, other) = (shared("one"), shared("other"));
    let (at_one, at_other) = (Scene::of(&one), Scene::of(&other));
    let alert = notification("4", "jellyfin", "firing", now());
    let told = [at_one.post("alerts", &[], &alert).json(), at_other.post("alerts", &[], &alert).json()];
    let known = json!({ "recorded": 0, "known": 1, "put_aside": 0 });
    assert_eq!(told, [recorded(1), known], "what one has, the other knows");
    redis.pause().unwrap();
    let away = at_one.post("alerts", &[], &notification("4", "sonarr", "firing", now()));
    // Redis is waited for some seconds by the first who asks; what is not known to be kept is told again.
    assert!(matches!(away.status, 200 | 503), "{away:?}");
    let radarr = notification("4", "radarr", "firing", now());
    let again = || at_one.post("alerts", &[], &radarr).status;
    one.wait_until("it to be taken without Redis", |_| again() == 200);
    redis.resume().unwrap();
    for host in [&one, &other] {
        host.wait_until("it everywhere", |it| {
            let services: Vec<_> =
                it.events_of("service_down", "firing").iter().map(|it| it["labels"]["service"].clone()).collect();
            services.contains(&"radarr".into()) && services.contains(&"jellyfin".into())
        });
    }
    at_one.end();
    at_other.end();
}

#[test]
fn hooks_that_cannot_be_guarded_stop_the_start_and_are_named() {
    let host = deployment();
    let said = |env: &[(&str, &str)]| {
        let output = host.orion_with(&["run"], env);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!host.path("memory").exists() && !said.contains(SECRET), "{said}");
        said
    };
    let open = said(&[("ORION_API__LISTEN", "0.0.0.0:0")]);
    assert!(open.contains("these hooks have no secret") && open.contains("alerts, clouds"), "{open}");
    assert!(said(&[("ORION_API__LISTEN", "none")]).contains("nobody can deliver"));
    std::fs::remove_file(host.path("hook.secret")).unwrap();
    let missing = said(&[]);
    assert!(missing.contains("the secret of the hook `graphs`") && missing.contains("hook.secret"), "{missing}");
    let doctor = host.orion(&["doctor", "--output", "json"]);
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("the secret of the hook `graphs`"));
    std::fs::write(host.path("hooks.yaml"), "hooks:\n  - { name: a, kind: alertmanger }\n").unwrap();
    let wrong = said(&[]);
    assert!(wrong.contains("hooks.yaml:2:") && wrong.contains("did you mean `alertmanager`?"), "{wrong}");
}
