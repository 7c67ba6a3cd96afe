//! Spans that are over, until they are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;

/// Spans that wait: those of some seconds of a busy host, in a few megabytes.
const MAX_WAITING: usize = 8_192;

/// Where spans go when they are over.
#[derive(Debug)]
pub(crate) struct Queue {
    spans: mpsc::Sender<SpanData>,
    lost: Arc<AtomicU64>,
}

/// Spans that are to be sent, and how many had no room.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) spans: mpsc::Receiver<SpanData>,
    pub(crate) lost: Arc<AtomicU64>,
}

impl Queue {
    pub(crate) fn new() -> (Self, Waiting) {
        let ((sender, spans), lost) = (mpsc::channel(MAX_WAITING), Arc::new(AtomicU64::new(0)));
        (Self { spans: sender, lost: lost.clone() }, Waiting { spans, lost })
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
