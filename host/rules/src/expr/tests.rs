//! What the checker must say of queries, and where.

use super::*;
use proptest::prelude::*;

fn said(query: &str) -> Vec<Problem> {
    examine(query, &mut Effort::default()).0
}

/// The part of the query pointed at, and what is said.
fn first(query: &str) -> (String, String) {
    let problem = said(query).into_iter().next().unwrap_or_else(|| panic!("nothing said of {query}"));
    (query[problem.bytes].to_owned(), problem.message)
}

#[test]
fn queries_that_prometheus_takes_are_taken() {
    for query in [
        "up == 0",
        "time() - container_last_seen{name=~\"jellyfin|radarr\"} > 60",
        "sum by (a, b,) (rate(x{c!~'d.*'}[5m] offset -1h)) > bool 0",
        "{__name__=~\"job:.*\"}",
        "{\"my.metric\", \"a.b\"=\"x\"}",
        "histogram_quantile(0.9, sum(rate(x_bucket[5m])) by (le)) # comment\n > 1",
        "max_over_time(sum(foo)[5m:])",
        "foo @ start() + on (a) group_left (b) bar",
        "rate(foo[300]) or vector(1)",
        "absent(up{job=\"x\"})",
        "-1 ^ 2 * foo",
        "count_values(\"x\", foo) without (a)",
        "foo{a=~\"(?i)x[[:alpha:]]\\\\d{2}\"}",
        "1",
    ] {
        assert_eq!(said(query), [], "{query}");
    }
}

#[test]
fn a_mistake_of_grammar_is_pointed_at() {
    for (query, found) in [
        ("foo bar", "bar"),
        ("sum(rate(foo[5m]))by(x)y", "y"),
        ("rate(foo[5m])by(x)", "by"),
        ("foo > > bar", ">"),
        ("foo{a=\"b\" c=\"d\"}", "c"),
        ("foo{a==\"b\"}", "{a==\"b\"}"),
        ("sum(x) keep_common", "keep_common"),
        ("1 + * 2", "*"),
        ("foo or", ""),
        ("sum by (a) ", ""),
        ("foo[5m", "["),
        ("(foo", "("),
        ("foo)", ")"),
        ("foo[5m)", ")"),
        ("foo{a=\"b}", "\""),
        ("a $ b", "$"),
    ] {
        assert_eq!(first(query).0, found, "{query}: {}", first(query).1);
    }
}

#[test]
fn a_mistake_of_meaning_is_pointed_at() {
    for (query, found, message) in [
        ("1 + rate(foo) > 2", "rate", "expected type matrix"),
        ("sum(rat(foo[5m]))", "rat", "no function `rat`"),
        ("up + (1 > 2)", "1 > 2", "must use BOOL"),
        ("a + (b == bool 1) * (c + bool 2)", "c + bool 2", "bool modifier"),
        ("a + {b=\"\"}", "{b=\"\"}", "non-empty matcher"),
        ("foo{a=b}", "b", "expected string"),
        ("foo[5m]", "foo[5m]", "a range of samples"),
        ("\"x\"", "\"x\"", "gives a text"),
    ] {
        let (at, said) = first(query);
        assert!(said.contains(message), "{query}: {said}");
        assert_eq!(at, found, "{query}: {said}");
    }
}

#[test]
fn a_query_that_prometheus_loads_and_cannot_use_is_a_warning() {
    assert_eq!(said("foo[5m]")[0].verdict, Verdict::Useless);
    assert_eq!(said("\"x\"")[0].verdict, Verdict::Useless);
}

#[test]
fn patterns_are_checked_apart() {
    for (query, found, is_certain) in [
        ("foo{a=~\"b(\"}", "(", true),
        ("foo{a!~'*b'}", "*", true),
        ("foo{a=~\"(?=b)\"}", "(?=", true),
        ("foo{a=~\"\\d\"}", "\\d", true),
        ("foo{a=~\"[[]\"}", "[]", false),
    ] {
        let problem = said(query).remove(0);
        assert_eq!(
            (&query[problem.bytes.clone()], problem.verdict == Verdict::Wrong),
            (found, is_certain),
            "{query}: {problem:?}"
        );
    }
    // A pattern that would take seconds to compile is only read.
    assert_eq!(said("foo{a=~\"((\\\\pL{99}){99}){99}\"}"), []);
}

