//! Go's `print` and `printf`: every value of a template as text, never longer than a rendering may be.

use jiff::Timestamp;

use super::value::Value;
use super::{MAX_RENDERED_BYTES, float};

/// Widths and precisions beyond this only make long texts.
const MAX_WIDTH: usize = 10_000;

/// Text that may grow so far and no further.
#[derive(Default)]
pub(super) struct Sink {
    text: String,
}

impl Sink {
    fn push(&mut self, text: &str) -> Result<(), String> {
        if self.text.len() + text.len() > MAX_RENDERED_BYTES {
            return Err(format!("a text grows beyond {MAX_RENDERED_BYTES} bytes"));
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// `print`: a space between two operands of which neither is a text.
pub(super) fn print(values: &[Value<'_>]) -> Result<String, String> {
    let mut sink = Sink::default();
    let mut after_text = true;
    for value in values {
        let is_text = matches!(value, Value::Text(_));
        if !after_text && !is_text {
            sink.push(" ")?;
        }
        put(&mut sink, value, &Verb::plain('v'))?;
        after_text = is_text;
    }
    Ok(sink.text)
}

/// `println`: always a space, and a line break.
pub(super) fn println(values: &[Value<'_>]) -> Result<String, String> {
    let mut sink = Sink::default();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            sink.push(" ")?;
        }
        put(&mut sink, value, &Verb::plain('v'))?;
    }
    sink.push("\n")?;
    Ok(sink.text)
}

/// `printf`.
pub(super) fn printf(template: &str, values: &[Value<'_>]) -> Result<String, String> {
    let mut sink = Sink::default();
    let mut arguments = Arguments { values, next: 0, reordered: false };
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        sink.push(before)?;
        let (verb, tail) = Verb::parse(after, &mut arguments)?;
        rest = tail;
        match verb {
            None => sink.push("%!(NOVERB)")?,
            Some(Verb { letter: '%', .. }) => sink.push("%")?,
            Some(verb) if verb.bad_index => sink.push(&format!("%!{}(BADINDEX)", verb.letter))?,
            Some(verb) => match arguments.take() {
                Some(value) => put(&mut sink, value, &verb)?,
                None => sink.push(&format!("%!{}(MISSING)", verb.letter))?,
            },
        }
    }
    sink.push(rest)?;
    let extra = values.get(arguments.next..).unwrap_or_default();
    if !arguments.reordered && !extra.is_empty() {
        sink.push("%!(EXTRA ")?;
        for (at, value) in extra.iter().enumerate() {
            sink.push(if at > 0 { ", " } else { "" })?;
            put_with_type(&mut sink, value)?;
        }
        sink.push(")")?;
    }
    Ok(sink.text)
}

struct Arguments<'v, 'a> {
    values: &'v [Value<'a>],
    next: usize,
    reordered: bool,
}

impl<'v, 'a> Arguments<'v, 'a> {
    fn take(&mut self) -> Option<&'v Value<'a>> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        Some(value)
    }

    /// `[3]`, if it stands here: false when it names no argument.
    fn reorder(&mut self, rest: &mut &str) -> bool {
        let Some((inside, tail)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return true };
        *rest = tail;
        self.reordered = true;
        match inside.parse::<usize>().ok().filter(|number| (1..=self.values.len()).contains(number)) {
            Some(number) => {
                self.next = number - 1;
                true
            }
            None => false,
        }
    }
}

/// `%+08.3f` and its like.
#[derive(Debug, Default)]
struct Verb {
    letter: char,
    plus: bool,
    minus: bool,
    space: bool,
    zero: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
    bad_index: bool,
}

impl Verb {
    fn plain(letter: char) -> Self {
        Self { letter, ..Self::default() }
    }

