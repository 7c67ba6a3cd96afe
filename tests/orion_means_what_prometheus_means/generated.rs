//! Rules and series by chance: what people write, and what they rarely do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::support::dice::Dice;

/// Rules, the series they look at, and for how long.
pub struct Set {
    pub rules: String,
    /// Series and values, in promtool's notation; values one by one.
    pub series: Vec<(String, String)>,
    pub minutes: i64,
    /// The rules by the names of their alerts.
    pub alerts: BTreeMap<String, Rule>,
}

/// What a rule says of its alerts.
#[derive(Clone, Default)]
pub struct Rule {
    /// Labels as they are written.
    pub labels: Vec<(&'static str, &'static str)>,
    /// Names of annotations.
    pub annotations: Vec<String>,
}

/// Every series of one answer has other labels once the name is gone; otherwise the rule would be an error. Without `topk`:
/// which of two equal series it takes is not said; and without sums of fractions, which depend on the order of the series.
const QUERIES: [&str; 20] = [
    "m0 > 5",
    "m1 >= 5",
    "m2 != 0",
    "m0 == 7",
    "sum by (job) (floor(m1)) > 12",
    "max without (instance) (m0) < 6",
    "m0 / (m1 + 10) > 0.3",
    "max_over_time(m2[3m]) > 8",
    "rate(m0[4m]) != 0",
    "m1 unless m0 > 4",
    "label_replace(m0 > 7 or m1 > 7, \"from\", \"$1\", \"__name__\", \"(.*)\")",
    "m0 > 3 and on (job, instance) m1 > 3",
    "quantile by (job) (0.5, m2) > 3",
    "absent(m0{job=\"a\", instance=\"0\"})",
    "absent(m9)",
    "count(m0 > 5) > 2",
    "vector(42)",
    "1",
    "m2 * 4 > 0",
    "m1 / 1024 - 0.003",
];

const WAITS: [&str; 8] = ["", "", "30s", "1m", "90s", "2m", "3m", "5m"];
const KEEPS: [&str; 5] = ["", "", "1m", "90s", "3m"];

/// Labels that leave series apart.
const LABELS: [(&str, &str); 9] = [
    ("severity", "error"),
    ("team", "{{ $labels.job }}-team"),
    ("where", "{{ .Labels.instance }}/{{ $labels.job | toUpper }}"),
    ("high", "{{ if gt $value 7.0 }}yes{{ else }}no{{ end }}"),
    ("rounded", "{{ $value | printf \"%.0f\" }}"),
    ("gone", "{{ $labels.none }}"),
    ("matched", "{{ match \"^a\" $labels.job }}"),
    ("cut", "{{ reReplaceAll \"(.)\" \"<$1>\" $labels.instance }}"),
    ("named", "{{ $labels.__name__ }}"),
];

const ANNOTATIONS: [&str; 26] = [
    "{{ $value }}",
    "{{ .Value }} of {{ .Labels.job }}",
    "{{ humanize $value }}",
    "{{ humanize1024 $value }}",
    "{{ humanizeDuration $value }}",
    "{{ $value | humanizePercentage }}",
    "{{ humanizeTimestamp $value }}",
    "{{ $value | humanize }}B at {{ $labels.instance }}",
    "{{ printf \"%.3f %g %e %v\" $value $value $value $value }}",
    "{{ printf \"%8.2f|%-8.1f|%+.1f|%08.3f\" $value $value $value $value }}",
    "{{ printf \"%s %q\" $labels.job $labels.instance }}",
    "{{ $labels.job | title }} {{ $labels.job | toUpper | toLower }}",
    "{{ range $name, $text := $labels }}{{ $name }}={{ $text }};{{ end }}",
    "{{ $labels }}",
    "{{ with $labels.job }}in {{ . }}{{ else }}nowhere{{ end }}",
    "{{ if and (gt $value 3.0) (ne $labels.job \"b\") }}much{{ else if eq $labels.job \"b\" }}b{{ else }}little{{ end }}",
    "{{ $x := 5 }}{{ $x }} {{ len $labels.instance }} {{ index $labels \"job\" }}",
    "{{ parseDuration \"1h30m\" | humanizeDuration }}",
    "{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" $value }}",
    "{{ humanize (printf \"%f\" $value) }}",
    "{{- /* nothing */ -}} trimmed {{- \" x\" -}} ",
    "{{ $labels.none }}{{ .Labels.nothing | len }}",
    "{{ print $value 1 \"a\" }}{{ println }}",
    "{{ args 1 2 | len }} {{ \"<a&b>\" | html }} {{ urlquery \"a b\" }}",
    "{{ \"h:1\" | stripPort }} {{ not true }} {{ or \"\" \"x\" }}",
    "{{ $value | humanizeDuration | printf \"%10s\" }}",
];

