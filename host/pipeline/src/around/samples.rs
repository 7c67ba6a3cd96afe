//! Finds the series of an event in an answer.

use std::collections::BTreeSet;

use orion_model::{Event, Frame, Labels, SeriesAround, SeriesId, SeriesTable};

/// The label that holds the name of a metric; no part of an alert's identity, as in Prometheus.
const METRIC_NAME: &str = "__name__";

/// Puts the samples of the event's series down; or why there are none.
pub(super) fn put(
    around: &mut SeriesAround,
    frames: &[Frame],
    table: &SeriesTable,
    event: &Event,
    laid_over: &BTreeSet<String>,
) {
    let ids: BTreeSet<SeriesId> = frames.iter().flat_map(|frame| frame.ids.iter().copied()).collect();
    let of_event = ids.iter().filter_map(|id| {
        let labels = table.labels(*id)?;
        Some((agreeing(labels, &event.labels, laid_over)?, *id, labels))
    });
    // Of several that could be meant the one that has most in common; of those the first by its labels.
    let Some((_, id, labels)) = of_event.min_by(|(a, _, x), (b, _, y)| b.cmp(a).then_with(|| x.cmp(y))) else {
        around.others = ids.len();
        around.missing = Some(match ids.is_empty() {
            true => "the source has no samples of this time: it has forgotten them, or never had any".to_owned(),
            false => format!("none of the {} series that the source remembers is the one of this event", ids.len()),
        });
        return;
    };
    let sample = |frame: &Frame| {
        let (_, _, value) = frame.samples().find(|(of, _, _)| *of == id)?;
        Some((frame.instant, value))
    };
    around.samples = frames.iter().filter_map(sample).collect();
    around.others = ids.len() - 1;
    around.labels = labels.clone();
    around.missing = None;
}

/// How many labels of a series the event has as well; `None` when it is not of this series. Labels of the rule are laid over those
/// of the series, so there the two may differ.
fn agreeing(series: &Labels, event: &Labels, laid_over: &BTreeSet<String>) -> Option<usize> {
    let mut same = 0;
    for (name, value) in series.iter().filter(|(name, _)| *name != METRIC_NAME) {
        match event.get(name) == Some(value) {
            true => same += 1,
            false if laid_over.contains(name) => {}
            false => return None,
        }
    }
    Some(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn a_series_is_of_an_event_when_all_its_labels_are_but_those_of_the_rule() {
        let event = labels(&[("job", "a"), ("instance", "i"), ("severity", "error"), ("alertname", "Down")]);
        let laid_over: BTreeSet<String> = ["severity".to_owned()].into();
        let agrees = |series: &[(&str, &str)]| agreeing(&labels(series), &event, &laid_over);
        assert_eq!(agrees(&[("__name__", "up"), ("job", "a"), ("instance", "i")]), Some(2));
        assert_eq!(agrees(&[("job", "a"), ("severity", "low")]), Some(1));
        assert_eq!(agrees(&[]), Some(0));
        assert_eq!(agrees(&[("job", "b"), ("instance", "i")]), None);
        assert_eq!(agrees(&[("job", "a"), ("path", "/")]), None);
    }
}
