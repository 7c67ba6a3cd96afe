//! What a rule's alarms are worth, series by series and all together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use orion_model::{Event, Labels, SeriesId, Status, Timestamp};
use orion_nab::{Corpus, Profiles, Row, Series, probation, score};

use super::labels::Window;
use super::play::{Played, Usual};
use super::table::{Samples, name_of};

const DAY_MILLIS: f64 = 86_400_000.0;

/// What the series is called that stands for the answer.
const WHOLE: &str = "series in the answer";

/// What an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something was wrong.
    Right,
    /// Nothing was.
    False,
    /// The series was still being learned, or nobody said.
    Unjudged,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// When it began.
    pub at: Timestamp,
    /// When it was over.
    pub until: Option<Timestamp>,
    /// The sample that made it.
    pub value: Option<f64>,
    /// How unusual that was, where the detector can tell.
    pub score: Option<f64>,
    /// In the detector's words.
    pub message: String,
    /// Between what it was expected, in the detector's words.
    pub expected: Option<(f64, f64)>,
    /// What it is.
    pub verdict: Verdict,
}

/// A window of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// As it was marked, in the time of the samples.
    pub window: Window,
    /// The samples in it, where it counts; else why it does not.
    pub rows: Result<RangeInclusive<usize>, &'static str>,
    /// The first alarm in it.
    pub found: Option<Timestamp>,
}

/// A series with everything about it.
pub struct Line {
    /// The series.
    pub samples: Samples,
    /// So many samples at the start are only learned.
    pub learned: usize,
    /// In order of time.
    pub windows: Vec<Labelled>,
    /// In order of time.
    pub alarms: Vec<Alarm>,
    /// Of each sample, between what it would have been usual.
    pub near: Vec<Option<(f64, f64)>>,
}

/// All together.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    /// Windows that count.
    pub windows: usize,
    /// Those that were found.
    pub found: usize,
    /// Alarms that count.
    pub alarms: usize,
    /// Those in no window.
    pub false_alarms: usize,
    /// How long was judged.
    pub days: f64,
    /// From the beginning of each window that was found until it was, in order.
    pub delays: Vec<i64>,
    /// By the scoring of the Numenta benchmark, where there is something to find.
    pub nab: Option<Profiles>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of alarms and windows are small")]
fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Totals {
    /// Which part of the alarms is right.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.alarms - self.false_alarms, self.alarms)
    }

    /// Which part of the windows is found.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.found, self.windows)
    }

    /// Alarms a day.
    #[expect(clippy::cast_precision_loss, reason = "counts of alarms are small")]
    pub fn alarms_per_day(&self) -> Option<f64> {
        (self.days > 0.0).then(|| self.alarms as f64 / self.days)
    }

    /// False ones among them.
    #[expect(clippy::cast_precision_loss, reason = "counts of alarms are small")]
    pub fn false_alarms_per_day(&self) -> Option<f64> {
        (self.days > 0.0).then(|| self.false_alarms as f64 / self.days)
    }

    /// The delay in the middle; of an even number the later one.
    pub fn median_delay(&self) -> Option<i64> {
        self.delays.get(self.delays.len() / 2).copied()
    }
}

/// How series are told from each other and judged.
pub struct Judging<'a> {
    /// What is wrong when.
    pub windows: &'a [Window],
    /// For how long a series is only learned; else as the benchmark has it.
    pub learn: Option<i64>,
    /// How much later the samples are than the instants of the rule.
    pub phase_millis: i64,
}

/// The series that were shown, with what was said of them.
pub fn lines(played: &Played, usual: &Usual, judging: &Judging<'_>) -> Vec<Line> {
    let mut series: BTreeMap<SeriesId, Line> = BTreeMap::new();
    for shown in &played.frames.frames {
        for (id, _, value) in shown.frame.samples().filter(|(_, _, value)| value.is_finite()) {
            let at = shown.frame.instant;
            let line = series.entry(id).or_insert_with(|| {
                let labels = played.frames.labels(id).cloned().unwrap_or_default();
                Line::of(name_of(&labels), labels)
            });
            line.samples.points.push((at.plus_millis(judging.phase_millis), value));
            line.near.push(usual.get(&(id, at)).copied());
        }
    }
    let mut lines: Vec<Line> = series.into_values().collect();
    lines.sort_by(|one, other| one.samples.name.cmp(&other.samples.name));
    let mut whole = whole(played, judging.phase_millis);
    for event in &played.events {
        let line = lines.iter_mut().find(|line| is_of(event, &line.samples.labels, &played.own_labels));
        line.unwrap_or(&mut whole).take(event, judging.phase_millis);
    }
    lines.extend(Some(whole).filter(|whole| !whole.alarms.is_empty()));
    lines.iter_mut().for_each(|line| judge(line, judging));
    lines
}

