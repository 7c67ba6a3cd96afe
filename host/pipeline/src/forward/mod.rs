//! The last stage of an agent: what it saw goes to a control host, in order, and is correlated there.
//!
//! The store is the buffer. The stage reads it behind its own position like every other stage, and moves that position when the control
//! host says that a batch is recorded. So an agent that is cut off, or killed, goes on where it was; and a control host that took a
//! batch whose answer was lost says up to where it has everything.
//!
//! The control host keeps the place together with the line it is on (see [`orion_model::LineTaken`]). Where its place is not on this
//! store's line, because the store or that of the control host was put back to an earlier state, the agent begins a new line: what was
//! forwarded before is known there by the ids of its events.

mod batch;
mod buffer;
mod meter;
mod progress;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orion_bus::Bus;
use orion_model::{AgentName, Clock, ForwardBatch, Forwarded, LineTaken};
use tokio::sync::watch;

pub use self::buffer::{Buffer, DEFAULT_BUFFER_MIB};
pub use self::meter::ForwardMeter;
use self::progress::Progress;
use crate::history::History;
use crate::meters::StageMeter;
use crate::stage::{StageError, StageLoop};
use crate::watermark::Watermark;

/// The name under which it commits.
pub const FORWARD_OWNER: &str = "forward";

/// First and longest wait after the control host did not take something.
const RETRY_MILLIS: (u64, u64) = (200, 15_000);

/// The control host.
#[async_trait]
pub trait Control: Send + Sync {
    /// Hands over a batch. The error says in one line why nothing is known of it.
    async fn forward(&self, batch: &ForwardBatch) -> Result<Forwarded, String>;
}

/// Where an agent forwards to, and as whom.
#[derive(Clone)]
pub struct Forwarding {
    /// What it is called.
    pub agent: AgentName,
    /// Who takes.
    pub control: Arc<dyn Control>,
    /// The bus of which what is forwarded is told.
    pub buffer: Arc<Buffer>,
}

impl Forwarding {
    /// How it goes.
    pub fn meter(&self) -> Arc<ForwardMeter> {
        self.buffer.meter()
    }
}

/// Forwards until `shutdown` turns true and everything is forwarded, or the control host does not answer.
pub(crate) async fn run_forward(
    forwarding: Forwarding,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    watermark: Arc<Watermark>,
    stage_meter: Arc<StageMeter>,
    shutdown: watch::Receiver<bool>,
) {
    let mut stage = StageLoop::new(FORWARD_OWNER, bus.appended(), shutdown.clone());
    let mut forwarder =
        Forwarder { meter: forwarding.meter(), forwarding, bus, clock, watermark, stage_meter, shutdown };
    while let Err(error) = forwarder.work(&mut stage).await {
        if !stage.retry(&error).await {
            return;
        }
    }
}

struct Forwarder {
    forwarding: Forwarding,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    watermark: Arc<Watermark>,
    meter: Arc<ForwardMeter>,
    stage_meter: Arc<StageMeter>,
    shutdown: watch::Receiver<bool>,
}

impl Forwarder {
    async fn work(&mut self, stage: &mut StageLoop) -> Result<(), StageError> {
        let mut progress = Progress::open(&*self.bus, &self.forwarding.agent, self.clock.now()).await?;
        loop {
            self.stage_meter.reached(progress.position());
            self.meter.reached(progress.position());
            // Asked before the bus is: what is committed between the two has a later time than this.
            let reached = self.watermark.reached(self.clock.now(), History::of(&*self.bus).name());
            let read = batch::read(&*self.bus, &progress, reached, self.clock.now()).await?;
            let Some(read) = read else {
                if stage.is_shut_down() {
                    return Ok(());
                }
                stage.wait().await;
                continue;
            };
            if read.batch.events.is_empty() {
                // Nothing of it is forwarded, and there is nobody to ask.
                self.pass(&mut progress, read).await?;
            } else if !self.hand_over(&mut progress, read).await? {
                return Ok(());
            }
            stage.succeeded();
        }
    }

    /// Whether it was taken, or there is something else to hand over: not when this ends before.
    async fn hand_over(&self, progress: &mut Progress, read: batch::Read) -> Result<bool, StageError> {
        let mut retry_millis = RETRY_MILLIS.0;
        loop {
            orion_bus::crash_point!("forward::before_send");
            match self.forwarding.control.forward(&read.batch).await {
                Ok(Forwarded::Taken(receipt)) => {
                    orion_bus::crash_point!("forward::after_send");
                    if let Some(reason) = &receipt.reason {
                        tracing::error!(
                            events = receipt.put_aside,
                            "the control host cannot take some events: {reason}"
                        );
                    }
                    self.meter.forwarded(read.batch.events.len() as u64, self.clock.now());
                    self.pass(progress, read).await?;
                    return Ok(true);
                }
                Ok(Forwarded::Elsewhere(taken)) => {
                    self.meter.answered();
                    self.go_to(progress, taken).await?;
                    return Ok(true);
                }
                Err(why) => self.meter.failed(&why),
            }
            if *self.shutdown.borrow() || !self.waited(retry_millis).await {
                return Ok(false);
            }
            retry_millis = (retry_millis * 2).min(RETRY_MILLIS.1);
        }
    }

    /// False when it is the end.
    async fn waited(&self, millis: u64) -> bool {
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(millis)) => true,
            _ = shutdown.wait_for(|down| *down) => false,
        }
    }

    /// What was read needs not be read again.
    async fn pass(&self, progress: &mut Progress, read: batch::Read) -> Result<(), StageError> {
        progress.pass(&*self.bus, read.batch.to, read.said).await?;
        self.forwarding.buffer.passed(read.records, read.bytes);
        Ok(())
    }

    /// The control host has everything up to another place.
    async fn go_to(&self, progress: &mut Progress, taken: LineTaken) -> Result<(), StageError> {
        progress.go_to(&*self.bus, taken, &self.forwarding.agent, self.clock.now()).await?;
        self.forwarding.buffer.count_behind(progress.position()).await?;
        Ok(())
    }
}
