//! What is not from who may deliver, or is not what it should be, changes nothing and is told why; who asks first is told whether it may.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::asked::{Answer, ask, connect, exchange, get, post};
use crate::support::hooks::{HOOKS, JSON, SECRET, Scene, deployment, notification, now, recorded, signature};

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
