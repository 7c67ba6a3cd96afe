//! Against servers that misbehave in every way met in the field, and against a real Prometheus.

use std::io::Write as _;
use std::time::Duration;

use orion_lab::{Exporter, MisbehavingServer, RecordingProxy, Reply, ScrapeConfig};
use orion_model::Timestamp;

use super::*;

const T0: Timestamp = Timestamp::from_millis(1_732_174_269_007);
const ONE: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"a"},"value":[1,"2"]}]}}"#;

fn settings() -> PrometheusSettings {
    // Long enough for a busy machine, short enough for the tests that wait for it.
    PrometheusSettings { timeout_millis: 5_000, max_answer_bytes: 100_000, ..PrometheusSettings::default() }
}

/// What a query to a server that answers like this ends with.
async fn answered(reply: Reply) -> Result<Frame, SourceError> {
    let server = MisbehavingServer::start(reply).unwrap();
    let source = Prometheus::new("prometheus", &server.url(), settings()).unwrap();
    source.query(&mut QuerySession::new("up"), T0).await
}

async fn refused(reply: Reply) -> SourceError {
    answered(reply).await.unwrap_err()
}

#[tokio::test]
async fn a_healthy_answer_is_a_frame_and_the_request_is_a_plain_get() {
    let server = MisbehavingServer::start(Reply::Json(ONE.to_owned())).unwrap();
    let url = server.url().replace("http://", "http://me:secret@");
    let source = Prometheus::new("prometheus", &url, settings()).unwrap();
    let mut session = QuerySession::new("up");
    for _ in 0..2 {
        assert_eq!(source.query(&mut session, T0).await.unwrap().values, [2.0]);
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].method, "GET");
    assert_eq!(requests[1].target, "/api/v1/query?query=up&time=1732174269.007&timeout=5.000");
    assert_eq!(requests[1].header("accept-encoding"), Some("identity"));
    assert_eq!(requests[1].header("authorization"), Some("Basic bWU6c2VjcmV0"));
    assert!(!format!("{source:?}").contains("secret"));
}

#[tokio::test]
async fn a_long_query_is_posted_whole() {
    let server = MisbehavingServer::start(Reply::Json(ONE.to_owned())).unwrap();
    let source = Prometheus::new("prometheus", &server.url(), settings()).unwrap();
    let expr = format!("up{{job=~\"{}\"}}", "é|".repeat(2_000));
    source.query(&mut QuerySession::new(expr.as_str()), T0).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/v1/query"));
    let form: Vec<_> = url::form_urlencoded::parse(&request.body).collect();
    assert_eq!(form[0], ("query".into(), expr.as_str().into()));
}

#[tokio::test]
async fn a_login_page_is_told_as_what_it_is() {
    let error = refused(Reply::Html).await;
    assert_eq!(error.kind(), "not_json");
    assert!(error.to_string().contains("`<!DOCTYPE html>"), "{error}");
}

#[tokio::test]
async fn http_errors_are_told_with_status_excerpt_and_advice() {
    for (status, advice) in [(404, "path prefix"), (401, "credentials"), (503, "proxy"), (500, "")] {
        let error = refused(Reply::Status(status, "<h1>sorry</h1>".to_owned())).await;
        assert!(matches!(error, SourceError::Http { status: told, .. } if told == status), "{error}");
        assert!(error.to_string().contains(advice) && error.to_string().contains("`<h1>sorry</h1>`"), "{error}");
    }
}

