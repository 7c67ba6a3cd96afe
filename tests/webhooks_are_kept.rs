//! What programs deliver over HTTP is recorded before they are told so, once however often it comes, and correlated like anything
//! else.

use orion_lab::{Alertmanager, RedisOptions, RedisServer};
use serde_json::{Value, json};

use crate::support::asked::{get, post};
use crate::support::hooks::{
    JSON, NO_PROMETHEUS, RULES, SECRET, Scene, deployment, notification, now, recorded, signature, time,
};
use crate::support::{Deployment, mounts};

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
