//! Jobs come to an end in every way: each can be cancelled, has a time, waits for its turn, survives the death of its host, and who listens
//! hears how it stands.

use orion_pipeline::jobs::MAX_QUEUED;
use serde_json::{Value, json};

use crate::support::asked::{Stream, get};
use crate::support::jobs::{Scene, ask, id_of, json_of};

#[test]
fn one_is_cancelled_and_one_has_no_more_time_and_nothing_of_them_is_left() {
    let scene = Scene::new("require");
    let mut stream = Stream::open(scene.address, "?kind=job", "");
    let running = scene.ask(&scene.long()).json();
    let waiting = scene.ask(&json!({ "kind": "verify", "by": "ada" })).json();
    scene.wait_for_state(id_of(&running), "running");
    assert_eq!(niceness(scene.orion.pid()), Some(10), "what observes comes first");
    assert_eq!(scene.cancel(id_of(&waiting)).json()["state"], "cancelled");
    assert_eq!(scene.cancel(id_of(&running)).status, 202);
    scene.wait_for_state(id_of(&running), "cancelled");
    assert_eq!(scene.cancel(id_of(&running)).status, 409);
    assert_eq!(scene.cancel("ffffffffffffffffffffffffffffffff").status, 404);
    assert_eq!(get(scene.address, &format!("/api/v1/jobs/{}/result", id_of(&running))).status, 409);
    let mut brief = scene.long();
    brief["timeout_millis"] = json!(1_000);
    let brief = scene.done(&brief);
    assert_eq!((&brief["state"], &brief["result_bytes"]), (&"timed_out".into(), &Value::Null));
    let cancelled = scene.deployment.events_of("job_cancelled", "occurred");
    assert_eq!(cancelled.len(), 2, "{cancelled:?}");
    assert!(cancelled.iter().all(|event| event["labels"]["by"] == "bob"));
    // Who listens heard of each change, and of nothing that has a position.
    let heard = until(&mut stream, |job| job["state"] == "timed_out");
    let ways: Vec<&str> =
        heard.iter().filter(|job| job["id"] == running["id"]).map(|job| job["state"].as_str().unwrap()).collect();
    assert_eq!((ways[0], ways[ways.len() - 1]), ("queued", "cancelled"), "{ways:?}");
    let metrics = get(scene.address, "/metrics").body;
    for line in [
        r#"orion_jobs_total{kind="replay",state="cancelled"} 1"#,
        r#"orion_jobs_total{kind="replay",state="timed_out"} 1"#,
        r#"orion_jobs_total{kind="verify",state="cancelled"} 1"#,
        r#"orion_jobs_total{kind="test",state="done"} 0"#,
        "orion_jobs_queued 0",
        r#"orion_job_duration_seconds_count{kind="replay"} 2"#,
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    }
    let started = scene.job(&["start", "verify", "--offline", "--by", "ada", "--priority", "high", "--output", "json"]);
    assert_eq!(json_of(&started)["priority"], "high");
    let waited = scene.job(&["wait", id_of(&json_of(&started)), "--output", "json"]);
    assert_eq!((waited.status.code(), &json_of(&waited)["state"]), (Some(0), &"done".into()));
    let waited = scene.job(&["wait", id_of(&running), "--output", "json"]);
    assert_eq!(waited.status.code(), Some(3), "{waited:?}");
}

#[test]
fn one_more_than_may_wait_is_refused_and_an_end_in_the_middle_takes_no_time() {
    let scene = Scene::new("require");
    let running = scene.ask(&scene.long()).json();
    scene.wait_for_state(id_of(&running), "running");
    for _ in 0..MAX_QUEUED {
        assert_eq!(scene.ask(&json!({ "kind": "verify", "by": "ada", "priority": "low" })).status, 202);
    }
    let full = scene.ask(&json!({ "kind": "verify", "by": "ada", "priority": "high" }));
    assert_eq!((full.status, full.header("retry-after").is_some()), (429, true), "{full:?}");
    let listed = get(scene.address, "/api/v1/jobs?state=queued&limit=10").json();
    let rest = get(scene.address, &format!("/api/v1/jobs?state=queued&cursor={}", listed["next"].as_str().unwrap()));
    assert_eq!(rest.json()["items"].as_array().unwrap().len(), MAX_QUEUED - 10);
    assert!(scene.orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn what_a_host_worked_on_when_it_was_killed_is_begun_again_by_the_next() {
    let scene = Scene::new("require");
    let running = scene.ask(&scene.long()).json();
    let waiting = scene.ask(&json!({ "kind": "verify", "offline": true, "by": "ada" })).json();
    scene.wait_for_state(id_of(&running), "running");
    let scene = scene.again();
    scene.wait_for_state(id_of(&running), "running");
    let again = get(scene.address, &format!("/api/v1/jobs/{}", id_of(&running))).json();
    assert_eq!((&again["attempts"], &again["asked_by"]), (&2.into(), &"ada".into()));
    assert_eq!(scene.state_of(id_of(&waiting)), "queued");
    assert_eq!(scene.cancel(id_of(&running)).status, 202);
    scene.wait_for_state(id_of(&waiting), "done");
    assert!(scene.orion.terminate().success());
    scene.deployment.check_promises();
}

#[test]
fn messages_of_jobs_do_not_move_where_a_listener_goes_on() {
    let scene = Scene::new("require");
    let mut all = Stream::open(scene.address, "?kind=event,incident,decision,job", "");
    let mut of_records = Stream::open(scene.address, "", "");
    let job = scene.done(&json!({ "kind": "verify", "offline": true, "by": "ada" }));
    let (mut positions, mut of_jobs) = (Vec::new(), 0);
    while of_jobs == 0 || positions.is_empty() {
        match all.message().unwrap() {
            (Some(id), kind, record) => {
                assert_eq!((kind.as_str(), &record["event_type"]), ("event", &"job_requested".into()));
                positions.push(id);
            }
            (None, kind, told) => {
                assert_eq!((kind.as_str(), &told["id"]), ("job", &job["id"]));
                of_jobs += 1;
            }
        }
    }
    // Who does not ask for them hears of records alone.
    assert_eq!(of_records.message().unwrap().0, Some(positions[0]));
    let asked_again = ask(scene.address, &json!({ "kind": "verify", "offline": true, "by": "ada" }));
    assert_eq!(asked_again.status, 202);
    assert!(of_records.message().unwrap().0 > Some(positions[0]));
    // From before the record of who asked: it comes again, and nothing else does.
    let mut again = Stream::open(scene.address, &format!("?kind=event&after={}", positions[0] - 1), "");
    assert_eq!(again.message().unwrap().0, Some(positions[0]));
}

/// How nice the thread is that does jobs, as the kernel says.
fn niceness(pid: u32) -> Option<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
    let numbers = stats.filter_map(|stat| Some(stat.split_once("(orion-jobs) ")?.1.to_owned())).next()?;
    // The third field comes behind the name, and niceness is the nineteenth.
    numbers.split(' ').nth(16)?.parse().ok()
}

/// All messages of jobs up to one, none of which has an id.
fn until(stream: &mut Stream, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let (id, kind, told) = stream.message().unwrap();
        assert_eq!((id, kind.as_str()), (None, "job"));
        let is_over = is_last(&told);
        heard.push(told);
        if is_over {
            return heard;
        }
    }
}