#[tokio::test]
async fn an_error_of_the_api_counts_more_than_its_http_status() {
    let types = [
        (400, "bad_data", true),
        (422, "execution", true),
        (503, "timeout", false),
        (503, "canceled", false),
        (500, "internal", false),
        (503, "unavailable", false),
        (404, "not_found", false),
        (406, "not_acceptable", false),
    ];
    for (status, error_type, query_fault) in types {
        let body = format!(r#"{{"status":"error","errorType":"{error_type}","error":"why"}}"#);
        let error = refused(Reply::Status(status, body)).await;
        assert_eq!(error, SourceError::Api { error_type: error_type.to_owned(), message: "why".to_owned() });
        assert_eq!(error.is_query_fault(), query_fault);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told_as_cut() {
    let half = &ONE[..ONE.len() / 2];
    let cut = SourceError::Truncated { received_bytes: half.len() };
    assert_eq!(refused(Reply::Json(half.to_owned())).await, cut);
    assert_eq!(refused(Reply::Cut { body: ONE.to_owned(), sent: half.len() }).await, cut);
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit_and_no_further() {
    let huge = |prefix: &str, bytes| Reply::Huge { prefix: prefix.to_owned(), bytes };
    assert_eq!(answered(huge(ONE, 100_000)).await.unwrap().len(), 1);
    assert_eq!(refused(huge(ONE, 100_001)).await, SourceError::TooLarge { limit_bytes: 100_000 });
    // Ten gigabytes would take longer than the timeout: it must stop reading long before.
    assert_eq!(refused(huge(ONE, 10_000_000_000)).await.kind(), "too_large");
    assert_eq!(refused(huge("<html>", 10_000_000_000)).await.kind(), "not_json");
}

#[tokio::test]
async fn a_compressed_answer_is_understood_and_limited_by_what_it_unpacks_to() {
    let gzipped = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let body = gzip.finish().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
        Reply::Raw([head.as_bytes(), &body].concat())
    };
    let server = MisbehavingServer::start(gzipped(ONE)).unwrap();
    let compressed = PrometheusSettings { compressed: true, ..settings() };
    let source = Prometheus::new("prometheus", &server.url(), compressed).unwrap();
    let mut session = QuerySession::new("up");
    assert_eq!(source.query(&mut session, T0).await.unwrap().values, [2.0]);
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));
    server.set(gzipped(&format!("{ONE}{}", " ".repeat(200_000))));
    assert_eq!(source.query(&mut session, T0).await.unwrap_err().kind(), "too_large");
}

#[tokio::test]
async fn an_answer_that_comes_too_slowly_is_not_waited_for() {
    let server = MisbehavingServer::start(Reply::Json(ONE.to_owned())).unwrap();
    let impatient = PrometheusSettings { timeout_millis: 100, ..settings() };
    let source = Prometheus::new("prometheus", &server.url(), impatient).unwrap();
    server.set(Reply::Slow { body: ONE.to_owned(), pause: Duration::from_secs(3) });
    let error = source.query(&mut QuerySession::new("up"), T0).await.unwrap_err();
    assert_eq!(error, SourceError::TimedOut { url: server.url(), timeout_millis: 100 });
    assert!(error.to_string().contains("within 100ms"), "{error}");
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_with_the_address() {
    let mut server = MisbehavingServer::start(Reply::Close).unwrap();
    let source = Prometheus::new("prometheus", &server.url(), settings()).unwrap();
    let mut session = QuerySession::new("up");
    let closed = source.query(&mut session, T0).await.unwrap_err();
    assert_eq!(closed.kind(), "unreachable", "{closed}");
    server.stop();
    let refused = source.query(&mut session, T0).await.unwrap_err();
    assert_eq!(refused.kind(), "unreachable");
    assert!(refused.to_string().contains(&server.url()) && refused.to_string().contains("refused"), "{refused}");

    server.set(Reply::Json(ONE.to_owned()));
    server.restart().unwrap();
    assert_eq!(source.query(&mut session, T0).await.unwrap().len(), 1);
    // A connection that was kept and died meanwhile is no failure of the next query.
    server.stop();
    server.restart().unwrap();
    assert_eq!(source.query(&mut session, T0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed_and_their_secrets_are_not_shown() {
    let elsewhere = MisbehavingServer::start(Reply::Json(ONE.to_owned())).unwrap();
    let to = format!("{}/login?token=secret", elsewhere.url().replace("http://", "http://u:secret@"));
    let error = refused(Reply::Redirect(to)).await;
    assert!(error.to_string().contains(&format!("redirects to {}/login (HTTP 302)", elsewhere.url())), "{error}");
    assert!(!error.to_string().contains("secret"));
    assert!(elsewhere.requests().is_empty());
    assert!(refused(Reply::Redirect("/x?y=secret".into())).await.to_string().contains("redirects to /x (HTTP 302)"));
}

#[tokio::test]
async fn bytes_that_are_no_http_are_an_unreachable_source() {
    assert_eq!(refused(Reply::Raw(b"+OK redis\r\n".to_vec())).await.kind(), "unreachable");
}

#[tokio::test]
async fn an_encrypted_address_is_never_spoken_to_in_the_clear() {
    let server = MisbehavingServer::start(Reply::Json(ONE.to_owned())).unwrap();
    match Prometheus::new("main", &server.url().replace("http:", "https:"), settings()) {
        Ok(source) => {
            let error = source.query(&mut QuerySession::new("up"), T0).await.unwrap_err();
            assert_eq!(error.kind(), "unreachable", "{error}");
            assert!(server.requests().iter().all(|request| !request.target.contains("query")));
        }
        // A machine without certificate authorities cannot check anybody, and says so at the start.
        Err(error) => assert!(error.to_string().to_lowercase().contains("certificate"), "{error}"),
    }
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_name_of_the_source() {
    let zero = PrometheusSettings { timeout_millis: 0, ..settings() };
    let error = Prometheus::new("main", "http://p", zero).unwrap_err();
    assert!(error.to_string().starts_with("source `main` cannot be used: its timeout is zero"), "{error}");
    let error = Prometheus::new("main", "p:9090", settings()).unwrap_err();
    assert!(error.to_string().contains("must begin with http://"), "{error}");
}

#[tokio::test]
async fn a_real_prometheus_answers_through_outages_and_is_only_read() {
    let exporter = Exporter::start("demo").unwrap();
    exporter.set("queue_length{queue=\"a\"}", 7.5);
    exporter.set("odd_values{kind=\"inf\"}", f64::INFINITY);
    exporter.set("odd_values{kind=\"nan\"}", f64::NAN);
    let config = ScrapeConfig::every(Duration::from_millis(200)).target("demo", exporter.address());
    let mut server = orion_lab::Prometheus::start(&config).unwrap();
    let scraped = server.wait_for("timestamp(odd_values{kind=\"nan\"})", "\"value\"", Duration::from_secs(30)).unwrap();
    let scraped: serde_json::Value = serde_json::from_str(&scraped).unwrap();
    let seconds: f64 = scraped["data"]["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "a time of today")]
    let instant = Timestamp::from_millis((seconds * 1000.0).round() as i64);

    let proxy = RecordingProxy::start(server.address()).unwrap();
    let source = Prometheus::new("prometheus", &proxy.url(), settings()).unwrap();
    let mut session = QuerySession::new("{job=\"demo\",__name__=~\"queue_length|odd_values\"}");
    let frame = source.query(&mut session, instant).await.unwrap();
    let mut seen: Vec<(String, i64, String)> = frame
        .samples()
        .map(|(id, at, value)| {
            let labels = session.table.labels(id).unwrap();
            (labels.get("kind").or(labels.get("queue")).unwrap().to_owned(), at, value.to_string())
        })
        .collect();
    seen.sort();
    let at = instant.as_millis();
    assert_eq!(
        seen,
        [("a".into(), at, "7.5".into()), ("inf".into(), at, "inf".into()), ("nan".into(), at, "NaN".into())]
    );

    let fault = source.query(&mut QuerySession::new("up{"), instant).await.unwrap_err();
    assert!(fault.is_query_fault() && fault.to_string().contains("bad_data"), "{fault}");
    let fault = source.query(&mut QuerySession::new("up + on() group_left() up[5m]"), instant).await.unwrap_err();
    assert!(fault.is_query_fault(), "{fault}");

    server.pause().unwrap();
    let direct = PrometheusSettings { timeout_millis: 200, ..settings() };
    let direct = Prometheus::new("prometheus", &server.url(), direct).unwrap();
    assert_eq!(direct.query(&mut session, instant).await.unwrap_err().kind(), "timed_out");
    server.resume().unwrap();

    server.kill();
    assert_eq!(source.query(&mut session, instant).await.unwrap_err().kind(), "http");
    assert_eq!(direct.query(&mut session, instant).await.unwrap_err().kind(), "unreachable");
    server.restart().unwrap();
    let again = source.query(&mut session, instant).await.unwrap();
    assert_eq!(again.ids, frame.ids);
    assert!(proxy.requests().iter().all(|(method, path)| method == "GET" && path.starts_with("/api/v1/query?")));
}
