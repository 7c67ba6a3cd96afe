//! A small media server as seen by Prometheus: five applications in containers, cAdvisor beside them, the machine below.
//!
//! The applications and cAdvisor are stand-ins whose curves are functions of the time since the start, so that two
//! recordings look alike. As the real cAdvisor does, the stand-in says when it took each sample: Prometheus then writes
//! no staleness markers, and a container that is gone keeps its last sample for five minutes, which is what the usual
//! rule `time() - container_last_seen{…} > 60` lives on.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::LabError;
use crate::exporter::Exporter;
use crate::http::lock;
use crate::process::NodeExporter;
use crate::prometheus::ScrapeConfig;

/// The containers of the stack.
pub const CONTAINERS: [&str; 5] = ["jellyfin", "radarr", "sonarr", "prowlarr", "qbittorrent"];

const MIB: f64 = 1024.0 * 1024.0;

/// What a container uses, as cAdvisor would see it.
struct Profile {
    image: &'static str,
    /// Where the real application listens; only for the name of its instance.
    port: u16,
    cores: f64,
    memory_mib: f64,
    limit_mib: f64,
    network_bytes_per_second: f64,
    /// How long its load takes to rise and fall.
    period_seconds: f64,
}

fn profile(container: &str) -> Profile {
    let (image, port, cores, memory_mib, limit_mib, network_bytes_per_second, period_seconds) = match container {
        "jellyfin" => ("jellyfin/jellyfin:10.10.3", 8096, 0.42, 780.0, 2048.0, 3.1e6, 240.0),
        "radarr" => ("linuxserver/radarr:5.14.0", 7878, 0.05, 310.0, 1024.0, 4.2e4, 300.0),
        "sonarr" => ("linuxserver/sonarr:4.0.11", 8989, 0.06, 290.0, 1024.0, 3.9e4, 330.0),
        "prowlarr" => ("linuxserver/prowlarr:1.26.1", 9696, 0.03, 180.0, 512.0, 2.1e4, 270.0),
        _ => ("linuxserver/qbittorrent:5.0.2", 8080, 0.18, 520.0, 1536.0, 5.4e6, 210.0),
    };
    Profile { image, port, cores, memory_mib, limit_mib, network_bytes_per_second, period_seconds }
}

/// When a running container was started, and what it had used before.
type Alive = Arc<Mutex<BTreeMap<&'static str, Instant>>>;

/// The stack. Dropped: gone.
pub struct MediaStack {
    alive: Alive,
    applications: BTreeMap<&'static str, Exporter>,
    cadvisor: Exporter,
    node: NodeExporter,
}

impl MediaStack {
    /// Starts everything, healthy.
    pub fn start() -> Result<Self, LabError> {
        let now = Instant::now();
        let alive: Alive = Arc::new(Mutex::new(CONTAINERS.iter().map(|&name| (name, now)).collect()));
        let mut applications = BTreeMap::new();
        for name in CONTAINERS {
            applications.insert(name, Exporter::start_with(name, move || application_metrics(name, now))?);
        }
        let cadvisor = Exporter::start_with("cadvisor", {
            let alive = alive.clone();
            move || cadvisor_metrics(&lock(&alive))
        })?;
        Ok(Self { alive, applications, cadvisor, node: NodeExporter::start()? })
    }

    /// What a Prometheus needs to scrape all of it.
    pub fn scrape_config(&self, scrape_interval: Duration) -> ScrapeConfig {
        let config = ScrapeConfig::every(scrape_interval)
            .target_called("cadvisor", "cadvisor:8080", self.cadvisor.address())
            .target_called("node", "media-server:9100", self.node.address());
        self.applications.iter().fold(config, |config, (name, exporter)| {
            config.target_called(exporter.job(), &format!("{name}:{}", profile(name).port), exporter.address())
        })
    }

    /// The exporter of an application, to set further metrics.
    pub fn application(&self, container: &str) -> Option<&Exporter> {
        self.applications.get(container)
    }

    /// The stand-in cAdvisor, to set further metrics.
    pub fn cadvisor(&self) -> &Exporter {
        &self.cadvisor
    }

    /// Kills a container: its port closes and cAdvisor no longer speaks of it. Whether there is such a container.
    pub fn kill(&mut self, container: &str) -> bool {
        lock(&self.alive).remove(container);
        self.applications.get_mut(container).map(Exporter::stop).is_some()
    }

    /// Starts a killed container again, its counters at zero. Whether there is such a container.
    pub fn revive(&mut self, container: &str) -> Result<bool, LabError> {
        let Some(name) = CONTAINERS.into_iter().find(|name| *name == container) else { return Ok(false) };
        let Some(exporter) = self.applications.get_mut(name) else { return Ok(false) };
        exporter.restart()?;
        lock(&self.alive).insert(name, Instant::now());
        Ok(true)
    }
}

