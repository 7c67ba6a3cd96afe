//! What the rule says.

use orion_plugin::{Margin, Parameters, Refused};

use crate::season::Cycle;

/// The parameters, as they are used.
pub struct Rules {
    /// How far is unusual.
    pub margin: Margin,
    /// Whether more than expected is a finding.
    pub up: bool,
    /// Whether less is.
    pub down: bool,
    /// Which hours have a level of their own.
    pub cycle: Option<Cycle>,
    /// How much of the past is what is usual.
    pub history_millis: i64,
    /// For how long a new series is only learned.
    pub warm_up_millis: i64,
    /// And for how many samples.
    pub warm_up_samples: u32,
    /// When what is unusual is the new level.
    pub adapt_after_millis: i64,
    /// How long there is silence after an anomaly.
    pub cooldown_millis: i64,
}

impl Rules {
    /// Reads them, or says what cannot be meant.
    pub fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let number = |name: &str, default: f64| match parameters.number(name)?.unwrap_or(default) {
            number if number.is_finite() => Ok(number),
            _ => Err(Refused(format!("`{name}` is not a number"))),
        };
        let by_word = match parameters.text("sensitivity")?.unwrap_or("medium") {
            "low" => 7.0,
            "medium" => 5.0,
            "high" => 3.5,
            other => return Err(Refused(format!("`sensitivity` must be low, medium or high, not `{other}`"))),
        };
        let direction = parameters.text("direction")?.unwrap_or("both");
        let rules = Self {
            margin: Margin {
                spreads: number("threshold", by_word)?,
                minimum: number("minimum_absolute", 0.0)?,
                minimum_percent: number("minimum_relative", 10.0)?,
            },
            up: direction != "down",
            down: direction != "up",
            cycle: Cycle::of(parameters.text("season")?.unwrap_or("none")),
            history_millis: parameters.millis("history")?.unwrap_or(21_600_000),
            warm_up_millis: parameters.millis("warm_up")?.unwrap_or(3_600_000),
            warm_up_samples: u32::try_from(parameters.integer("warm_up_samples")?.unwrap_or(30)).unwrap_or(u32::MAX),
            adapt_after_millis: parameters.millis("adapt_after")?.unwrap_or(7_200_000),
            cooldown_millis: parameters.millis("cooldown")?.unwrap_or(300_000),
        };
        if rules.warm_up_millis > rules.history_millis {
            return Err("`warm_up` must not be longer than `history`: older samples are forgotten".into());
        }
        Ok(rules)
    }

    /// Of what an expected value is that of, where it has a season.
    pub const fn season_in_words(&self) -> &'static str {
        match self.cycle {
            None => "",
            Some(Cycle::Day) => " at this hour of the day",
            Some(Cycle::Week) => " at this hour of the week",
        }
    }
}
