//! Functions of templates that turn one text into another.

use std::net::IpAddr;

use regex::{Regex, RegexBuilder};

use super::MAX_RENDERED_BYTES;

/// Memory a compiled pattern of a template may take; Go's engine has a like bound of its own.
const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// Compiles a pattern.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES).build();
    built.map_err(|error| format!("`{text}` is no pattern: {}", last_line(&error.to_string())))
}

/// Replaces every match; `$1` and `${name}` stand for groups.
pub(super) fn replace_all(pattern: &Regex, replacement: &str, text: &str) -> Result<String, String> {
    let groups = replacement.matches('$').count();
    let mut out = String::new();
    let mut end = 0;
    for captures in pattern.captures_iter(text) {
        let Some(found) = captures.get(0) else { continue };
        out.push_str(text.get(end..found.start()).unwrap_or_default());
        // A replacement of ten thousand `$0` would make gigabytes of one match: counted before it is made.
        if out.len() + replacement.len() + groups * found.len() > MAX_RENDERED_BYTES {
            return Err(format!("a text grows beyond {MAX_RENDERED_BYTES} bytes"));
        }
        captures.expand(replacement, &mut out);
        end = found.end();
    }
    out.push_str(text.get(end..).unwrap_or_default());
    Ok(out)
}

/// The engine draws the pattern with carets; the sentence is what fits here.
fn last_line(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Upper case for the first letter of each word, as Go's `strings.Title` finds words.
pub(super) fn title(text: &str) -> String {
    let mut after_separator = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.push(if after_separator { one_to_one(c, c.to_uppercase()) } else { c });
        after_separator = is_separator(c);
    }
    out
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { !c.is_alphanumeric() && c.is_whitespace() }
}

/// Upper case, letter by letter as Go does it.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(|c| one_to_one(c, c.to_uppercase())).collect()
}

/// Lower case, letter by letter.
pub(super) fn lower(text: &str) -> String {
    text.chars().map(|c| one_to_one(c, c.to_lowercase())).collect()
}

/// The letter itself where another case would take several letters.
fn one_to_one(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(other), None) => other,
        _ => c,
    }
}

/// `host:port`, `[v6]:port`: nothing where Go's `SplitHostPort` sees none.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, tail) = rest.split_once(']')?;
            (host, tail.strip_prefix(':')?)
        }
        None => text.rsplit_once(':').filter(|(host, _)| !host.contains(':'))?,
    };
    let bracket = |part: &str| part.contains(['[', ']']);
    (!bracket(host) && !bracket(port) && !port.contains(':')).then_some((host, port))
}

/// The host of `host:port`.
pub(super) fn strip_port(text: &str) -> String {
    split_host_port(text).map_or(text, |(host, _)| host).to_owned()
}

/// The first label of a host name; addresses stay as they are.
pub(super) fn strip_domain(text: &str) -> String {
    let (host, port) = split_host_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let first = host.split('.').next().unwrap_or_default();
    match (port.is_empty(), first.contains(':')) {
        (true, _) => first.to_owned(),
        (false, true) => format!("[{first}]:{port}"),
        (false, false) => format!("{first}:{port}"),
    }
}

/// `html`.
pub(super) fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// `js`.
pub(super) fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// `urlquery`.
pub(super) fn escape_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
