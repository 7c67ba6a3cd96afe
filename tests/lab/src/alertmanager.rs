//! A real Alertmanager, which notifies a webhook.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::error::LabError;
use crate::http::post;
use crate::process::{Process, free_address, temporary_folder};

/// The program.
const PROGRAM: &str = "prometheus-alertmanager";

/// The file with what it shows to the webhook.
const SECRET_FILE: &str = "webhook.secret";

/// An Alertmanager on a free loopback port. It notifies a tenth of a second after the first alert of a group, and again every second or
/// two for as long as there is something to say.
pub struct Alertmanager {
    address: SocketAddr,
    // Declared before the folder: the process goes first.
    _process: Process,
    _folder: TempDir,
}

impl Alertmanager {
    /// Starts one that notifies this address with this bearer.
    pub fn start(webhook: &str, bearer: &str) -> Result<Self, LabError> {
        let (address, folder) = (free_address()?, temporary_folder()?);
        let config = folder.path().join("alertmanager.yml");
        let secret = folder.path().join(SECRET_FILE);
        let written =
            std::fs::write(&secret, bearer).and_then(|()| std::fs::write(&config, configuration(webhook, &secret)));
        written.map_err(LabError::io("cannot write alertmanager.yml"))?;
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", folder.path().join("data").display()),
            format!("--web.listen-address={address}"),
            // Alone.
            "--cluster.listen-address=".to_owned(),
        ];
        let mut process = Process::spawn(PROGRAM, &arguments, &folder.path().join("log"))?;
        process.wait_until_ready(address, "/-/ready")?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// Tells it of alerts, as Prometheus does: a JSON list.
    pub fn alert(&self, alerts: &str) -> Result<(), LabError> {
        let json = [("Content-Type", "application/json")];
        match post(self.address, "/api/v2/alerts", &json, alerts.as_bytes())? {
            (200, _) => Ok(()),
            (status, body) => {
                let what = format!("Alertmanager answers {status}: {}", String::from_utf8_lossy(&body));
                Err(LabError::Io { what, why: std::io::ErrorKind::InvalidInput.into() })
            }
        }
    }
}

fn configuration(webhook: &str, secret: &Path) -> String {
    format!(
        "route: {{ receiver: orion, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1s }}\n\
         receivers:\n\
         - name: orion\n  webhook_configs:\n  - url: {webhook}\n    send_resolved: true\n    http_config:\n      \
         authorization: {{ credentials_file: {} }}\n",
        secret.display()
    )
}
