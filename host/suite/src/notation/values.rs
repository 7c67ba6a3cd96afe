//! The values of a series, item by item: `1`, `_`, `_x3`, `stale`, `5x2`, `1+2x3`, `10-1x4`.

use orion_model::Written;

/// Why a text is no values of a series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoValues {
    /// It says none, as this sentence has it.
    #[error("{0}")]
    Malformed(String),
    /// There are more than there is room for.
    #[error("with `{item}` there are more values than the {room} that there is room for")]
    TooMany {
        /// The item that is one too many.
        item: String,
        /// How many there may be.
        room: usize,
    },
}

/// An item: so many values, each a step from the one before.
struct Run {
    first: Option<Written>,
    step: f64,
    count: usize,
}

/// The values in order, at most as many as there is room for; `None` where there is no sample.
pub fn values(text: &str, room: usize) -> Result<Vec<Option<Written>>, NoValues> {
    if text.contains("{{") {
        let what = "native histograms (`{{…}}`) are not supported: write the buckets as series";
        return Err(NoValues::Malformed(what.to_owned()));
    }
    let mut values = Vec::new();
    for item in text.split_whitespace() {
        let run = Run::of(item).map_err(NoValues::Malformed)?;
        if run.count > room.saturating_sub(values.len()) {
            return Err(NoValues::TooMany { item: item.to_owned(), room });
        }
        run.expand(&mut values);
    }
    Ok(values)
}

impl Run {
    fn of(item: &str) -> Result<Self, String> {
        let one = |first| Self { first, step: 0.0, count: 1 };
        match item {
            "_" => return Ok(one(None)),
            "stale" => return Ok(one(Some(Written::Stale))),
            _ => {}
        }
        if let Some(count) = item.strip_prefix("_x") {
            return Ok(Self { count: times(item, count)?, ..one(None) });
        }
        let (first, rest) = number(item).ok_or_else(|| format!("`{item}` is no value"))?;
        let first = Some(Written::Value(first));
        if rest.is_empty() {
            return Ok(one(first));
        }
        let (step, rest) = match rest.starts_with(['+', '-']) {
            true => number(rest).ok_or_else(|| format!("`{item}`: after the sign there is no number"))?,
            false => (0.0, rest),
        };
        let count = rest.strip_prefix('x').ok_or_else(|| format!("`{item}`: `x` and a count are expected"))?;
        // The first value is there besides: `1+2x3` is four values.
        Ok(Self { first, step, count: times(item, count)?.saturating_add(1) })
    }

    fn expand(self, values: &mut Vec<Option<Written>>) {
        // Added up one by one, as promtool does it: a multiple would be another number in the last digits.
        let mut next = self.first;
        for _ in 0..self.count {
            values.push(next);
            if let Some(Written::Value(value)) = &mut next {
                *value += self.step;
            }
        }
    }
}

fn times(item: &str, count: &str) -> Result<usize, String> {
    count.parse().map_err(|_| format!("`{item}`: `{count}` is no count"))
}

/// The number that begins a text, and what is left.
fn number(text: &str) -> Option<(f64, &str)> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign = text.len() - unsigned.len();
    if sign > 1 {
        return None;
    }
    let end = sign + length_of_number(unsigned)?;
    let value = text.get(..end)?.parse().ok()?;
    Some((value, text.get(end..)?))
}

fn length_of_number(text: &str) -> Option<usize> {
    for word in ["Inf", "NaN"] {
        if text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            return Some(3);
        }
    }
    let digits = |from: usize| text.bytes().skip(from).take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if text.as_bytes().get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if !text.get(..end)?.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if matches!(text.as_bytes().get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.as_bytes().get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: usize = 32_000_000;

    fn read(text: &str) -> String {
        let shown = |value: Option<Written>| match value {
            None => "_".to_owned(),
            Some(Written::Stale) => "stale".to_owned(),
            Some(Written::Value(value)) => value.to_string(),
        };
        match values(text, MOST) {
            Ok(values) => values.into_iter().map(shown).collect::<Vec<_>>().join(" "),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn every_form_expands_as_promtool_expands_it() {
        assert_eq!(read("1 2.5 -3 +4 .5 1e3 1.5e-1"), "1 2.5 -3 4 0.5 1000 0.15");
        assert_eq!(read("1+2x3"), "1 3 5 7");
        assert_eq!(read("10-2.5x2"), "10 7.5 5");
        assert_eq!(read("-2-1x2 7x2 0x0"), "-2 -3 -4 7 7 7 0");
        assert_eq!(read("_ _x3 1 stale"), "_ _ _ _ 1 stale");
        assert_eq!(read("NaN Inf -inf +Inf"), "NaN inf -inf inf");
        assert_eq!(read("  1\n 2\t3 "), "1 2 3");
        assert_eq!(read(""), "");
        // A sum of steps and not a multiple of one.
        assert_eq!(read("0+0.1x3"), "0 0.1 0.2 0.30000000000000004");
    }

    #[test]
    fn what_is_no_value_is_said() {
        assert_eq!(read("1+x3"), "`1+x3`: after the sign there is no number");
        assert_eq!(read("1+2"), "`1+2`: `x` and a count are expected");
        assert_eq!(read("1x-2"), "`1x-2`: `-2` is no count");
        assert_eq!(read("stalex2"), "`stalex2` is no value");
        assert_eq!(read("--1"), "`--1` is no value");
        assert!(read("{{schema:1 sum:2}}").contains("native histograms"));
        assert_eq!(read("1e"), "`1e`: `x` and a count are expected");
    }

    #[test]
    fn there_are_as_many_values_as_there_is_room_for_and_not_one_more() {
        for full in ["1 _ stale", "0x2", "_x3", "_x2 5", "1 1+1x1", "_x0 1 1 1"] {
            assert_eq!(values(full, 3).map(|values| values.len()), Ok(3), "{full}");
        }
        for (over, item) in
            [("1 _ stale 1", "1"), ("0x3", "0x3"), ("_x4", "_x4"), ("1 1 1+1x1", "1+1x1"), ("_x3 _", "_")]
        {
            assert_eq!(values(over, 3), Err(NoValues::TooMany { item: item.to_owned(), room: 3 }), "{over}");
        }
        let most = format!("0x{}", usize::MAX);
        let said = format!("with `{most}` there are more values than the 32000000 that there is room for");
        assert_eq!(read(&most), said);
        assert_eq!(read("_x99999999999999999999"), "`_x99999999999999999999`: `99999999999999999999` is no count");
    }

    proptest! {
        #[test]
        fn a_run_is_its_steps_one_by_one(first in -1e6_f64..1e6, step in -1e3_f64..1e3, count in 0_usize..50) {
            let sign = if step < 0.0 { "" } else { "+" };
            let got = values(&format!("{first}{sign}{step}x{count}"), MOST).unwrap();
            let mut want = first;
            prop_assert_eq!(got.len(), count + 1);
            for value in got {
                prop_assert_eq!(value, Some(Written::Value(want)));
                want += step;
            }
        }

        #[test]
        fn no_text_breaks_it(text in "[-+x_ .0-9eInfNatle{]{0,20}") {
            let _ = values(&text, MOST);
        }
    }
}
