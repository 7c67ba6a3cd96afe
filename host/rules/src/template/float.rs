//! Floating-point numbers as Go's strconv writes them: `%e`, `%f`, `%g`, with a precision or the shortest form that
//! reads back the same.

/// A finite number as `d.ddd × 10^exponent`.
struct Digits {
    negative: bool,
    /// Without leading zeros; "0" for zero.
    digits: String,
    exponent: i32,
}

impl Digits {
    /// The shortest digits, or so many after the first.
    fn of(number: f64, after_first: Option<usize>) -> Self {
        let written = match after_first {
            Some(count) => format!("{:.count$e}", number.abs()),
            None => format!("{:e}", number.abs()),
        };
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        Self {
            negative: number.is_sign_negative(),
            digits: mantissa.replace('.', ""),
            exponent: exponent.parse().unwrap_or(0),
        }
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }

    /// `d.ddde±dd`.
    fn scientific(&self) -> String {
        let (first, rest) = self.digits.split_at_checked(1).unwrap_or(("0", ""));
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if self.exponent < 0 { '-' } else { '+' };
        format!("{}{first}{point}{rest}e{sign}{:02}", self.sign(), self.exponent.unsigned_abs())
    }

    /// `ddd.ddd`, with all the digits there are.
    fn plain(&self) -> String {
        let sign = self.sign();
        let Ok(exponent) = usize::try_from(self.exponent) else {
            let zeros = usize::try_from(-self.exponent - 1).unwrap_or(0);
            return format!("{sign}0.{}{}", "0".repeat(zeros), self.digits);
        };
        match self.digits.split_at_checked(exponent + 1) {
            Some((whole, "")) => format!("{sign}{whole}"),
            Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
            None => format!("{sign}{}{}", self.digits, "0".repeat(exponent + 1 - self.digits.len())),
        }
    }
}

/// Exponent from which the shortest form is written with one.
const SHORTEST_BOUND: i32 = 6;

/// What numbers that are none look like.
fn special(number: f64) -> Option<&'static str> {
    match number {
        n if n.is_nan() => Some("NaN"),
        n if n.is_infinite() && n > 0.0 => Some("+Inf"),
        n if n.is_infinite() => Some("-Inf"),
        _ => None,
    }
}

/// `%e`; no precision means the shortest.
pub(super) fn scientific(number: f64, precision: Option<usize>) -> String {
    special(number).map_or_else(|| Digits::of(number, precision).scientific(), str::to_owned)
}

/// `%f`.
pub(super) fn fixed(number: f64, precision: usize) -> String {
    special(number).map_or_else(|| format!("{number:.precision$}"), str::to_owned)
}

/// `%g`; no precision means the shortest, which is also `%v`.
pub(super) fn general(number: f64, precision: Option<usize>) -> String {
    if let Some(word) = special(number) {
        return word.to_owned();
    }
    let precision = precision.map(|count| count.max(1));
    let mut digits = Digits::of(number, precision.map(|count| count - 1));
    let significant = digits.digits.trim_end_matches('0').len().max(1);
    digits.digits.truncate(significant);
    // The shortest form goes over to an exponent where six digits would.
    let bound = precision.and_then(|count| i32::try_from(count).ok()).unwrap_or(SHORTEST_BOUND);
    if digits.exponent < -4 || digits.exponent >= bound { digits.scientific() } else { digits.plain() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_look_as_in_go() {
        for (number, shown) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (-2.5, "-2.5"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(general(number, None), shown);
        }
        assert_eq!(general(123_456.0, Some(4)), "1.235e+05");
        assert_eq!(general(1234.5, Some(4)), "1234");
        assert_eq!(general(99_999.0, Some(4)), "1e+05");
        assert_eq!(general(0.012_345, Some(2)), "0.012");
        assert_eq!(general(7.0, Some(0)), "7");
        assert_eq!(scientific(1234.5, Some(2)), "1.23e+03");
        assert_eq!(scientific(0.0, Some(1)), "0.0e+00");
        assert_eq!(fixed(2.5, 0), "2");
    }

    proptest! {
        #[test]
        fn the_shortest_form_reads_back_the_same(number in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            prop_assert_eq!(general(number, None).parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
    }
}
