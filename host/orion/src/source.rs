//! The sources: where they are, who asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use orion_source::{Credentials, Loki, Prometheus, PrometheusSettings, Source};

use crate::cli::Failure;

/// What rule files call the source of whoever names none.
pub const PROMETHEUS: &str = "prometheus";

/// What rule files call Loki.
pub const LOKI: &str = "loki";

/// Sources by the names that rule files use.
pub type Sources = BTreeMap<String, Arc<dyn Source>>;

/// Where Prometheus listens when nothing is said.
const DEFAULT_URL: &str = "http://127.0.0.1:9090";

/// Where Prometheus is, and who asks it.
#[derive(Args, Clone)]
pub struct PrometheusArgs {
    /// Prometheus, with a path prefix if it has one [default: http://127.0.0.1:9090]
    #[arg(long, value_name = "URL", env = "PROMETHEUS_URL", hide_env_values = true)]
    pub prometheus_url: Option<String>,
    /// Who asks, by HTTP basic authentication
    #[arg(long, value_name = "USER", env = "ORION_PROMETHEUS__USER", requires = "prometheus_password_file")]
    pub prometheus_user: Option<String>,
    /// File with the password of that user
    #[arg(long, value_name = "FILE", env = "ORION_PROMETHEUS__PASSWORD_FILE")]
    pub prometheus_password_file: Option<PathBuf>,
    /// File with a bearer token, in the place of a user
    #[arg(long, value_name = "FILE", env = "ORION_PROMETHEUS__TOKEN_FILE", conflicts_with = "prometheus_user")]
    pub prometheus_token_file: Option<PathBuf>,
}

impl PrometheusArgs {
    /// Whether anybody said where it is.
    pub fn is_named(&self) -> bool {
        self.url().is_some()
    }

    /// The source. Secrets and certificate authorities are read here, and never again.
    pub fn source(&self, timeout_millis: i64) -> Result<Arc<Prometheus>, Failure> {
        let settings = settings(timeout_millis, self.credentials()?);
        let source = Prometheus::new(PROMETHEUS, self.url().unwrap_or(DEFAULT_URL), settings);
        Ok(Arc::new(source.map_err(Failure::configuration)?))
    }

    fn url(&self) -> Option<&str> {
        self.prometheus_url.as_deref().filter(|url| !url.is_empty())
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        credentials(
            "prometheus",
            self.prometheus_user.as_ref(),
            self.prometheus_password_file.as_deref(),
            self.prometheus_token_file.as_deref(),
        )
    }
}

/// Where Loki is, and who asks it.
#[derive(Args, Clone)]
pub struct LokiArgs {
    /// Loki, with a path prefix if it has one; without it there is no source `loki`
    #[arg(long, value_name = "URL", env = "LOKI_URL", hide_env_values = true)]
    pub loki_url: Option<String>,
    /// Whose logs are meant, where it has those of several (X-Scope-OrgID)
    #[arg(long, value_name = "TENANT", env = "ORION_LOKI__TENANT")]
    pub loki_tenant: Option<String>,
    /// Who asks, by HTTP basic authentication
    #[arg(long, value_name = "USER", env = "ORION_LOKI__USER", requires = "loki_password_file")]
    pub loki_user: Option<String>,
    /// File with the password of that user
    #[arg(long, value_name = "FILE", env = "ORION_LOKI__PASSWORD_FILE")]
    pub loki_password_file: Option<PathBuf>,
    /// File with a bearer token, in the place of a user
    #[arg(long, value_name = "FILE", env = "ORION_LOKI__TOKEN_FILE", conflicts_with = "loki_user")]
    pub loki_token_file: Option<PathBuf>,
}

impl LokiArgs {
    /// Whether anybody said where it is.
    pub fn is_named(&self) -> bool {
        self.url().is_some()
    }

    fn url(&self) -> Option<&str> {
        self.loki_url.as_deref().filter(|url| !url.is_empty())
    }

    /// The source, where there is one. Secrets and certificate authorities are read here, and never again.
    pub fn source(&self, timeout_millis: i64) -> Result<Option<Arc<Loki>>, Failure> {
        let Some(url) = self.url() else { return Ok(None) };
        let (user, password) = (self.loki_user.as_ref(), self.loki_password_file.as_deref());
        let credentials = credentials("loki", user, password, self.loki_token_file.as_deref())?;
        let tenant = self.loki_tenant.as_deref().filter(|tenant| !tenant.is_empty());
        let source = Loki::new(LOKI, url, tenant, settings(timeout_millis, credentials));
        Ok(Some(Arc::new(source.map_err(Failure::configuration)?)))
    }
}

fn settings(timeout_millis: i64, credentials: Credentials) -> PrometheusSettings {
    let timeout_millis = u64::try_from(timeout_millis).unwrap_or(u64::MAX);
    PrometheusSettings { timeout_millis, credentials, ..PrometheusSettings::default() }
}

fn credentials(
    source: &str,
    user: Option<&String>,
    password_file: Option<&Path>,
    token_file: Option<&Path>,
) -> Result<Credentials, Failure> {
    match (user, password_file, token_file) {
        (Some(user), Some(file), None) => Ok(Credentials::Basic { user: user.clone(), password: secret(file)? }),
        (None, None, Some(file)) => Ok(Credentials::Bearer(secret(file)?)),
        (None, None, None) => Ok(Credentials::None),
        _ => Err(Failure::Configuration(format!(
            "who asks {source} is a user with a password file (--{source}-user, --{source}-password-file) or a token file \
             (--{source}-token-file), not a part of it or both"
        ))),
    }
}

/// What a file holds, without the end of its line.
fn secret(path: &Path) -> Result<String, Failure> {
    let said = |why| Failure::Configuration(format!("the secret in {} cannot be read: {why}", path.display()));
    Ok(std::fs::read_to_string(path).map_err(said)?.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(user: Option<&str>, password: Option<&Path>, token: Option<&Path>) -> Result<Credentials, String> {
        let path = |path: Option<&Path>| path.map(Path::to_owned);
        let args = PrometheusArgs {
            prometheus_url: None,
            prometheus_user: user.map(str::to_owned),
            prometheus_password_file: path(password),
            prometheus_token_file: path(token),
        };
        args.credentials().map_err(|failure| failure.to_string())
    }

    #[test]
    fn who_asks_is_a_user_or_a_token_and_secrets_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "hunter2\n").unwrap();
        let basic = Credentials::Basic { user: "me".to_owned(), password: "hunter2".to_owned() };
        assert_eq!(asked(Some("me"), Some(&file), None), Ok(basic));
        assert_eq!(asked(None, None, Some(&file)), Ok(Credentials::Bearer("hunter2".to_owned())));
        assert_eq!(asked(None, None, None), Ok(Credentials::None));
        for half in [
            asked(None, Some(&file), None),
            asked(Some("me"), Some(&file), Some(&file)),
            asked(None, Some(&file), Some(&file)),
        ] {
            assert!(half.unwrap_err().contains("--prometheus-token-file"));
        }
        let missing = asked(None, None, Some(&folder.path().join("none"))).unwrap_err();
        assert!(missing.contains("none cannot be read"), "{missing}");
    }
}