/// Between 0 and 1, rising and falling once a period.
fn wave(seconds: f64, period_seconds: f64) -> f64 {
    0.5 - 0.5 * (TAU * seconds / period_seconds).cos()
}

/// How busy a container is, of what it may use.
fn load(profile: &Profile, seconds: f64) -> f64 {
    0.7 + 0.3 * wave(seconds, profile.period_seconds)
}

/// What it has used so far: the area under [`load`], because a counter that falls looks like a restart.
fn cpu_seconds(profile: &Profile, seconds: f64) -> f64 {
    let turns = TAU / profile.period_seconds;
    profile.cores * (0.85 * seconds - 0.15 * (turns * seconds).sin() / turns)
}

fn application_metrics(name: &str, started: Instant) -> String {
    let seconds = started.elapsed().as_secs_f64();
    let profile = profile(name);
    let mut text = String::new();
    for (code, per_second) in [("200", 4.0), ("404", 0.05), ("500", 0.01)] {
        let requests = (seconds * per_second).floor();
        let _ = writeln!(text, "http_requests_total{{code=\"{code}\"}} {requests}");
    }
    let latency = 0.04 + 0.05 * wave(seconds, profile.period_seconds);
    let _ = writeln!(text, "http_request_duration_seconds{{quantile=\"0.95\"}} {latency:.4}");
    if name == "qbittorrent" || name == "radarr" || name == "sonarr" {
        let queue = (6.0 * wave(seconds, profile.period_seconds)).round();
        let _ = writeln!(text, "{name}_queue_items {queue}");
    }
    text
}

fn cadvisor_metrics(alive: &BTreeMap<&'static str, Instant>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (now_seconds, now_millis) = (now.as_secs(), now.as_millis());
    let mut text = String::new();
    for (name, started) in alive {
        let profile = profile(name);
        let seconds = started.elapsed().as_secs_f64();
        let memory = profile.memory_mib * load(&profile, seconds) * MIB;
        let labels = format!("id=\"/docker/{name}\",image=\"{}\",name=\"{name}\"", profile.image);
        let received = seconds * profile.network_bytes_per_second;
        let samples = [
            ("container_last_seen", "", format!("{now_seconds}")),
            ("container_start_time_seconds", "", format!("{:.0}", now.as_secs_f64() - seconds)),
            ("container_cpu_usage_seconds_total", ",cpu=\"total\"", format!("{:.3}", cpu_seconds(&profile, seconds))),
            ("container_memory_usage_bytes", "", format!("{memory:.0}")),
            ("container_memory_working_set_bytes", "", format!("{:.0}", memory * 0.9)),
            ("container_spec_memory_limit_bytes", "", format!("{:.0}", profile.limit_mib * MIB)),
            ("container_network_receive_bytes_total", ",interface=\"eth0\"", format!("{received:.0}")),
            ("container_network_transmit_bytes_total", ",interface=\"eth0\"", format!("{:.0}", received * 0.8)),
            ("container_network_receive_errors_total", ",interface=\"eth0\"", "0".to_owned()),
        ];
        for (metric, more, value) in samples {
            let _ = writeln!(text, "{metric}{{{labels}{more}}} {value} {now_millis}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::get;

    #[test]
    fn the_cpu_counter_of_a_container_grows_by_its_load() {
        for name in CONTAINERS {
            let profile = profile(name);
            for second in 0..7_200 {
                let now = f64::from(second);
                let grown = cpu_seconds(&profile, now + 1.0) - cpu_seconds(&profile, now);
                let expected = profile.cores * load(&profile, now + 0.5);
                assert!((grown / expected - 1.0).abs() < 0.001, "{name} at {now}: {grown} for {expected}");
            }
        }
    }

    fn seen(stack: &MediaStack) -> String {
        String::from_utf8(get(stack.cadvisor().address(), "/metrics").unwrap().1).unwrap()
    }

    #[test]
    fn a_killed_container_is_silent_everywhere_and_a_revived_one_speaks_again() {
        let mut stack = MediaStack::start().unwrap();
        let jellyfin = stack.application("jellyfin").unwrap().address();
        assert!(seen(&stack).contains("container_last_seen{id=\"/docker/jellyfin\""));
        assert!(get(jellyfin, "/metrics").is_ok());

        assert!(stack.kill("jellyfin"));
        assert!(!seen(&stack).contains("jellyfin"));
        assert!(seen(&stack).contains("sonarr"));
        assert!(get(jellyfin, "/metrics").is_err());

        assert!(stack.revive("jellyfin").unwrap());
        assert!(seen(&stack).contains("jellyfin"));
        assert!(get(jellyfin, "/metrics").is_ok());
        assert!(!stack.kill("plex") && !stack.revive("plex").unwrap());
    }
}
