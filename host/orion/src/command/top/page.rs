//! A board as lines of a page that is so wide and so high.

use orion_model::{Severity, Timestamp};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::board::{Board, OpenIncident, Plugin, Rule, is_unwell};
use crate::finding::counted;
use crate::output::columns;
use crate::text::{short_id, span};

/// Lines of a section before its rows: an empty one, the title, the header.
const ABOVE_ROWS: usize = 3;

/// How much room there is, in columns and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub lines: usize,
}

/// Room for everything: what is not a terminal.
pub const WHOLE: Size = Size { columns: usize::MAX, lines: usize::MAX };

/// How a line stands out. Words say the same: this only helps to find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Heading,
    Bad,
    Worrying,
}

/// A line of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    pub tone: Tone,
}

/// The page: a head, then incidents, rules and plugins, which share the lines that are left.
pub fn page(board: &Board, address: &str, notes: &[&str], size: Size) -> Vec<Line> {
    let mut page = head(board, address, notes);
    let sections = [incidents(board), rules(board), plugins(board)];
    let room = shares(size.lines.saturating_sub(page.len()), &sections.each_ref().map(Vec::len));
    for (section, room) in sections.into_iter().zip(room) {
        page.extend(cut(section, room));
    }
    page.truncate(size.lines);
    for line in &mut page {
        line.text = fitted(&line.text, size.columns);
    }
    page
}

fn head(board: &Board, address: &str, notes: &[&str]) -> Vec<Line> {
    let Board { version, status, generation, rule_count, groups, correlations, position, .. } = board;
    let up = span(i64::try_from(board.uptime_seconds).unwrap_or(i64::MAX).saturating_mul(1_000));
    let now = board.now.map_or_else(String::new, |now| format!("  {now}"));
    let rate = board.rate.map_or_else(String::new, |rate| format!(" (+{rate:.1}/s)"));
    let unread: Vec<String> = board.unread.iter().map(|(stage, unread)| format!("{stage} {unread}")).collect();
    let is_well = status == "ok";
    let mut head = vec![
        line(Tone::Heading, format!("orion {version}  N0  {address}{now}  up {up}")),
        line(
            if is_well { Tone::Plain } else { Tone::Worrying },
            format!(
                "{status}  generation {generation}: {} in {}, {}",
                counted(*rule_count, "rule"),
                counted(*groups, "group"),
                counted(*correlations, "correlation")
            ),
        ),
        line(Tone::Plain, format!("records {position}{rate}  unread: {}", unread.join(", "))),
    ];
    head.extend(board.troubles.iter().map(|trouble| line(Tone::Bad, trouble.clone())));
    head.extend(notes.iter().map(|note| line(Tone::Worrying, (*note).to_owned())));
    head
}

fn incidents(board: &Board) -> Vec<Line> {
    let counts: Vec<String> =
        board.open.iter().filter(|(_, count)| *count > 0).map(|(how, count)| format!("{count} {how}")).collect();
    if counts.is_empty() {
        return section(Vec::new(), "no incident is open", Vec::new());
    }
    let row = |incident: &OpenIncident| {
        vec![
            incident.severity.clone(),
            since(board.now, incident.opened_at),
            incident.events.to_string(),
            short_id(&incident.id),
            incident.incident_type.clone(),
            incident.summary.clone(),
        ]
    };
    let rows: Vec<_> = board.incidents.iter().map(row).collect();
    let tone = |incident: &OpenIncident| match incident.severity.parse() {
        Ok(Severity::Critical | Severity::Error) => Tone::Bad,
        _ => Tone::Worrying,
    };
    let table = table(&["SEVERITY", "OPEN FOR", "EVENTS", "ID", "INCIDENT", "SUMMARY"], &rows);
    section(table, &format!("open incidents: {}", counts.join(", ")), board.incidents.iter().map(tone).collect())
}

