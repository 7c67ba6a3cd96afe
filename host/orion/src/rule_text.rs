//! The text of a rule file, as it is told over HTTP.

use orion_pipeline::observer::Files;
use serde_json::{Value, json};

/// Bytes of a text that is told. People write none that is longer, and one that a program wrote is not read in a page.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// A rule file that runs, with the version before; `None` when none of this name does.
pub fn rule_file_value(files: &Files, name: &str) -> Option<Value> {
    let told = files.rules.get(name)?;
    let before = told.before.as_ref().map(|before| {
        json!({ "text": whole(&before.text), "bytes": before.text.len(), "until": before.until, "generation": before.generation })
    });
    Some(json!({
        "file": name,
        "text": whole(&told.text),
        "bytes": told.text.len(),
        "before": before,
        "refused": files.refused.get(name),
    }))
}

/// What of a refused file runs: its last good version (true), nothing (false); `None` for what is neither a rule file nor a plugin.
pub fn runs_last_good(files: &Files, file: &str) -> Option<bool> {
    match file.rsplit_once('.')?.1 {
        "wasm" => Some(files.plugins.iter().any(|shelved| shelved.file.as_deref() == Some(file))),
        "yaml" | "yml" => Some(files.rules.contains_key(file)),
        _ => None,
    }
}

fn whole(text: &str) -> Option<&str> {
    (text.len() <= MAX_TEXT_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_pipeline::observer::RuleText;

    fn files(text: &str) -> Files {
        let told = RuleText { text: text.into(), before: None };
        Files { rules: [("a.yaml".to_owned(), told)].into(), ..Files::default() }
    }

    #[test]
    fn a_text_is_told_whole_or_by_its_size_alone() {
        let longest = "x".repeat(MAX_TEXT_BYTES);
        assert_eq!(rule_file_value(&files(&longest), "a.yaml").unwrap()["text"], longest);
        let told = rule_file_value(&files(&format!("{longest}x")), "a.yaml").unwrap();
        assert_eq!((&told["text"], &told["bytes"]), (&Value::Null, &(MAX_TEXT_BYTES + 1).into()));
        assert_eq!(rule_file_value(&files(""), "b.yaml"), None);
    }

    #[test]
    fn what_runs_of_a_refused_file_is_told_of_rules_and_plugins_alone() {
        let files = files("");
        for (file, runs) in [
            ("a.yaml", Some(true)),
            ("b.yaml", Some(false)),
            ("p.wasm", Some(false)),
            ("plugins.lock", None),
            ("x", None),
        ] {
            assert_eq!(runs_last_good(&files, file), runs, "{file}");
        }
    }
}