/// For what is said of no series: how many there were at each instant.
fn whole(played: &Played, phase_millis: i64) -> Line {
    let mut whole = Line::of(WHOLE.to_owned(), Labels::empty());
    for shown in &played.frames.frames {
        #[expect(clippy::cast_precision_loss, reason = "series are thousands")]
        whole.samples.points.push((shown.frame.instant.plus_millis(phase_millis), shown.frame.len() as f64));
        whole.near.push(None);
    }
    whole
}

impl Line {
    /// One of which nothing is known yet.
    pub fn of(name: String, labels: Labels) -> Self {
        let samples = Samples { name, labels, points: Vec::new() };
        Self { samples, learned: 0, windows: Vec::new(), alarms: Vec::new(), near: Vec::new() }
    }

    /// Takes in what was recorded of it.
    fn take(&mut self, event: &Event, phase_millis: i64) {
        let at = event.ts.plus_millis(phase_millis);
        if event.status == Status::Resolved {
            if let Some(alarm) = self.alarms.last_mut() {
                alarm.until = Some(at);
            }
            return;
        }
        let number = |name: &str| event.data.get(name).and_then(serde_json::Value::as_f64);
        let text = |name: &str| event.data.get(name).and_then(serde_json::Value::as_str);
        self.alarms.push(Alarm {
            at,
            until: None,
            value: event.value(),
            score: number("score"),
            message: text("message").or_else(|| event.annotations.get("summary")).unwrap_or_default().to_owned(),
            expected: number("expected_low").zip(number("expected_high")),
            verdict: Verdict::Unjudged,
        });
    }
}

/// Whether an event is about a series: it has all of its labels but the name of the metric, which alerts have not, and those that the
/// rule lays over them.
fn is_of(event: &Event, labels: &Labels, own: &BTreeSet<String>) -> bool {
    const NAME: &str = "__name__";
    let mut others = labels.iter().filter(|(name, _)| *name != NAME && !own.contains(*name));
    others.all(|(name, value)| event.labels.get(name) == Some(value))
}

fn judge(line: &mut Line, judging: &Judging<'_>) {
    let points = &line.samples.points;
    line.learned = match (judging.learn, points.first()) {
        (Some(millis), Some((first, _))) => points.partition_point(|(at, _)| at.millis_since(*first) < millis),
        _ => probation(points.len()),
    };
    let learned = line.learned;
    let of_series = judging.windows.iter().filter(|window| window.is_about(&line.samples.name));
    line.windows = of_series
        .map(|window| {
            let first = points.partition_point(|(at, _)| *at < window.from);
            let behind = points.partition_point(|(at, _)| *at <= window.to);
            let rows = match behind.checked_sub(1).filter(|last| *last >= first) {
                None => Err("there is no sample in it"),
                Some(last) if last < learned => Err("the series is only learned then"),
                Some(last) => Ok(first..=last),
            };
            Labelled { window: window.clone(), rows, found: None }
        })
        .collect();
    line.windows.sort_by_key(|labelled| (labelled.window.from, labelled.window.to));
    for alarm in &mut line.alarms {
        let row = points.partition_point(|(at, _)| *at < alarm.at);
        if row < learned {
            continue;
        }
        alarm.verdict = Verdict::False;
        for labelled in line.windows.iter_mut().filter(|it| it.rows.as_ref().is_ok_and(|rows| rows.contains(&row))) {
            alarm.verdict = Verdict::Right;
            labelled.found.get_or_insert(alarm.at);
        }
    }
}

/// Counts them.
pub fn totals(lines: &[Line]) -> Totals {
    let windows = || lines.iter().flat_map(|line| &line.windows).filter(|labelled| labelled.rows.is_ok());
    let alarms =
        |verdict: Verdict| lines.iter().flat_map(|line| &line.alarms).filter(|it| it.verdict == verdict).count();
    let mut delays: Vec<i64> =
        windows().filter_map(|labelled| Some(labelled.found?.millis_since(labelled.window.from).max(0))).collect();
    delays.sort_unstable();
    let judged = |line: &Line| Some((line.samples.points.get(line.learned)?.0, line.samples.points.last()?.0));
    let spans: Vec<_> = lines.iter().filter_map(judged).collect();
    let millis = covered(spans);
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    let days = millis as f64 / DAY_MILLIS;
    let (right, wrong) = (alarms(Verdict::Right), alarms(Verdict::False));
    Totals {
        windows: windows().count(),
        found: windows().filter(|labelled| labelled.found.is_some()).count(),
        alarms: right + wrong,
        false_alarms: wrong,
        days,
        delays,
        nab: (windows().count() > 0).then(|| benchmark(lines)),
    }
}

