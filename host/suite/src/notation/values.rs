//! The values of a series, item by item: `1`, `_`, `_x3`, `stale`, `5x2`, `1+2x3`, `10-1x4`.

use orion_model::Written;

/// The values in order, `most` of them; `None` where there is no sample. More comes from a slip of the hand.
pub fn values(text: &str, most: usize) -> Result<Vec<Option<Written>>, String> {
    if text.contains("{{") {
        return Err("native histograms (`{{…}}`) are not supported: write the buckets as series".to_owned());
    }
    let mut values = Vec::new();
    for item in text.split_whitespace() {
        values.extend(expand(item, most.saturating_sub(values.len()))?);
    }
    Ok(values)
}

fn expand(item: &str, room: usize) -> Result<Vec<Option<Written>>, String> {
    match item {
        "_" => return Ok(vec![None]),
        "stale" => return Ok(vec![Some(Written::Stale)]),
        _ => {}
    }
    if let Some(count) = item.strip_prefix("_x") {
        return Ok(vec![None; times(item, count, room)?]);
    }
    let (first, rest) = number(item).ok_or_else(|| format!("`{item}` is no value"))?;
    if rest.is_empty() {
        return Ok(vec![Some(Written::Value(first))]);
    }
    let (step, rest) = match rest.starts_with(['+', '-']) {
        true => number(rest).ok_or_else(|| format!("`{item}`: after the sign there is no number"))?,
        false => (0.0, rest),
    };
    let count = rest.strip_prefix('x').ok_or_else(|| format!("`{item}`: `x` and a count are expected"))?;
    // The first value is there besides: `1+2x3` is four values.
    let count = times(item, count, room.saturating_sub(1))?;
    // Added up one by one, as promtool does it: a multiple would be another number in the last digits.
    let mut value = first;
    let next = |_| {
        let this = value;
        value += step;
        Some(Written::Value(this))
    };
    Ok((0..=count).map(next).collect())
}

fn times(item: &str, count: &str, room: usize) -> Result<usize, String> {
    let count: usize = count.parse().map_err(|_| format!("`{item}`: `{count}` is no count"))?;
    if count > room {
        return Err(format!("`{item}` makes more values than the {room} that there is room for"));
    }
    Ok(count)
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
            Err(why) => why,
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
        assert_eq!(read("0x99999999999"), "`0x99999999999` makes more values than the 31999999 that there is room for");
        assert!(read("{{schema:1 sum:2}}").contains("native histograms"));
        assert_eq!(read("1e"), "`1e`: `x` and a count are expected");
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
