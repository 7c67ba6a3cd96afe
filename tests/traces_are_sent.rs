//! A build with the feature `otlp` sends traces of Orion's own work to the collector that it is told, from a confined process; and
//! nothing of what is observed is in them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use orion_lab::{AnsweringServer, OtlpReceiver};
use prost::Message;

use crate::support::{Deployment, TARGETS};

/// A label that nobody elsewhere has to know.
const PRIVATE: &str = "nobodys-business";

fn spans(receiver: &OtlpReceiver) -> Vec<Span> {
    let bodies = receiver.received().into_iter().map(|request| request.body);
    let read = bodies.map(|body| ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
    let of = read.flat_map(|request| request.resource_spans).flat_map(|it| it.scope_spans);
    of.flat_map(|it| it.spans).collect()
}

#[test]
fn the_stages_of_an_event_are_traced_and_a_collector_that_is_away_is_said_once() {
    let collector = OtlpReceiver::start().unwrap();
    let prometheus = AnsweringServer::start(|_| vec![(vec![("job", PRIVATE.to_owned())], 0.0)]).unwrap();
    let deployment = Deployment::new(&prometheus.url())
        .with("ORION_CONFINEMENT", "require")
        .with("ORION_OTLP__ENDPOINT", &collector.url());
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    deployment.wait_until("an outage", |it| !it.decisions().is_empty());
    let names = ["evaluation", "query", "commit", "guardian", "memory"];
    deployment.wait_until("all stages to be traced", |_| {
        let spans = spans(&collector);
        names.iter().all(|name| spans.iter().any(|span| span.name == *name))
    });
    assert!(orion.terminate().success());
    let spans = spans(&collector);
    let of = |span: &&Span, name: &str| span.name == name;
    let query = spans.iter().find(|span| of(span, "query")).unwrap();
    let evaluation = spans.iter().find(|span| span.span_id == query.parent_span_id).unwrap();
    assert_eq!((evaluation.name.as_str(), &evaluation.trace_id), ("evaluation", &query.trace_id));
    let said = |span: &Span| format!("{:?}", span.attributes);
    assert!(said(evaluation).contains("targets.yaml/targets"), "{evaluation:?}");
    for owner in ["group/targets.yaml/targets", "guardian", "brain"] {
        let is_its = |span: &&Span| of(span, "commit") && said(span).contains(owner);
        assert!(spans.iter().any(|span| is_its(&span)), "no commit of {owner}");
    }
    assert!(!spans.iter().any(|span| format!("{span:?}").contains(PRIVATE)), "a label is in a trace");
    let log = deployment.log();
    assert!(!log.contains("evaluation{"), "spans are in the lines of the log: {log}");
    deployment.check_promises();

    // Observation goes on without it.
    let deployment = Deployment::new(&prometheus.url()).with("ORION_OTLP__ENDPOINT", "http://127.0.0.1:9");
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    deployment.wait_until("an outage", |it| !it.decisions().is_empty());
    let log = || deployment.log();
    deployment.wait_until("it to be said", |_| log().contains("traces cannot be sent"));
    assert!(orion.terminate().success());
    assert_eq!(log().matches("traces cannot be sent").count(), 1, "{}", log());
}

#[test]
fn an_address_that_cannot_be_one_stops_the_start_and_says_what_to_write() {
    let deployment = Deployment::new("http://127.0.0.1:9").with("ORION_OTLP__ENDPOINT", "collector:4318");
    let output = deployment.orion(&["run"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("write it like http://collector:4318"), "{said}");
}