fn rules(board: &Board) -> Vec<Line> {
    let row = |rule: &Rule| {
        vec![
            rule.outcome.clone(),
            rule.firing.to_string(),
            rule.pending.to_string(),
            since(board.now, rule.evaluated),
            format!("{:.1} ms", rule.took_seconds * 1_000.0),
            rule.failures.to_string(),
            rule.id.clone(),
        ]
    };
    let rows: Vec<_> = board.rules.iter().map(row).collect();
    let tone = |rule: &Rule| match (is_unwell(&rule.outcome), rule.firing) {
        (true, _) => Tone::Bad,
        (false, 0) => Tone::Plain,
        (false, _) => Tone::Worrying,
    };
    let header = ["OUTCOME", "FIRING", "PENDING", "AGO", "GROUP TOOK", "FAILED", "RULE"];
    let left_out = board.rule_count.saturating_sub(board.rules.len() as u64);
    let title = match left_out {
        0 => "rules: those that fail, fire and take longest first".to_owned(),
        _ => format!("rules: those that fail, fire and take longest first; {left_out} are not looked at"),
    };
    section(table(&header, &rows), &title, board.rules.iter().map(tone).collect())
}

fn plugins(board: &Board) -> Vec<Line> {
    let unit = if board.rate.is_some() { "FUEL/S" } else { "FUEL" };
    let row = |plugin: &Plugin| {
        vec![
            plugin.name.clone(),
            plugin.version.clone(),
            short_number(plugin.fuel),
            plugin.emitted.to_string(),
            plugin.dropped.to_string(),
            plugin.failures.to_string(),
            format!("{:.1} MiB", plugin.most_memory_bytes / (1024.0 * 1024.0)),
            if plugin.is_refused { "refused" } else { "" }.to_owned(),
        ]
    };
    let rows: Vec<_> = board.plugins.iter().map(row).collect();
    let tone = |plugin: &Plugin| match (plugin.is_refused, plugin.failures) {
        (true, _) => Tone::Bad,
        (false, 0) => Tone::Plain,
        (false, _) => Tone::Worrying,
    };
    let header = ["PLUGIN", "VERSION", unit, "EMITTED", "DROPPED", "FAILURES", "MEMORY", "STATE"];
    section(table(&header, &rows), "plugins", board.plugins.iter().map(tone).collect())
}

/// The lines of a table, the header first.
fn table(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    columns(header, rows).lines().map(str::to_owned).collect()
}

/// An empty line, a title, and a table of which each row has its tone.
fn section(table: Vec<String>, title: &str, tones: Vec<Tone>) -> Vec<Line> {
    let tones = std::iter::once(Tone::Plain).chain(tones);
    let rows = table.into_iter().zip(tones).map(|(text, tone)| line(tone, text));
    [line(Tone::Plain, String::new()), line(Tone::Heading, title.to_owned())].into_iter().chain(rows).collect()
}

fn line(tone: Tone, text: String) -> Line {
    Line { text, tone }
}

/// How many lines each section gets: an equal part, and what shorter ones leave over.
fn shares<const N: usize>(room: usize, wanted: &[usize; N]) -> [usize; N] {
    let mut shares = [0; N];
    let (mut left, mut open) = (room, N);
    let mut order: Vec<(usize, usize)> = wanted.iter().copied().enumerate().collect();
    // Short ones first: what they do not need is there for the others.
    order.sort_by_key(|(_, wanted)| *wanted);
    for (at, wanted) in order {
        let share = wanted.min(left / open.max(1));
        if let Some(slot) = shares.get_mut(at) {
            *slot = share;
        }
        (left, open) = (left - share, open - 1);
    }
    shares
}

/// The first lines, and how many more rows there are.
fn cut(mut section: Vec<Line>, room: usize) -> Vec<Line> {
    if section.len() > room {
        let shown = room.saturating_sub(1);
        let hidden = section.len() - shown.max(ABOVE_ROWS.min(section.len()));
        section.truncate(shown);
        section.extend((room > 0).then(|| line(Tone::Plain, format!("… {hidden} more"))));
    }
    section
}

fn since(now: Option<Timestamp>, then: Option<Timestamp>) -> String {
    match (now, then) {
        (Some(now), Some(then)) => span(now.millis_since(then).max(0)),
        _ => String::new(),
    }
}

