//! Sample values and times: the few forms that nearly all of them have at once, the others by the standard library.

/// Powers of ten that a double holds exactly, as far as the short way needs them.
const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Integers up to 10^15 are exact as doubles, and a quotient of two exact doubles is rounded once: so is the value.
const EXACT_DIGITS: usize = 15;

/// The last second whose milliseconds fit far inside 64 bits, and far outside of any calendar.
const MAX_SECONDS: f64 = 9e12;

/// The value that `text` means, and `None` when it is no value of Prometheus.
pub(super) fn value(text: &[u8]) -> Option<f64> {
    short_decimal(text).or_else(|| any_value(text))
}

/// At most fifteen digits with at most one point among them.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > EXACT_DIGITS + 1 || !digits.first()?.is_ascii_digit() {
        return None;
    }
    let mut whole = 0_u64;
    let mut point = None;
    for (index, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => whole = whole * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(index + 1),
            _ => return None,
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point);
    if digits.len() - usize::from(point.is_some()) > EXACT_DIGITS {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "fifteen digits are exact")]
    let magnitude = whole as f64 / TENS.get(decimals)?;
    Some(if negative { -magnitude } else { magnitude })
}

#[cold]
fn any_value(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"+Inf" | b"Inf" => Some(f64::INFINITY),
        b"-Inf" => Some(f64::NEG_INFINITY),
        // The standard library also reads `infinity` and `nan`, which no source writes.
        _ if text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Seconds, written as a JSON number, in whole milliseconds.
pub(super) fn seconds_to_millis(number: &[u8]) -> Option<i64> {
    let seconds = value(number).filter(|seconds| seconds.abs() <= MAX_SECONDS)?;
    #[expect(clippy::cast_possible_truncation, reason = "the bound above keeps it inside")]
    let millis = (seconds * 1000.0).round() as i64;
    Some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_special_values_of_prometheus_are_read_and_no_others() {
        assert!(value(b"NaN").unwrap().is_nan());
        assert_eq!(value(b"+Inf"), Some(f64::INFINITY));
        assert_eq!(value(b"-Inf"), Some(f64::NEG_INFINITY));
        assert_eq!(value(b"1e+06"), Some(1e6));
        assert_eq!(value(b"-0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        for wrong in ["", "-", ".", "nan", "infinity", "0x10", "1_000", " 1", "1 ", "1.2.3", "--1", "e5"] {
            assert_eq!(value(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_exact_to_the_millisecond_and_bounded() {
        assert_eq!(seconds_to_millis(b"1732174269.123"), Some(1_732_174_269_123));
        assert_eq!(seconds_to_millis(b"1732174269"), Some(1_732_174_269_000));
        assert_eq!(seconds_to_millis(b"1.732174269123e9"), Some(1_732_174_269_123));
        assert_eq!(seconds_to_millis(b"-0.5"), Some(-500));
        assert_eq!(seconds_to_millis(b"9000000000000"), Some(9_000_000_000_000_000));
        assert_eq!(seconds_to_millis(b"9000000000001"), None);
        assert_eq!(seconds_to_millis(b"1e300"), None);
    }

    proptest! {
        #[test]
        fn the_short_way_and_the_standard_library_agree_to_the_bit(text in "-?[0-9]{1,17}(\\.[0-9]{0,17})?") {
            prop_assert_eq!(value(text.as_bytes()).map(f64::to_bits), Some(text.parse::<f64>().unwrap().to_bits()));
        }

        #[test]
        fn every_double_reads_as_itself(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            prop_assert_eq!(value(format!("{number}").as_bytes()).map(f64::to_bits), Some(number.to_bits()));
            prop_assert_eq!(value(format!("{number:e}").as_bytes()).map(f64::to_bits), Some(number.to_bits()));
        }
    }
}
