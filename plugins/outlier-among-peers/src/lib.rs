//! One of a group that is unlike the rest: the replica that answers slowly, the node that runs hot, the disk that wears out
//! before the others. Nothing is remembered; peers that get the same work are the best forecast of each other.
//!
//! Where the group is, and how wide, is its median and the median distance from it, so a few outliers do not make
//! themselves usual. When half of a group is unlike the other half, nobody can say which is right, and the spread says so.

use std::collections::BTreeMap;

use orion_plugin::{
    Bulk, Detector, Finding, Findings, Frame, Margin, Parameters, Refused, Sample, Series, format_number,
};

/// The detector.
pub struct OutlierAmongPeers {
    group_by: Vec<String>,
    margin: Margin,
    minimum_peers: usize,
    up: bool,
    down: bool,
}

/// The values of a group's labels, in the order of the rule.
type Key<'a> = Vec<&'a str>;

impl Detector for OutlierAmongPeers {
    fn configure(parameters: &Parameters) -> Result<Self, Refused> {
        let number = |name: &str, default: f64| match parameters.number(name)?.unwrap_or(default) {
            number if number.is_finite() => Ok(number),
            _ => Err(Refused(format!("`{name}` is not a number"))),
        };
        let margin = Margin {
            spreads: number("deviation", 5.0)?,
            minimum: number("minimum_absolute", 0.0)?,
            minimum_percent: number("minimum_relative", 20.0)?,
        };
        if margin.minimum == 0.0 && margin.minimum_percent == 0.0 {
            return Err(
                "say `minimum_relative` or `minimum_absolute`: among equals any difference is an outlier".into()
            );
        }
        let direction = parameters.text("direction")?.unwrap_or("both");
        Ok(Self {
            group_by: parameters.texts("group_by")?.to_vec(),
            margin,
            minimum_peers: usize::try_from(parameters.integer("minimum_peers")?.unwrap_or(4)).unwrap_or(usize::MAX),
            up: direction != "down",
            down: direction != "up",
        })
    }

    fn observe(&mut self, frame: &Frame<'_>, findings: &mut Findings) {
        let mut groups: BTreeMap<Key<'_>, Vec<Sample<'_>>> = BTreeMap::new();
        for sample in frame.samples().filter(|sample| sample.value.is_finite()) {
            groups.entry(self.key(sample.series())).or_default().push(sample);
        }
        for (key, members) in &groups {
            self.compare(key, members, findings);
        }
    }
}

impl OutlierAmongPeers {
    fn key<'a>(&self, series: Series<'a>) -> Key<'a> {
        self.group_by.iter().map(|name| series.label(name).unwrap_or_default()).collect()
    }

    fn compare(&self, key: &Key<'_>, members: &[Sample<'_>], findings: &mut Findings) {
        if members.len() <= self.minimum_peers {
            return;
        }
        let mut values: Vec<_> = members.iter().map(|sample| sample.value).collect();
        let Some(group) = Bulk::of(&mut values) else { return };
        for sample in members {
            let score = self.margin.score(group.median, group.spread, sample.value);
            let wanted = if sample.value > group.median { self.up } else { self.down };
            if wanted && score >= self.margin.spreads {
                findings.emit(self.finding(key, members.len() - 1, group, sample, score));
            }
        }
    }

    fn finding(&self, key: &Key<'_>, peers: usize, group: Bulk, sample: &Sample<'_>, score: f64) -> Finding {
        let difference = sample.value - group.median;
        let side = if difference > 0.0 { "above" } else { "below" };
        let whose = self.whose(key);
        let message = format!(
            "{} is {} {side} the median {} of its {peers} peers{}, which are usually within {} of it",
            format_number(sample.value),
            format_number(difference.abs()),
            format_number(group.median),
            if whose.is_empty() { String::new() } else { format!(" ({whose})") },
            format_number(self.margin.usual_distance(group.median, group.spread)),
        );
        let finding = sample
            .finding()
            .message(message)
            .score(score)
            .field("median", group.median)
            .field("spread", group.spread)
            .field("difference", difference)
            .field("peers", i64::try_from(peers).unwrap_or(i64::MAX));
        if whose.is_empty() { finding } else { finding.field("group", whose) }
    }

    /// The group in the words of its labels.
    fn whose(&self, key: &Key<'_>) -> String {
        let named: Vec<_> = self.group_by.iter().zip(key).map(|(name, value)| format!("{name}={value}")).collect();
        named.join(", ")
    }
}

orion_plugin::detector!(OutlierAmongPeers);

#[cfg(test)]
mod tests;
