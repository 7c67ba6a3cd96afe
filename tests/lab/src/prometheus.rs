//! A real Prometheus, which tests kill, freeze and bring back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orion_model::WrittenSeries;
use tempfile::TempDir;

use crate::error::LabError;
use crate::http::{get, percent_encoded, post};
use crate::process::{Process, free_address, temporary_folder};
use crate::written::requests;

/// With longer blocks than any test, all that is written stays in the head, which takes samples of any time within half a
/// block; and nothing is too old to be kept.
const LONG_BLOCKS: [&str; 3] = [
    "--storage.tsdb.min-block-duration=8y",
    "--storage.tsdb.max-block-duration=8y",
    "--storage.tsdb.retention.time=100y",
];

/// The rule file of a Prometheus of the lab.
const RULE_FILE: &str = "rules.yml";

/// Who may ask a Prometheus of the lab.
const WEB_FILE: &str = "web.yml";

/// What a Prometheus of the lab scrapes.
#[derive(Clone, Debug)]
pub struct ScrapeConfig {
    /// By job: where, and what Prometheus is to call it if not by its address.
    targets: BTreeMap<String, Vec<(SocketAddr, Option<String>)>>,
    scrape_interval: Duration,
    evaluation_interval: Duration,
    /// Rules it evaluates itself; none when empty.
    rules: String,
    is_written_to: bool,
    /// Who may ask, and the bcrypt hash of the password; everybody when there is none.
    user: Option<(String, String)>,
}

impl ScrapeConfig {
    /// Nothing yet, at this interval.
    pub fn every(scrape_interval: Duration) -> Self {
        let (targets, rules) = (BTreeMap::new(), String::new());
        Self { targets, scrape_interval, evaluation_interval: scrape_interval, rules, is_written_to: false, user: None }
    }

    /// Nothing is scraped: a test writes everything, at any time it likes. Subqueries without a step, and rules, go by the
    /// interval.
    pub fn written(evaluation_interval: Duration) -> Self {
        Self { evaluation_interval, is_written_to: true, ..Self::every(Duration::from_secs(60)) }
    }

    /// And these rules, which Prometheus evaluates itself.
    #[must_use]
    pub fn rules(mut self, rules: &str) -> Self {
        rules.clone_into(&mut self.rules);
        self
    }

    /// Only this user is answered, whose password has this bcrypt hash.
    #[must_use]
    pub fn asked_by(mut self, user: &str, password_hash: &str) -> Self {
        self.user = Some((user.to_owned(), password_hash.to_owned()));
        self
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
        let evaluation = self.evaluation_interval.as_millis();
        let mut yaml = format!(
            "global: {{ scrape_interval: {interval}ms, scrape_timeout: {interval}ms, evaluation_interval: {evaluation}ms }}\n"
        );
        if !self.rules.is_empty() {
            let _ = writeln!(yaml, "rule_files: [{RULE_FILE}]");
        }
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
    is_written_to: bool,
    folder: TempDir,
}

/// Status and body of an answer of the HTTP API.
pub type ApiAnswer = (u16, Vec<u8>);

impl Prometheus {
    /// Starts and waits until it answers. The first scrape comes some five seconds later: Prometheus collects its targets
    /// at that pace.
    pub fn start(config: &ScrapeConfig) -> Result<Self, LabError> {
        let folder = temporary_folder()?;
        let config_file = folder.path().join("prometheus.yml");
        std::fs::write(&config_file, config.to_yaml()).map_err(LabError::io("cannot write prometheus.yml"))?;
        let is_written_to = config.is_written_to;
        let mut prometheus = Self { address: free_address()?, process: None, is_written_to, folder };
        let users = config.user.iter().map(|(user, hash)| format!("basic_auth_users: {{ {user}: \"{hash}\" }}\n"));
        std::fs::write(prometheus.folder.path().join(WEB_FILE), users.collect::<String>())
            .map_err(LabError::io("cannot write the users"))?;
        prometheus.write_rules(&config.rules)?;
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
        let mut arguments = vec![
            format!("--config.file={folder}/prometheus.yml"),
            format!("--storage.tsdb.path={folder}/data"),
            format!("--web.listen-address={}", self.address),
            format!("--web.config.file={folder}/{WEB_FILE}"),
            "--log.level=warn".to_owned(),
            "--web.enable-lifecycle".to_owned(),
        ];
        if self.is_written_to {
            arguments.push("--web.enable-remote-write-receiver".to_owned());
            arguments.extend(LONG_BLOCKS.map(str::to_owned));
        }
        let mut process = Process::spawn("prometheus", &arguments, &self.log())?;
        process.wait_until_ready(self.address, "/-/ready")?;
        self.process = Some(process);
        Ok(())
    }

    /// Writes series. They can be asked for when this returns.
    pub fn write(&self, series: &[WrittenSeries]) -> Result<(), LabError> {
        let headers = [
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"),
        ];
        requests(series).iter().try_for_each(|body| self.post("/api/v1/write", &headers, body))
    }

    /// Puts other rules in place and lets it read them.
    pub fn reload_rules(&self, rules: &str) -> Result<(), LabError> {
        self.write_rules(rules)?;
        self.post("/-/reload", &[], &[])
    }

    fn write_rules(&self, rules: &str) -> Result<(), LabError> {
        std::fs::write(self.folder.path().join(RULE_FILE), rules).map_err(LabError::io("cannot write the rules"))
    }

    fn post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<(), LabError> {
        match post(self.address, target, headers, body)? {
            (200 | 204, _) => Ok(()),
            (status, body) => {
                let why = format!("status {status}: {}", String::from_utf8_lossy(&body).trim());
                Err(LabError::Http { url: format!("{}{target}", self.url()), why })
            }
        }
    }

    /// Asks an endpoint of the HTTP API, such as `query_range`, with these parameters.
    pub fn ask(&self, endpoint: &str, parameters: &[(&str, &str)]) -> Result<ApiAnswer, LabError> {
        let written = |(name, value): &(&str, &str)| format!("{name}={}", percent_encoded(value));
        let parameters = parameters.iter().map(written).collect::<Vec<_>>().join("&");
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        // By POST, because a query may be longer than an address.
        post(self.address, &format!("/api/v1/{endpoint}"), &form, parameters.as_bytes())
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

    /// The raw list of alerts that its own rules have made.
    pub fn alerts(&self) -> Result<String, LabError> {
        let (_, body) = get(self.address, "/api/v1/alerts")?;
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
    use orion_model::Written;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_written_is_found_at_its_time_and_stale_is_stale() {
        let prometheus = Prometheus::start(&ScrapeConfig::written(60 * SECOND)).unwrap();
        let labels = |name: &str| vec![("__name__".to_owned(), name.to_owned())];
        let samples = vec![(0, Written::Value(1.0)), (60_000, Written::Stale)];
        let a_year = 31_536_000_000;
        let series = [
            WrittenSeries { labels: labels("late"), samples: vec![(a_year, Written::Value(2.0))] },
            WrittenSeries { labels: labels("early"), samples },
        ];
        prometheus.write(&series).unwrap();
        let found = |expr, time| prometheus.query(expr, Some(time)).unwrap().contains("\"metric\"");
        assert!(found("early == 1", "0") && found("early", "59.999") && !found("early", "60"));
        assert!(found("late == 2", "31536000"));
        let (status, body) = prometheus.ask("query_range", &[("query", "1 +")]).unwrap();
        assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
    }

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
