//! What templates must do, and what they must survive.

use super::*;
use proptest::prelude::*;

fn labels() -> Labels {
    [("__name__", "m"), ("instance", "web-1.example.com:9100"), ("job", "node"), ("name", "jellyfin")]
        .into_iter()
        .collect()
}

fn render_with(text: &str, value: f64) -> Result<String, String> {
    let (labels, external_labels) = (labels(), [("region", "eu")].into_iter().collect());
    let data = TemplateData { labels: &labels, value, external_labels: &external_labels };
    Template::parse(text).map_err(|error| format!("load: {error}"))?.render(&data)
}

fn render(text: &str) -> Result<String, String> {
    render_with(text, 1234.5)
}

/// `conformance.json` holds templates and what Prometheus 2.42 makes of them over the data above: the text, or null
/// and whether it fails when the rule is loaded or when it is rendered.
#[test]
fn templates_render_as_prometheus_renders_them() {
    let cases: Vec<Vec<Option<String>>> = serde_json::from_str(include_str!("conformance.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let template = case[0].as_deref().unwrap();
        let got = render(template);
        let agrees = match (&case[1], case.get(2).and_then(Option::as_deref)) {
            (Some(text), _) => got.as_ref() == Ok(text),
            (None, Some("load")) => got.as_ref().is_err_and(|why| why.starts_with("load: ")),
            (None, _) => got.is_err(),
        };
        if !agrees {
            wrong.push(format!("{template}\n  want {:?}\n  got  {got:?}", case[1]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn what_later_versions_of_go_added_is_there() {
    assert_eq!(render("{{ range $i := 3 }}{{ $i }}{{ end }}").unwrap(), "012");
    assert_eq!(render("{{ with $labels.nope }}a{{ else with $labels.job }}{{ . }}{{ end }}").unwrap(), "node");
    assert_eq!(render("{{ toDuration 90.5 }}|{{ toDuration 0.0015 }}").unwrap(), "1m30.5s|1.5ms");
    assert_eq!(render("{{ humanizeDuration (toDuration 90) }}").unwrap(), "1m 30s");
    assert_eq!(render("{{ urlQueryEscape \"a b\" }}").unwrap(), "a+b");
}

#[test]
fn what_a_template_cannot_have_is_refused_by_name() {
    for (text, part) in [
        ("{{ query \"up\" | first | value }}", "`query` is refused"),
        ("{{ now }}", "`now` is refused"),
        ("{{ sortByLabel \"x\" $labels }}", "reads the answer of `query`"),
        ("{{ humanise $value }}", "did you mean `humanize`?"),
        ("{{ template \"none\" }}", "no template `none`"),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        assert_eq!(error.offset, if text.contains("template") { 0 } else { 3 }, "{text}");
    }
}

#[test]
fn an_error_knows_its_place() {
    for (text, offset) in [
        ("ab {{ $lables.x }}", 6),
        ("{{ if true }}", 0),
        ("x {{ end }}", 2),
        ("{{ (1 }}", 3),
        ("{{ 1 | }}", 7),
        ("{{ $x := }}", 9),
        ("{{ if true }}{{ else }}{{ else }}{{ end }}", 23),
        ("{{ $labels.a $ }}{{ $labels.b..c }}", 28),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert!(error.offset.abs_diff(offset) <= 2, "{text}: {} {error}", error.offset);
    }
}

#[test]
fn a_comparison_that_go_refuses_says_how_to_write_it() {
    assert!(render("{{ if gt $value 5 }}x{{ end }}").unwrap_err().contains("write 5.0"));
}

#[test]
fn a_text_without_actions_is_static() {
    assert_eq!(Template::parse("plain").unwrap().is_static(), Some("plain"));
    assert_eq!(Template::parse("").unwrap().is_static(), Some(""));
    assert_eq!(Template::parse("{{/* nothing */}}plain").unwrap().is_static(), Some("plain"));
    assert_eq!(Template::parse("{{ $labels.a }}").unwrap().is_static(), None);
}

#[test]
fn a_template_knows_whether_the_value_matters() {
    for text in [
        "{{ $value }}",
        "{{ .Value | humanize }}",
        "{{ $.Value }}",
        "{{ . }}",
        "{{ if gt .Value 1.0 }}{{ end }}",
        "{{ define \"t\" }}{{ .Value }}{{ end }}{{ template \"t\" . }}",
        "{{ with $labels.job }}{{ $.Value }}{{ end }}",
        "{{ $x := $ }}{{ $x.Value }}",
    ] {
        assert!(Template::parse(text).unwrap().uses_value(), "{text}");
    }
    for text in [
        "plain",
        "{{ $labels.value }}",
        "{{ with $labels.a }}{{ . }}{{ end }}",
        "{{ .Labels.Value }}",
        "{{ $.Labels.a }}",
    ] {
        assert!(!Template::parse(text).unwrap().uses_value(), "{text}");
    }
}

#[test]
fn the_length_of_a_template_is_bounded() {
    assert!(Template::parse(&"x".repeat(MAX_TEMPLATE_BYTES)).is_ok());
    assert!(Template::parse(&"x".repeat(MAX_TEMPLATE_BYTES + 1)).is_err());
}

#[test]
fn nesting_is_bounded() {
    let blocks = |depth: usize| format!("{}{}", "{{ if true }}".repeat(depth), "{{ end }}".repeat(depth));
    assert!(Template::parse(&blocks(MAX_NESTING)).is_ok());
    assert!(Template::parse(&blocks(MAX_NESTING + 1)).is_err());
    let parentheses = |depth: usize| format!("{{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth));
    assert!(Template::parse(&parentheses(MAX_NESTING)).is_ok());
    assert!(Template::parse(&parentheses(MAX_NESTING + 1)).is_err());
    let chain = |count: usize| format!("{{{{ if false }}}}{}{{{{ end }}}}", "{{ else if false }}".repeat(count));
    assert!(Template::parse(&chain(MAX_NESTING / 2)).is_ok());
    assert!(Template::parse(&chain(MAX_NESTING + 1)).is_err());
}

#[test]
fn templates_that_call_themselves_come_to_an_end() {
    let calls = |depth: usize| {
        let defines: String = (0..depth)
            .map(|at| format!("{{{{ define \"t{at}\" }}}}{{{{ template \"t{}\" }}}}{{{{ end }}}}", at + 1))
            .collect();
        format!("{defines}{{{{ define \"t{depth}\" }}}}end{{{{ end }}}}{{{{ template \"t0\" }}}}")
    };
    assert_eq!(render(&calls(MAX_CALL_DEPTH - 1)).unwrap(), "end");
    assert!(render(&calls(MAX_CALL_DEPTH)).unwrap_err().contains("call each other"));
    let endless = "{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}";
    assert!(render(endless).unwrap_err().contains("call each other"));
}

#[test]
fn the_deepest_template_fits_a_small_stack() {
    const STACK_BYTES: usize = 2 * 1024 * 1024;
    let (open, close) = ("{{if 1}}".repeat(MAX_NESTING - 1), "{{end}}".repeat(MAX_NESTING - 1));
    let deep = format!("{}$value{}", "(".repeat(MAX_NESTING), ")".repeat(MAX_NESTING));
    let body = |inner: &str| format!("{open}{inner}{close}");
    let calls = MAX_CALL_DEPTH;
    let mut text: String = (1..calls)
        .map(|at| {
            format!("{{{{define \"t{at}\"}}}}{}{{{{end}}}}", body(&format!("{{{{template \"t{}\" .}}}}", at + 1)))
        })
        .collect();
    text.push_str(&format!("{{{{define \"t{calls}\"}}}}{}{{{{end}}}}", body("end")));
    text.push_str(&body(&format!("{{{{{deep}}}}}{{{{template \"t1\" .}}}}")));
    let rendered = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || render(&text)).unwrap().join();
    assert_eq!(rendered.unwrap().unwrap(), "1234.5end");
}

#[test]
fn the_text_that_comes_out_is_bounded() {
    let doubled = |times: usize| {
        let double = "{{ $x = print $x $x }}".repeat(times);
        format!("{{{{ $x := \"x\" }}}}{double}{{{{ $x }}}}")
    };
    assert_eq!(render(&doubled(16)).unwrap().len(), MAX_RENDERED_BYTES);
    assert!(render(&doubled(17)).unwrap_err().contains("grows beyond"));
    assert!(render(&"{{ \"xxxxxxxxxxxxxxxx\" | printf \"%9000s\" }}".repeat(8)).unwrap_err().contains("grows beyond"));
    assert!(render("{{ printf \"%99999d\" 1 }}").unwrap_err().contains("width"));
    let replaced = format!("{{{{ reReplaceAll \".*\" \"{}\" (printf \"%9000d\" 1) }}}}", "$0".repeat(9));
    assert!(render(&replaced).unwrap_err().contains("grows beyond"));
}

#[test]
fn the_work_of_a_template_is_bounded() {
    assert!(render("{{ range $i := 1000 }}{{ end }}").is_ok());
    assert!(render("{{ range $i := 1000000000000 }}{{ end }}").unwrap_err().contains("steps"));
    assert!(render("{{ range $i := 999 }}{{ range $j := 999 }}{{ end }}{{ end }}").unwrap_err().contains("steps"));
    assert!(render("{{ range $i := 10 }}{{ match \"a+\" \"b\" }}{{ end }}").is_ok());
    assert!(render("{{ range $i := 100 }}{{ match \"a+\" \"b\" }}{{ end }}").unwrap_err().contains("steps"));
    assert!(render("{{ match \"(((a{99}){99}){99}){99}\" \"b\" }}").unwrap_err().contains("no pattern"));
}

#[test]
fn maps_do_not_nest() {
    assert!(render("{{ $m := args 1 }}{{ args $m }}").unwrap_err().contains("another `args`"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_breaks_the_engine(text in ".{0,80}") {
        let _ = render(&text);
    }

    #[test]
    fn no_soup_of_template_words_breaks_the_engine(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "{{", "}}", "{{-", "-}}", " ", " ", "if", "else", "end", "range", "with", "define", "template", "block",
                "break", "continue", "nil", "true", "$", "$x", "$labels", "$value", ".", ".job", ".Value", ":=", "=", "|",
                ",", "(", ")", "\"a\"", "`b`", "'c'", "1", "-2.5", "1e9", "printf", "\"%v %*d %[2]q\"", "humanize", "args",
                "index", "slice", "len", "eq", "lt", "and", "not", "title", "match", "reReplaceAll", "/*", "*/", "\n", "é",
            ]),
            0..30,
        ),
    ) {
        let _ = render(&words.concat());
    }

    #[test]
    fn no_format_breaks_printf(format in "[%+0-9.* \\[\\]#vdsqxXeEgGfFtTcUbo-]{0,20}", value in any::<f64>()) {
        let values = [value::Value::Number(value), value::Value::Integer(-7), value::Value::text("é")];
        let _ = format::printf(&format, &values);
    }

    #[test]
    fn every_number_can_be_humanized(value in any::<f64>()) {
        for function in ["humanize", "humanize1024", "humanizeDuration", "humanizePercentage"] {
            let rendered = render_with(&format!("{{{{ $value | {function} }}}}"), value);
            prop_assert!(rendered.is_ok());
        }
        let _ = render_with("{{ humanizeTimestamp $value }}{{ $value | toTime }}", value);
    }
}
