//! The certificate for a person: what holds, what does not and how to mend it.

use super::Certificate;
use super::plugins::{Row, Trust};
use crate::finding::Verdict;
use crate::output::columns;
use crate::text::short_id;

/// The whole text.
pub fn text(certificate: &Certificate) -> String {
    let Certificate { at, memory, orion, plugins, checks, .. } = certificate;
    let process = orion.pid.map_or_else(|| "not running".to_owned(), |pid| format!("process {pid}"));
    let digest = orion.sha256.as_ref().map_or_else(|| "not readable".to_owned(), |digest| format!("sha256:{digest}"));
    let mut text = format!("N0 certificate of {} at {at}\n", memory.display());
    text.push_str(&format!("orion {}, {process}, {digest}\n\n", orion.version));
    for check in checks {
        text.push_str(&check.lines());
    }
    text.push_str(&format!("\n{}\n", plugin_table(plugins)));
    text.push_str(&verdict(certificate));
    text
}

fn plugin_table(plugins: &[Row]) -> String {
    let row = |row: &Row| {
        let (certificate, manifest) = (&row.certificate, &row.certificate.manifest);
        let trust = match &row.trust {
            Trust::Binary => "the binary".to_owned(),
            Trust::Nobody => "NOBODY".to_owned(),
            Trust::Folder { locked, signed_by } => {
                let lock = locked.then(|| "the lock".to_owned());
                let keys = signed_by.iter().map(|id| format!("key {}", short_id(id)));
                let all: Vec<String> = lock.into_iter().chain(keys).collect();
                if all.is_empty() { "nobody was asked".to_owned() } else { all.join(", ") }
            }
        };
        vec![
            row.file.clone().unwrap_or_default(),
            manifest.name.clone(),
            manifest.version.clone(),
            certificate.contract.to_owned(),
            short_id(&certificate.digest.to_string()),
            certificate.imports.join(", "),
            trust,
        ]
    };
    let rows: Vec<Vec<String>> = plugins.iter().map(row).collect();
    columns(&["FILE", "PLUGIN", "VERSION", "CONTRACT", "DIGEST", "CAN CALL", "VOUCHED FOR BY"], &rows)
}

fn verdict(certificate: &Certificate) -> String {
    let count = |verdict| certificate.checks.iter().filter(|check| check.verdict == verdict).count();
    let (all, fails, unseen) = (certificate.checks.len(), count(Verdict::Fails), count(Verdict::NotSeen));
    match (certificate.holds, unseen) {
        (true, 0) => format!("The certificate holds: {all} of {all} checks.\n"),
        (true, _) => format!("The certificate holds as far as could be seen: {} of {all} checks.\n", all - unseen),
        (false, _) if fails > 0 => format!("The certificate does not hold: {fails} of {all} checks fail.\n"),
        (false, _) => {
            format!("The certificate does not hold: {unseen} of {all} checks saw nothing, and --strict allows none.\n")
        }
    }
}