#[test]
fn what_the_checker_may_not_know_is_no_error() {
    for query in ["brand_new_function(foo)", "rate(foo[5m * 2])", "holt_winters(foo[5m], 0.5, 0.5)"] {
        let problem = said(query).remove(0);
        assert_eq!(problem.verdict, Verdict::Unknown, "{query}: {problem:?}");
    }
    assert!(said("rat(foo[5m])").remove(0).help.unwrap().contains("`rate`"));
}

#[test]
fn only_queries_of_a_bounded_size_are_checked() {
    let sum = |terms: usize| vec!["x"; terms].join("+");
    assert_eq!(said(&sum(MAX_CHECKED_TOKENS / 2)), []);
    assert_eq!(said(&sum(MAX_CHECKED_TOKENS)).remove(0).verdict, Verdict::Unknown);
    let nested = |depth: usize| format!("{}x{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(said(&nested(MAX_CHECKED_DEPTH)), []);
    assert_eq!(said(&nested(MAX_CHECKED_DEPTH + 1)).remove(0).verdict, Verdict::Unknown);
    let long = |bytes: usize| format!("x{{a=\"{}\"}}", "y".repeat(bytes - 7));
    assert_eq!(said(&long(MAX_CHECKED_BYTES)), []);
    assert_eq!(said(&long(MAX_CHECKED_BYTES + 1)).remove(0).verdict, Verdict::Unknown);
}

#[test]
fn the_largest_query_that_is_checked_fits_a_small_stack() {
    const STACK_BYTES: usize = 1024 * 1024;
    let queries = [
        vec!["x"; MAX_CHECKED_TOKENS / 2].join("+"),
        vec!["x"; MAX_CHECKED_TOKENS / 2].join("^"),
        format!("{}x", "-".repeat(MAX_CHECKED_TOKENS - 1)),
        format!("{}x{}", "sum(".repeat(MAX_CHECKED_DEPTH), ")".repeat(MAX_CHECKED_DEPTH)),
    ];
    let check = move || queries.iter().for_each(|query| drop(said(query)));
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(check).unwrap().join().unwrap();
}

#[test]
fn places_are_searched_for_only_so_long() {
    let mut effort = Effort::default();
    let query = format!("{} y", vec!["x"; 40].join(" + "));
    let places: Vec<_> = (0..200).map(|_| examine(&query, &mut effort).0.remove(0).bytes).collect();
    assert_eq!(&query[places[0].clone()], "y");
    assert_eq!(places[199], 0..query.len());
}

#[test]
fn only_so_much_of_a_file_is_checked() {
    let mut effort = Effort::default();
    let query = vec!["x"; MAX_CHECKED_TOKENS / 2].join("+");
    let told: usize = (0..400).map(|_| examine(&query, &mut effort).0.len()).sum();
    assert_eq!(told, 1);
    let mut effort = Effort::default();
    let typical = "sum by (job) (rate(requests_total{code=~\"5..\"}[5m])) > 1";
    assert!((0..100_000).all(|_| effort.may_check(tokens::split(typical).len())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_breaks_the_checker(query in ".{0,60}") {
        for problem in said(&query) {
            prop_assert!(problem.bytes.start <= problem.bytes.end);
        }
    }

    #[test]
    fn no_soup_of_promql_words_breaks_the_checker(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "sum", "rate", "foo", "by", "on", "group_left", "offset", "bool", "and", "or", "(", ")", "{", "}", "[", "]",
                ",", "=", "=~", "!~", "!=", "==", ">", "+", "-", "*", "/", "^", "%", "@", ":", "5m", "1", "1e", "0x", "Inf",
                "\"a\"", "'b'", "`c`", "\"(\"", "\"\\", "start()", "#", "\n", " ", " ", "é", "topk", "count_values", "fill",
            ]),
            0..20,
        ),
    ) {
        let _ = said(&words.concat());
    }
}