    /// Reads what follows `%`; no verb when the text ends first.
    fn parse<'f>(mut rest: &'f str, arguments: &mut Arguments<'_, '_>) -> Result<(Option<Self>, &'f str), String> {
        let mut verb = Self::default();
        while let Some(flag) = rest.chars().next().filter(|c| "+- 0#".contains(*c)) {
            match flag {
                '+' => verb.plus = true,
                '-' => verb.minus = true,
                ' ' => verb.space = true,
                '0' => verb.zero = true,
                _ => verb.sharp = true,
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        verb.bad_index |= !arguments.reorder(&mut rest);
        verb.width = size(&mut rest, arguments, &mut verb.minus)?;
        if let Some(tail) = rest.strip_prefix('.') {
            rest = tail;
            verb.bad_index |= !arguments.reorder(&mut rest);
            verb.precision = Some(size(&mut rest, arguments, &mut false)?.unwrap_or(0));
        }
        verb.bad_index |= !arguments.reorder(&mut rest);
        // Padding on the right with zeros would make another number.
        verb.zero &= !verb.minus;
        let Some(letter) = rest.chars().next() else { return Ok((None, rest)) };
        verb.letter = letter;
        // `%+v` asks for names of fields, not for a sign.
        verb.plus &= letter != 'v';
        Ok((Some(verb), rest.get(letter.len_utf8()..).unwrap_or_default()))
    }

    /// Fills up to the width.
    fn pad(&self, sink: &mut Sink, text: &str) -> Result<(), String> {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.minus {
            sink.push(text)?;
            return sink.push(&" ".repeat(missing));
        }
        sink.push(&if self.zero { "0" } else { " " }.repeat(missing))?;
        sink.push(text)
    }

    /// A number with its sign; zeros go between the sign and the digits.
    fn pad_number(&self, sink: &mut Sink, number: &str, may_fill: bool) -> Result<(), String> {
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None if self.plus => ("+", number),
            None if self.space => (" ", number),
            None => ("", number),
        };
        let missing = self.width.unwrap_or(0).saturating_sub(sign.len() + digits.chars().count());
        let zeros = if self.zero && may_fill { "0".repeat(missing) } else { String::new() };
        let unfilled = Self { zero: false, width: self.width, minus: self.minus, ..Self::default() };
        unfilled.pad(sink, &format!("{sign}{zeros}{digits}"))
    }
}

/// A width or precision: digits, or `*` for the next argument, which may be negative to pad on the right.
fn size(rest: &mut &str, arguments: &mut Arguments<'_, '_>, minus: &mut bool) -> Result<Option<usize>, String> {
    let size = match rest.strip_prefix('*') {
        Some(tail) => {
            *rest = tail;
            match arguments.take() {
                Some(Value::Integer(size)) => {
                    *minus |= *size < 0;
                    Some(usize::try_from(size.unsigned_abs()).unwrap_or(usize::MAX))
                }
                _ => return Err("`*` in a format needs a whole number".to_owned()),
            }
        }
        None => {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, tail) = rest.split_at_checked(digits).unwrap_or(("", rest));
            *rest = tail;
            if number.is_empty() { None } else { Some(number.parse().unwrap_or(usize::MAX)) }
        }
    };
    match size {
        Some(size) if size > MAX_WIDTH => Err(format!("a width or precision beyond {MAX_WIDTH}")),
        size => Ok(size),
    }
}

fn put(sink: &mut Sink, value: &Value<'_>, verb: &Verb) -> Result<(), String> {
    match (value, verb.letter) {
        (value, 'T') => verb.pad(sink, value.type_name()),
        (Value::Nil, 'v') => verb.pad(sink, "<nil>"),
        (Value::Flag(flag), 'v' | 't') => verb.pad(sink, if *flag { "true" } else { "false" }),
        (Value::Integer(integer), letter) => put_integer(sink, *integer, letter, verb, value),
        (Value::Number(number), letter) => put_number(sink, *number, letter, verb, value),
        (Value::Text(text), letter) => put_text(sink, text, letter, verb, value),
        (Value::Labels(labels), _) => {
            let pairs = labels.iter().map(|(name, value)| (name, Value::text(value)));
            put_map(sink, pairs, verb)
        }
        (Value::Map(map), _) => put_map(sink, map.iter().map(|(name, value)| (name.as_str(), value.clone())), verb),
        (Value::Root(data), _) => put_root(sink, data, verb),
        (Value::Time(millis), 'v' | 's') => verb.pad(sink, &time(*millis)),
        (Value::Duration(nanos), 'v' | 's') => verb.pad(sink, &duration(*nanos)),
        (Value::Duration(nanos), letter) => put_integer(sink, *nanos, letter, verb, value),
        (value, letter) => bad_verb(sink, value, letter),
    }
}

/// `%!d(string=x)`: what Go writes for a verb that does not fit.
fn bad_verb(sink: &mut Sink, value: &Value<'_>, letter: char) -> Result<(), String> {
    sink.push(&format!("%!{letter}("))?;
    put_with_type(sink, value)?;
    sink.push(")")
}

fn put_with_type(sink: &mut Sink, value: &Value<'_>) -> Result<(), String> {
    if !matches!(value, Value::Nil) {
        sink.push(value.type_name())?;
        sink.push("=")?;
    }
    put(sink, value, &Verb::plain('v'))
}

fn put_integer(sink: &mut Sink, integer: i64, letter: char, verb: &Verb, value: &Value<'_>) -> Result<(), String> {
    let magnitude = integer.unsigned_abs();
    let (digits, prefix) = match letter {
        'v' | 'd' => (magnitude.to_string(), ""),
        'b' => (format!("{magnitude:b}"), "0b"),
        'o' => (format!("{magnitude:o}"), "0"),
        'O' => (format!("{magnitude:o}"), "0o"),
        'x' => (format!("{magnitude:x}"), "0x"),
        'X' => (format!("{magnitude:X}"), "0X"),
        'c' | 'q' | 'U' => return put_char(sink, integer, letter, verb),
        _ => return bad_verb(sink, value, letter),
    };
    let prefix = if verb.sharp || letter == 'O' { prefix } else { "" };
    let filled = match verb.precision {
        Some(0) if integer == 0 => String::new(),
        Some(least) => format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len()))),
        None => digits,
    };
    let sign = if integer < 0 { "-" } else { "" };
    verb.pad_number(sink, &format!("{sign}{prefix}{filled}"), verb.precision.is_none())
}