pub fn set(seed: u64) -> Set {
    let mut dice = Dice::new(seed);
    let minutes = i64::try_from(dice.between(12, 30)).unwrap();
    let mut alerts = BTreeMap::new();
    let mut rules = "groups:\n".to_owned();
    for group in 0..dice.between(1, 3) {
        let _ = writeln!(rules, "- name: g{group}");
        if dice.once_in(3) {
            // Never reached: what happens beyond is another test.
            let _ = writeln!(rules, "  limit: 50");
        }
        let _ = writeln!(rules, "  rules:");
        for _ in 0..dice.between(1, 4) {
            let name = format!("A{}", alerts.len());
            let rule = rule(&mut rules, &mut dice, &name);
            alerts.insert(name, rule);
        }
    }
    let mut series = Vec::new();
    for metric in ["m0", "m1", "m2"] {
        for (job, instance) in [("a", "0"), ("a", "1:80"), ("b", "0")] {
            if !dice.once_in(8) {
                let name = format!("{metric}{{job=\"{job}\", instance=\"{instance}\"}}");
                series.push((name, values(&mut dice, minutes)));
            }
        }
    }
    Set { rules, series, minutes, alerts }
}

/// Writes a rule, and says what is in it.
fn rule(rules: &mut String, dice: &mut Dice, name: &str) -> Rule {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let _ = writeln!(rules, "  - alert: {name}\n    expr: {}", quoted(dice.one_of(&QUERIES)));
    for (key, choices) in [("for", &WAITS[..]), ("keep_firing_for", &KEEPS)] {
        let chosen = dice.one_of(choices);
        if !chosen.is_empty() {
            let _ = writeln!(rules, "    {key}: {chosen}");
        }
    }
    let _ = writeln!(rules, "    labels:\n      rule: {name}");
    let first = dice.below(LABELS.len());
    let labels: Vec<_> = (0..dice.below(4)).map(|step| LABELS[(first + step) % LABELS.len()]).collect();
    for (label, text) in &labels {
        let _ = writeln!(rules, "      {label}: {}", quoted(text));
    }
    let _ = writeln!(rules, "    annotations:");
    let first = dice.below(ANNOTATIONS.len());
    let annotations: Vec<String> = (0..dice.between(1, 5)).map(|step| format!("a{step}")).collect();
    for (step, name) in annotations.iter().enumerate() {
        let text = ANNOTATIONS[(first + step) % ANNOTATIONS.len()];
        let _ = writeln!(rules, "      {name}: {}", quoted(text));
    }
    Rule { labels, annotations }
}

/// Runs of one value, walks, gaps, ends, and now and then something strange. Nothing that no time can be made of, after the
/// year 2262: the words of an error are others here.
fn values(dice: &mut Dice, minutes: i64) -> String {
    const STRANGE: [&str; 14] = [
        "NaN",
        "+Inf",
        "-Inf",
        "0",
        "-3.5",
        "1e9",
        "0.00012",
        "123456789",
        "1e-9",
        "-86400.5",
        "2e9",
        "1700000000",
        "0.1",
        "2.5e6",
    ];
    let mut values = Vec::new();
    let wanted = usize::try_from(minutes).unwrap() + 1;
    while values.len() < wanted {
        let length = dice.between(1, 6);
        match dice.below(10) {
            0 => values.extend(vec!["_".to_owned(); length]),
            1 => values.push("stale".to_owned()),
            2 => values.push(dice.one_of(&STRANGE).to_owned()),
            3..=6 => values.extend(vec![dice.below(11).to_string(); length]),
            _ => values.extend((0..length).map(|_| dice.below(11).to_string())),
        }
    }
    values.truncate(wanted);
    values.join(" ")
}
