//! A real Prometheus, which tests kill, freeze and bring back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::LabError;
use crate::http::{get, percent_encoded};
use crate::process::{Process, free_address, temporary_folder};

/// What a Prometheus of the lab scrapes.
#[derive(Clone, Debug)]
pub struct ScrapeConfig {
    /// By job: where, and what Prometheus is to call it if not by its address.
    targets: BTreeMap<String, Vec<(SocketAddr, Option<String>)>>,
    scrape_interval: Duration,
}

impl ScrapeConfig {
    /// Nothing yet, at this interval.
    pub fn every(scrape_interval: Duration) -> Self {
        Self { targets: BTreeMap::new(), scrape_interval }
    }

    /// And this target.
    #[must_use]
    pub fn target(mut self, job: &str, address: SocketAddr) -> Self {
        self.targets.entry(job.to_owned()).or_default().push((address, None));
        self
    }

    /// And this target, with a label `instance` that does not tell which port was free today.
    #[must_use]
    pub fn target_called(mut self, job: &str, instance: &str, address: SocketAddr) -> Self {
        self.targets.entry(job.to_owned()).or_default().push((address, Some(instance.to_owned())));
        self
    }

    fn to_yaml(&self) -> String {
        let interval = self.scrape_interval.as_millis();
        let mut yaml = format!("global: {{ scrape_interval: {interval}ms, scrape_timeout: {interval}ms }}\n");
        yaml.push_str("scrape_configs:\n");
        for (job, targets) in &self.targets {
            let _ = writeln!(yaml, "- job_name: \"{job}\"\n  static_configs:");
            for (address, instance) in targets {
                let labels = instance.iter().map(|instance| format!("instance: \"{instance}\"")).collect::<String>();
                let _ = writeln!(yaml, "  - {{ targets: [\"{address}\"], labels: {{ {labels} }} }}");
            }
        }
        yaml
    }
}

/// A Prometheus on a free loopback port, with its data in a temporary folder.
pub struct Prometheus {
    address: SocketAddr,
    process: Option<Process>,
    folder: TempDir,
}

impl Prometheus {
    /// Starts and waits until it answers. The first scrape comes some five seconds later: Prometheus collects its targets
    /// at that pace.
    pub fn start(config: &ScrapeConfig) -> Result<Self, LabError> {
        let folder = temporary_folder()?;
        let config_file = folder.path().join("prometheus.yml");
        std::fs::write(&config_file, config.to_yaml()).map_err(LabError::io("cannot write prometheus.yml"))?;
        let mut prometheus = Self { address: free_address()?, process: None, folder };
        prometheus.restart()?;
        Ok(prometheus)
    }

    /// Its address as a base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The folder that holds its configuration, data and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SIGKILL: connections break, the port refuses. Its data stay.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts again on the same port and data after [`Prometheus::kill`]; nothing to do while it runs.
    pub fn restart(&mut self) -> Result<(), LabError> {
        if self.process.is_some() {
            return Ok(());
        }
        let folder = self.folder.path().display();
        let arguments = [
            format!("--config.file={folder}/prometheus.yml"),
            format!("--storage.tsdb.path={folder}/data"),
            format!("--web.listen-address={}", self.address),
            "--log.level=warn".to_owned(),
        ];
        let mut process = Process::spawn("prometheus", &arguments, &self.log())?;
        process.wait_until_ready(self.address, "/-/ready")?;
        self.process = Some(process);
        Ok(())
    }

    /// SIGSTOP: connections are accepted and nothing is answered.
    pub fn pause(&self) -> Result<(), LabError> {
        self.process.as_ref().map_or(Ok(()), Process::pause)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), LabError> {
        self.process.as_ref().map_or(Ok(()), Process::resume)
    }

    /// The raw answer to an instant query; `time` in seconds, or now.
    pub fn query(&self, expr: &str, time: Option<&str>) -> Result<String, LabError> {
        let time = time.map_or_else(String::new, |time| format!("&time={time}"));
        let target = format!("/api/v1/query?query={}{time}", percent_encoded(expr));
        let (_, body) = get(self.address, &target)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Asks again and again until the answer contains `text`; for what Prometheus learns only by scraping.
    pub fn wait_for(&self, expr: &str, text: &str, within: Duration) -> Result<String, LabError> {
        let started = std::time::Instant::now();
        loop {
            let answer = self.query(expr, None)?;
            if answer.contains(text) {
                return Ok(answer);
            }
            if started.elapsed() > within {
                return Err(LabError::Http { url: expr.to_owned(), why: format!("no `{text}` in {answer}") });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::Exporter;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn prometheus_scrapes_an_exporter_sees_it_stop_and_survives_a_kill_with_its_data() {
        let mut exporter = Exporter::start("demo").unwrap();
        exporter.set("queue_length", 7.0);
        let config = ScrapeConfig::every(Duration::from_millis(200)).target("demo", exporter.address());
        let mut prometheus = Prometheus::start(&config).unwrap();
        prometheus.wait_for("queue_length{job=\"demo\"}", "\"7\"", 30 * SECOND).unwrap();

        prometheus.kill();
        assert!(prometheus.query("up", None).is_err());
        exporter.stop();
        prometheus.restart().unwrap();
        prometheus.wait_for("up == 0", "\"0\"", 30 * SECOND).unwrap();
        prometheus.wait_for("last_over_time(queue_length[5m])", "\"7\"", 30 * SECOND).unwrap();

        exporter.restart().unwrap();
        prometheus.wait_for("up == 1", "\"1\"", 30 * SECOND).unwrap();
    }
}
