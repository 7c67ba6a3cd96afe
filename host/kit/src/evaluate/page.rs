//! The result as a page that needs nothing else: no script, nothing from another place, drawn once and for all.
//!
//! Names, notes and messages are text of others. They are escaped, and the page allows no script to run, so that one that slips
//! through would do nothing.

use orion_model::{Timestamp, format_duration};

use super::draw::drawing;
use super::measure::Line;
use super::report::{Evaluation, said};

const STYLE: &str = include_str!("page.css");

/// Series that are drawn: those with the most to look at. All are in the table.
const MOST_DRAWN: usize = 60;

/// Rows of the table beside a drawing. All are in the data (`--output json`).
const MOST_ROWS: usize = 200;

/// The page.
pub fn page(evaluation: &Evaluation) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\
         <title>Orion: an evaluation</title><style>{STYLE}</style></head><body><main>\n<h1>An evaluation</h1>\n"
    );
    html.push_str(&list(evaluation.facts.iter().map(|(name, value)| (*name, value.as_str()))));
    let numbers = said(&evaluation.totals);
    html.push_str("<h2>In numbers</h2>\n");
    html.push_str(&list(numbers.iter().map(|(name, value)| (*name, value.as_str()))));
    for note in &evaluation.notes {
        html.push_str(&format!("<p class=\"note\">{}</p>\n", escaped(note)));
    }
    let mut lines: Vec<&Line> = evaluation.lines.iter().collect();
    if lines.len() > MOST_DRAWN {
        lines.sort_by_key(|line| std::cmp::Reverse(line.alarms.len() + line.windows.len()));
        let what = format!("{MOST_DRAWN} of {} series are drawn: those with the most alarms and windows.", lines.len());
        html.push_str(&format!("<p class=\"note\">{what}</p>\n"));
        lines.truncate(MOST_DRAWN);
    }
    for line in lines {
        html.push_str(&section(line));
    }
    html.push_str("</main></body></html>\n");
    html
}

fn list<'a>(items: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let item = |(name, value): (&str, &str)| format!("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
    format!("<dl>{}</dl>\n", items.map(item).collect::<String>())
}

fn section(line: &Line) -> String {
    let name = escaped(&line.samples.name);
    let key = match line.near.iter().any(Option::is_some) {
        true => {
            "Line: the samples. Band: what would not have been new to the detector at that moment, of the values close to the sample. "
        }
        false => "Line: the samples. ",
    };
    format!(
        "<section><h2>{name}</h2>\n{}\n<p class=\"key\">{key}Grey: only learned. Yellow: something was wrong. Points: alarms, \
         <span class=\"right\">right</span>, <span class=\"false\">false</span> or <span class=\"unjudged\">not judged</span>.</p>\n{}</section>\n",
        drawing(line),
        table(line)
    )
}

/// What is drawn, in words.
fn table(line: &Line) -> String {
    let cell = |text: &str| format!("<td>{}</td>", escaped(text));
    let mut rows: Vec<(Timestamp, String)> = Vec::new();
    for labelled in &line.windows {
        let what = match (&labelled.rows, labelled.found) {
            (Err(why), _) => format!("does not count: {why}"),
            (Ok(_), Some(at)) => {
                format!("found after {}", format_duration(at.millis_since(labelled.window.from).max(0) / 1_000 * 1_000))
            }
            (Ok(_), None) => "not found".to_owned(),
        };
        let cells =
            [cell("window"), cell(&labelled.window.to.to_string()), cell(&what), cell(""), cell(&labelled.window.note)];
        rows.push((labelled.window.from, cells.concat()));
    }
    for alarm in &line.alarms {
        let until = alarm.until.map_or_else(|| "the end".to_owned(), |until| until.to_string());
        let word = alarm.verdict.word();
        let value = alarm.value.map(|value| format!("{value}")).unwrap_or_default();
        let verdict = format!("<td class=\"{word}\">{word}</td>");
        let cells = [cell("alarm"), cell(&until), verdict, cell(&value), cell(&alarm.message)];
        rows.push((alarm.at, cells.concat()));
    }
    if rows.is_empty() {
        return "<p>No alarm, and nothing was wrong.</p>".to_owned();
    }
    rows.sort_by_key(|(at, _)| *at);
    let more = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let body: String = rows.iter().map(|(at, cells)| format!("<tr><td>{at}</td>{cells}</tr>\n")).collect();
    let more = if more > 0 { format!("<p class=\"note\">{more} more are in the data.</p>") } else { String::new() };
    let name = escaped(&line.samples.name);
    let head =
        ["From", "What", "Until", "Verdict", "Value", "In words"].map(|name| format!("<th>{name}</th>")).concat();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"In words: {name}\"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>{more}"
    )
}

/// Text that is nothing but text.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(escaped("<img src=x onerror='a()'>&\""), "&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;&quot;");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in "\\PC*") {
            let escaped = escaped(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        }
    }
}
