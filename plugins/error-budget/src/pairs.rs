//! Pairs of windows as rules write them: `5m/1h@14.4`.

use orion_plugin::{Refused, format_about, format_number};

/// A short and a long window, and the burn rate at which both are a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The short window.
    pub short_millis: i64,
    /// The long window.
    pub long_millis: i64,
    /// The burn rate.
    pub rate: f64,
}

/// No window is shorter: samples are seconds apart.
const SHORTEST_MILLIS: i64 = 10_000;

impl Pair {
    /// Reads a pair.
    pub fn read(text: &str) -> Result<Self, Refused> {
        let parts = || {
            let (windows, rate) = text.split_once('@')?;
            let (short, long) = windows.split_once('/')?;
            Some((read_span(short.trim())?, read_span(long.trim())?, rate.trim().parse::<f64>().ok()?))
        };
        let (short_millis, long_millis, rate) =
            parts().ok_or_else(|| Refused(format!("`windows`: `{text}` is no pair such as 5m/1h@14.4")))?;
        Ok(Self { short_millis, long_millis, rate })
    }

    /// Whether it can be meant, for a budget that allows this share of errors over a period.
    pub fn check(&self, allowed: f64, period_millis: i64) -> Result<(), Refused> {
        let refuse = |why: String| Err(Refused(format!("`windows`: {} {why}", self.said())));
        if self.short_millis < SHORTEST_MILLIS || self.short_millis >= self.long_millis {
            return refuse(format!(
                "needs a short window of at least {} before a longer one",
                format_about(SHORTEST_MILLIS)
            ));
        }
        if self.long_millis > period_millis {
            return refuse(format!("is longer than the period of {}", format_about(period_millis)));
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return refuse("needs a rate above 0".to_owned());
        }
        if self.rate * allowed > 1.0 {
            let most = format_number(1.0 / allowed);
            return refuse(format!("is never reached: when everything fails, this objective burns at {most}"));
        }
        Ok(())
    }

    /// In the words of a rule.
    pub fn said(&self) -> String {
        format!("{}/{}@{}", format_about(self.short_millis), format_about(self.long_millis), format_number(self.rate))
    }
}

/// `5m`, `1h30m`, `3d` in milliseconds.
fn read_span(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end)?;
        let millis = match unit {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(millis)?)?;
        rest = next;
    }
    (total > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn pairs_are_read_as_rules_write_them() {
        let pair = |short, long, rate| Ok(Pair { short_millis: short * MINUTE, long_millis: long * MINUTE, rate });
        assert_eq!(Pair::read("5m/1h@14.4"), pair(5, 60, 14.4));
        assert_eq!(Pair::read(" 1h30m / 3d @ 1 "), pair(90, 3 * 1440, 1.0));
        assert_eq!(Pair::read("5m/1h@14.4").unwrap().said(), "5m/1h@14.4");
    }

    #[test]
    fn what_is_no_pair_is_refused_in_words() {
        for text in [
            "",
            "5m/1h",
            "5m@3",
            "5/1h@3",
            "5m/h@3",
            "5m/1y@3",
            "5m/1h@x",
            "/@",
            "99999999999999999999d/1h@1",
            "0m/1h@1",
        ] {
            assert_eq!(Pair::read(text), Err(Refused(format!("`windows`: `{text}` is no pair such as 5m/1h@14.4"))));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_words() {
        let why = |text: &str, allowed| {
            Pair::read(text).unwrap().check(allowed, 1440 * MINUTE).err().map(|refused| refused.0)
        };
        assert_eq!(why("5m/1h@14.4", 0.001), None);
        assert_eq!(
            why("1h/1h@2", 0.001).unwrap(),
            "`windows`: 1h/1h@2 needs a short window of at least 10s before a longer one"
        );
        assert_eq!(why("1h/2d@2", 0.001).unwrap(), "`windows`: 1h/2d@2 is longer than the period of 1d");
        assert_eq!(why("5m/1h@0", 0.001).unwrap(), "`windows`: 5m/1h@0 needs a rate above 0");
        assert!(why("5m/1h@NaN", 0.001).unwrap().ends_with("needs a rate above 0"));
        assert_eq!(
            why("5m/1h@14.4", 0.125).unwrap(),
            "`windows`: 5m/1h@14.4 is never reached: when everything fails, this objective burns at 8"
        );
    }
}
