//! What the events of a rule are called when the rule does not say.

/// The alert's name in snake case: `TargetDown` → `target_down`, `KubeAPIDown` → `kube_api_down`.
pub fn default_event_type(alert: &str) -> String {
    let chars: Vec<char> = alert.chars().collect();
    let mut name = String::with_capacity(alert.len() + 8);
    for (at, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            push_break(&mut name);
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1);
        let after_word = before.is_some_and(|b| b.is_lowercase() || b.is_numeric());
        let ends_acronym = before.is_some_and(|b| is_capital(*b)) && after.is_some_and(|a| a.is_lowercase());
        if is_capital(c) && (after_word || ends_acronym) {
            push_break(&mut name);
        }
        name.extend(c.to_lowercase());
    }
    name.truncate(name.trim_end_matches('_').len());
    if name.is_empty() { "alert".to_owned() } else { name }
}

/// A letter that has a small form. Some capitals have none, as those that stand for numbers in formulas; named again they would
/// begin a word where they did not before.
fn is_capital(c: char) -> bool {
    c.is_uppercase() && !c.to_lowercase().eq([c])
}

/// One underscore between words, none before the first.
fn push_break(name: &mut String) {
    if !name.is_empty() && !name.ends_with('_') {
        name.push('_');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_alerts_become_snake_case() {
        for (alert, event_type) in [
            ("TargetDown", "target_down"),
            ("KubeAPIDown", "kube_api_down"),
            ("KubePodOOMKilled", "kube_pod_oom_killed"),
            ("Host out of disk space", "host_out_of_disk_space"),
            ("HTTP2Errors", "http2_errors"),
            ("already_snake-case", "already_snake_case"),
            ("etcdHighCommitDurations", "etcd_high_commit_durations"),
            ("  --", "alert"),
            ("A𝑨 ", "a𝑨"),
        ] {
            assert_eq!(default_event_type(alert), event_type, "{alert}");
        }
    }

    proptest! {
        #[test]
        fn an_event_type_stays_what_it_is_when_named_again(alert in ".{0,40}") {
            let once = default_event_type(&alert);
            prop_assert!(!once.is_empty() && !once.starts_with('_') && !once.ends_with('_'));
            prop_assert_eq!(default_event_type(&once), once);
        }
    }
}
