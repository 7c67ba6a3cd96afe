//! Sends what waits, a batch at a time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::endpoint::Endpoint;
use crate::queue::Waiting;

/// Spans of a batch: some hundred kilobytes.
const MAX_BATCH: usize = 512;

/// How long spans are gathered, so that a batch is worth a request.
const GATHER_MILLIS: u64 = 1_000;

/// How long the end may take. Traces are not worth holding up what is.
const END_MILLIS: u64 = 2_000;

/// Sends until it is told to end.
pub struct Sending {
    task: JoinHandle<()>,
    end: watch::Sender<bool>,
    /// Spans are made as long as it is there.
    provider: SdkTracerProvider,
}

impl Sending {
    pub(crate) fn start(
        exporter: SpanExporter,
        waiting: Waiting,
        endpoint: Endpoint,
        provider: SdkTracerProvider,
    ) -> Self {
        let (end, ended) = watch::channel(false);
        let sender = Sender { exporter, waiting, endpoint, has_trouble: false };
        Self { task: tokio::spawn(sender.send_until(ended)), end, provider }
    }

    /// Sends what is left, if that can be done soon.
    pub async fn end(self) {
        self.end.send_replace(true);
        // What is not sent by then is lost, and that is no harm to anything that Orion keeps.
        let _ = tokio::time::timeout(Duration::from_millis(END_MILLIS), self.task).await;
        drop(self.provider);
    }
}

struct Sender {
    exporter: SpanExporter,
    waiting: Waiting,
    endpoint: Endpoint,
    /// Whether the last batch could not be sent.
    has_trouble: bool,
}

impl Sender {
    async fn send_until(mut self, mut ended: watch::Receiver<bool>) {
        tracing::info!("traces of Orion's own work are sent to {}", self.endpoint.traces());
        loop {
            let is_end = tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(GATHER_MILLIS)) => false,
                // A sender that is gone is the end as well.
                _ = ended.wait_for(|ended| *ended) => true,
            };
            while let Some(batch) = self.batch() {
                self.send(batch).await;
            }
            if is_end {
                return;
            }
        }
    }

    fn batch(&mut self) -> Option<Vec<SpanData>> {
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH
            && let Ok(span) = self.waiting.spans.try_recv()
        {
            batch.push(span);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// A batch that cannot be sent is lost. That is said when it begins, and when it is over.
    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        match self.exporter.export(batch).await {
            Ok(()) => {
                let lost = self.waiting.lost.swap(0, Ordering::Relaxed);
                if std::mem::take(&mut self.has_trouble) {
                    tracing::info!(lost, "the collector takes traces again");
                } else if lost > 0 {
                    tracing::warn!(lost, "there are more traces than the collector takes");
                }
            }
            Err(error) => {
                self.waiting.lost.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.has_trouble, true) {
                    tracing::warn!("traces cannot be sent to {} and are lost: {error}", self.endpoint.traces());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use orion_lab::OtlpReceiver;
    use prost::Message;
    use tracing::{Subscriber, debug_span};
    use tracing_subscriber::layer::SubscriberExt;

    use crate::{Endpoint, Traces};

    const TARGET: &str = "orion::stage";

    fn traces(url: &str) -> (Traces, impl Subscriber + Send + Sync) {
        let traces = Traces::to(Endpoint::parse(url).unwrap(), "1.2.3").unwrap();
        let subscriber = tracing_subscriber::registry().with(traces.layer(TARGET));
        (traces, subscriber)
    }

    fn spans(receiver: &OtlpReceiver) -> Vec<Span> {
        let requests = receiver.received();
        let read = |body: &Vec<u8>| ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        let of = requests.iter().flat_map(|request| read(&request.body).resource_spans);
        of.flat_map(|it| it.scope_spans).flat_map(|it| it.spans).collect()
    }

    #[tokio::test]
    async fn spans_of_the_target_arrive_below_their_parents_and_those_of_libraries_do_not() {
        let receiver = OtlpReceiver::start().unwrap();
        let (traces, subscriber) = traces(&receiver.url());
        tracing::subscriber::with_default(subscriber, || {
            debug_span!(target: TARGET, "evaluation", group = "f/g").in_scope(|| {
                debug_span!(target: TARGET, "query").in_scope(|| ());
                debug_span!(target: "library", "answer", body = "nobody's business").in_scope(|| ());
            });
        });
        traces.start().end().await;
        let spans = spans(&receiver);
        let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (evaluation, query) = (find("evaluation"), find("query"));
        assert_eq!((spans.len(), &query.parent_span_id), (2, &evaluation.span_id));
        assert_eq!(query.trace_id, evaluation.trace_id);
        assert!(format!("{:?}", evaluation.attributes).contains("f/g"));
        let request = &receiver.received()[0];
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/traces"));
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        let resource = format!(
            "{:?}",
            ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap().resource_spans[0].resource
        );
        assert!(
            resource.contains("service.name") && resource.contains("orion") && resource.contains("1.2.3"),
            "{resource}"
        );
    }

    #[tokio::test]
    async fn who_works_is_not_held_up_by_a_collector_that_is_away_and_more_spans_than_fit_are_lost() {
        let (traces, subscriber) = traces("http://127.0.0.1:9");
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..20_000 {
                debug_span!(target: TARGET, "commit").in_scope(|| ());
            }
        });
        let lost = traces.waiting.lost.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(lost, 20_000 - 8_192);
        traces.start().end().await;
    }
}