fn put_char(sink: &mut Sink, integer: i64, letter: char, verb: &Verb) -> Result<(), String> {
    let c = u32::try_from(integer).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    match letter {
        'c' => verb.pad(sink, c.encode_utf8(&mut [0; 4])),
        'q' => verb.pad(sink, &quoted(c.encode_utf8(&mut [0; 4]), '\'', verb.plus)),
        _ => verb.pad(sink, &format!("U+{integer:04X}")),
    }
}

fn put_number(sink: &mut Sink, number: f64, letter: char, verb: &Verb, value: &Value<'_>) -> Result<(), String> {
    // What is no number takes no zeros in front, and plus infinity keeps its sign.
    let finite = number.is_finite();
    let text = match letter {
        'v' | 'g' => float::general(number, verb.precision),
        'G' => float::general(number, verb.precision).replace('e', "E"),
        'e' => float::scientific(number, verb.precision.or(Some(6))),
        'E' => float::scientific(number, verb.precision.or(Some(6))).replace('e', "E"),
        'f' | 'F' => float::fixed(number, verb.precision.unwrap_or(6)),
        _ => return bad_verb(sink, value, letter),
    };
    if finite {
        return verb.pad_number(sink, &text, true);
    }
    let text = match text.as_str() {
        "NaN" if verb.plus => "+NaN",
        "NaN" if verb.space => " NaN",
        "+Inf" if verb.space && !verb.plus => " Inf",
        other => other,
    };
    Verb { zero: false, width: verb.width, minus: verb.minus, ..Verb::default() }.pad(sink, text)
}

fn put_text(sink: &mut Sink, text: &str, letter: char, verb: &Verb, value: &Value<'_>) -> Result<(), String> {
    let cut = match verb.precision {
        Some(count) => text.char_indices().nth(count).and_then(|(at, _)| text.get(..at)).unwrap_or(text),
        None => text,
    };
    match letter {
        'v' | 's' => verb.pad(sink, cut),
        'q' => verb.pad(sink, &quoted(cut, '"', verb.plus)),
        'x' => verb.pad(sink, &cut.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()),
        'X' => verb.pad(sink, &cut.bytes().map(|byte| format!("{byte:02X}")).collect::<String>()),
        _ => bad_verb(sink, value, letter),
    }
}

fn put_map<'n, 'a>(
    sink: &mut Sink,
    pairs: impl Iterator<Item = (&'n str, Value<'a>)>,
    verb: &Verb,
) -> Result<(), String> {
    sink.push("map[")?;
    for (at, (name, value)) in pairs.enumerate() {
        sink.push(if at > 0 { " " } else { "" })?;
        put(sink, &Value::text(name), verb)?;
        sink.push(":")?;
        put(sink, &value, verb)?;
    }
    sink.push("]")
}

fn put_root(sink: &mut Sink, data: &super::TemplateData<'_>, verb: &Verb) -> Result<(), String> {
    sink.push("{")?;
    put(sink, &Value::Labels(data.labels), verb)?;
    sink.push(" ")?;
    put(sink, &Value::Labels(data.external_labels), verb)?;
    sink.push("  ")?;
    put(sink, &Value::Number(data.value), verb)?;
    sink.push("}")
}

/// A text in quotes, with Go's escapes.
fn quoted(text: &str, quote: char, only_ascii: bool) -> String {
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            c if c == quote || c == '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) > 0xffff && only_ascii => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c if c.is_control() || (only_ascii && !c.is_ascii()) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A time as Go prints it: `2015-01-01 00:00:00 +0000 UTC`.
pub(super) fn time(millis: i64) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(at) => format!("{} +0000 UTC", at.strftime("%Y-%m-%d %H:%M:%S%.f")),
        Err(_) => format!("{millis}ms"),
    }
}

/// A duration as Go prints it: `1h30m0.5s`, `1.5ms`.
fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let fraction = |unit: u64| {
        let digits = unit.ilog10() as usize;
        let written = format!("{}.{:0digits$}", magnitude / unit, magnitude % unit);
        written.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match magnitude {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{magnitude}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", fraction(1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(1_000_000)),
        _ => {
            let minutes = magnitude / 60_000_000_000;
            let seconds = magnitude % 60_000_000_000;
            let written = format!("{}.{:09}", seconds / 1_000_000_000, seconds % 1_000_000_000);
            let seconds = written.trim_end_matches('0').trim_end_matches('.');
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}
