//! Real servers for tests, the demo recording and benches.
//!
//! Orion is tested against the programs it meets in the field and not against imitations of them: [`Prometheus`],
//! [`Alertmanager`], [`NodeExporter`], [`RedisServer`] and [`Registry`] are the real binaries, started on free loopback ports. What the field's *applications* do is played
//! by [`Exporter`]s whose metrics a test sets, and by the [`MediaStack`] made of them. Two more servers look at the other
//! side: [`RecordingProxy`] remembers every request that passes, so that a test can prove that Orion only reads, and
//! [`MisbehavingServer`] gives the answers that no healthy server gives. An [`AnsweringServer`] says of each instant the same,
//! whoever asks and whenever. A [`TcpProxy`] is a network link that fails.
//!
//! Everything dies with the value that stands for it. The deployed `orion` links nothing of this crate.

mod alertmanager;
mod answering;
mod certificate;
mod error;
mod exporter;
mod http;
mod loki;
mod media_stack;
mod misbehaving;
mod otlp;
mod process;
mod prometheus;
mod proxy;
mod redis;
mod redis_cluster;
mod redis_sentinels;
mod registry;
mod resp;
mod tcp_proxy;
mod web;
mod written;

pub use alertmanager::Alertmanager;
pub use answering::{Answer, Answered, AnsweringServer, Question};
pub use certificate::Certificates;
pub use error::LabError;
pub use exporter::Exporter;
pub use http::Request;
pub use loki::{LokiAnswer, LokiStandIn};
pub use media_stack::{CONTAINERS, MediaStack};
pub use misbehaving::{MisbehavingServer, Reply};
pub use otlp::OtlpReceiver;
pub use process::NodeExporter;
pub use prometheus::{ApiAnswer, Prometheus, ScrapeConfig};
pub use proxy::RecordingProxy;
pub use redis::{Fsync, RedisOptions, RedisServer};
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use registry::Registry;
pub use tcp_proxy::{Link, TcpProxy};
pub use web::WebServer;