/// A number that need not be exact: `12.3 M`.
fn short_number(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1} G", n / 1e9),
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e3 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// As much as fits into so many columns of a terminal. What is in a label is written by others: a control character among it would
/// command the terminal.
fn fitted(text: &str, columns: usize) -> String {
    let clean: String = text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect();
    if clean.width() <= columns {
        return clean;
    }
    let (mut fitted, mut width) = (String::new(), 0);
    for letter in clean.chars() {
        width += letter.width().unwrap_or(0);
        if width >= columns {
            break;
        }
        fitted.push(letter);
    }
    fitted.push('…');
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        let at = |seconds: i64| Some(Timestamp::from_millis(1_732_174_269_000 + seconds * 1_000));
        let rule = |id: &str, outcome: &str, firing: u64| Rule {
            id: id.to_owned(),
            outcome: outcome.to_owned(),
            firing,
            pending: 0,
            failures: u64::from(outcome == "error"),
            evaluated: at(50),
            took_seconds: 0.0123,
        };
        let plugin = |name: &str, failures: u64| Plugin {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            fuel: 1_234_567.0,
            emitted: 3,
            dropped: 0,
            failures,
            most_memory_bytes: 1_179_648.0,
            is_refused: false,
        };
        Board {
            version: "0.1.0".to_owned(),
            status: "unavailable".to_owned(),
            now: at(60),
            uptime_seconds: 3_725,
            generation: 3,
            groups: 2,
            rule_count: 2_003,
            correlations: 1,
            troubles: vec!["sources unavailable: prometheus: connection refused".to_owned()],
            open: vec![(Severity::Critical, 1), (Severity::Error, 0), (Severity::Warning, 2), (Severity::Info, 0)],
            position: 4_711,
            rate: Some(3.25),
            unread: vec![("brain".to_owned(), 0), ("guardian".to_owned(), 12)],
            incidents: vec![OpenIncident {
                id: "6a378c046e7a3d472b1210862f1331d0".to_owned(),
                severity: "critical".to_owned(),
                opened_at: at(-65),
                events: 2,
                incident_type: "service_outage".to_owned(),
                summary: "jellyfin \u{1b}[2J is out".to_owned(),
            }],
            rules: vec![
                rule("a.yaml/g/Fails", "error", 0),
                rule("a.yaml/g/Fires", "breach", 2),
                rule("a.yaml/g/Well", "ok", 0),
            ],
            plugins: vec![plugin("threshold", 1), plugin("grouping", 0)],
        }
    }

    fn text(size: Size) -> String {
        let page = page(&board(), "http://127.0.0.1:9600", &["paused: space goes on"], size);
        page.iter().map(|line| format!("{:8} |{}\n", format!("{:?}", line.tone), line.text)).collect()
    }

    #[test]
    fn everything_is_there_where_there_is_room() {
        insta::assert_snapshot!(text(WHOLE));
    }

    #[test]
    fn a_small_terminal_shows_of_each_what_comes_first_and_how_much_more_there_is() {
        insta::assert_snapshot!(text(Size { columns: 60, lines: 16 }));
    }

    #[test]
    fn no_size_is_exceeded_and_none_is_too_small() {
        for size in (0..30).flat_map(|lines| (0..90).map(move |columns| Size { columns, lines })) {
            let page = page(&board(), "http://127.0.0.1:9600", &[], size);
            assert!(page.len() <= size.lines, "{size:?}");
            assert!(page.iter().all(|line| line.text.width() <= size.columns.max(1)), "{size:?}");
        }
    }

    #[test]
    fn wide_letters_count_as_what_they_take_and_what_commands_a_terminal_is_replaced() {
        assert_eq!(fitted("日本語", 6), "日本語");
        assert_eq!(fitted("日本語", 5), "日本…");
        assert_eq!(fitted("a\u{1b}[31mb\tc", 80), "a\u{fffd}[31mb\u{fffd}c");
    }

    #[test]
    fn sections_share_the_lines_and_what_one_does_not_need_goes_to_the_others() {
        assert_eq!(shares(30, &[2, 100, 100]), [2, 14, 14]);
        assert_eq!(shares(usize::MAX, &[2, 100, 5]), [2, 100, 5]);
        assert_eq!(shares(0, &[2, 100, 5]), [0, 0, 0]);
    }
}