/// How long at least one of these spans lasts: series beside each other are one time, and files of other years another.
fn covered(mut spans: Vec<(Timestamp, Timestamp)>) -> i64 {
    spans.sort_unstable();
    let mut reached = Timestamp::from_millis(i64::MIN);
    let mut millis = 0;
    for (first, last) in spans {
        let first = first.max(reached);
        if last > first {
            millis += last.millis_since(first);
            reached = last;
        }
    }
    millis
}

/// The published scoring, of rows where an alarm begins.
fn benchmark(lines: &[Line]) -> Profiles {
    let row = |(at, value): &(Timestamp, f64)| Row { timestamp: at.as_millis(), value: *value };
    let series = |line: &Line| Series {
        name: line.samples.name.clone(),
        rows: line.samples.points.iter().map(row).collect(),
        windows: line.windows.iter().filter_map(|labelled| labelled.rows.clone().ok()).collect(),
        probation: line.learned,
    };
    let scores = |line: &Line| {
        let mut scores = vec![0.0; line.samples.points.len()];
        for alarm in &line.alarms {
            let row = line.samples.points.partition_point(|(at, _)| *at < alarm.at);
            if let Some(score) = scores.get_mut(row) {
                // One that cannot tell says that it is sure.
                *score = alarm.score.filter(|score| *score > 0.0).unwrap_or(1.0);
            }
        }
        scores
    };
    let corpus = Corpus { series: lines.iter().map(series).collect() };
    score(&corpus, &lines.iter().map(scores).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    fn line(alarms: &[i64]) -> Line {
        let points = (0..100).map(|minute| (at(minute), 0.0)).collect();
        let alarm = |minute: &i64| Alarm {
            at: at(*minute),
            until: None,
            value: None,
            score: None,
            message: String::new(),
            expected: None,
            verdict: Verdict::Unjudged,
        };
        let mut line = Line::of("a".to_owned(), Labels::from_iter([("series", "a")]));
        (line.samples.points, line.alarms) = (points, alarms.iter().map(alarm).collect());
        line
    }

    fn window(from: i64, to: i64) -> Window {
        Window { series: None, from: at(from), to: at(to), note: String::new(), place: String::new() }
    }

    /// Of a hundred minutes, of which fifteen are learned.
    fn judged(alarms: &[i64], windows: &[Window]) -> Totals {
        let mut line = line(alarms);
        judge(&mut line, &Judging { windows, learn: None, phase_millis: 0 });
        totals(&[line])
    }

    #[test]
    fn alarms_in_windows_are_right_and_the_first_of_each_finds_it() {
        let totals = judged(&[3, 30, 45, 50, 80], &[window(40, 59), window(70, 75)]);
        assert_eq!((totals.alarms, totals.false_alarms, totals.windows, totals.found), (4, 2, 2, 1));
        assert_eq!((totals.precision(), totals.recall()), (Some(0.5), Some(0.5)));
        assert_eq!(totals.delays, [300_000]);
        // From minute 15 to minute 99.
        assert_eq!(totals.days, 84.0 / 1_440.0);
    }

    #[test]
    fn a_window_has_both_its_ends_and_nothing_beside_them() {
        for (alarm, found) in [(39, 0), (40, 1), (59, 1), (60, 0)] {
            assert_eq!(judged(&[alarm], &[window(40, 59)]).found, found, "{alarm}");
        }
    }

    #[test]
    fn windows_without_a_sample_or_in_the_time_of_learning_do_not_count() {
        let mut line = line(&[]);
        let windows = [window(2, 14), window(2, 15), window(200, 300)];
        judge(&mut line, &Judging { windows: &windows, learn: None, phase_millis: 0 });
        let counted: Vec<_> = line.windows.iter().map(|labelled| labelled.rows.clone().is_ok()).collect();
        assert_eq!(counted, [false, true, false]);
    }

    #[test]
    fn time_that_series_share_counts_once_and_time_between_them_not_at_all() {
        let span = |from: i64, to: i64| (at(from), at(to));
        assert_eq!(covered(vec![span(100, 110), span(0, 10), span(5, 20), span(6, 7)]), 30 * 60_000);
    }

    #[test]
    fn where_there_is_nothing_there_is_no_part_of_it() {
        let totals = judged(&[], &[]);
        assert_eq!((totals.precision(), totals.recall(), totals.nab, totals.median_delay()), (None, None, None, None));
        assert_eq!(totals.alarms_per_day(), Some(0.0));
    }

    #[test]
    fn the_benchmarks_score_is_a_hundred_for_the_first_row_of_each_window_and_nothing_else() {
        assert_eq!(judged(&[40, 70], &[window(40, 59), window(70, 75)]).nab.unwrap().standard.score, 100.0);
        // A false alarm costs 0.11 of the two that a window brings.
        assert_eq!(judged(&[30, 40], &[window(40, 59)]).nab.unwrap().standard.score, 100.0 - 11.0 / 2.0);
    }
}
