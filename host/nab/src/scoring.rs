//! The published scoring. Sums are taken in the order of the scores, so that they come out the same to the last bit wherever
//! the definition is followed to the letter.

use std::collections::BTreeMap;

use crate::corpus::{Corpus, Series};

/// So many window lengths after a window a detection is as wrong as one that is nowhere near.
const FARTHEST_LENGTHS: f64 = 3.0;

/// How steep the worth of a detection falls towards the end of its window.
const STEEPNESS: f64 = 5.0;

/// What counts how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// A window that is detected.
    pub detected: f64,
    /// A window that is missed.
    pub missed: f64,
    /// A detection where there is nothing.
    pub false_alarm: f64,
}

impl Profile {
    /// A miss is nine false alarms.
    pub const STANDARD: Self = Self { detected: 1.0, missed: 1.0, false_alarm: 0.11 };
    /// False alarms count twice.
    pub const LOW_FALSE_POSITIVES: Self = Self { detected: 1.0, missed: 1.0, false_alarm: 0.22 };
    /// Misses count twice.
    pub const LOW_FALSE_NEGATIVES: Self = Self { detected: 1.0, missed: 2.0, false_alarm: 0.11 };
}

/// How good a detector is by one profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// 100 is perfect, 0 says nothing.
    pub score: f64,
    /// The scores from which on rows are detections, where that is reached.
    pub threshold: f64,
}

/// How good a detector is by each profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profiles {
    /// By [`Profile::STANDARD`].
    pub standard: Outcome,
    /// By [`Profile::LOW_FALSE_POSITIVES`].
    pub low_false_positives: Outcome,
    /// By [`Profile::LOW_FALSE_NEGATIVES`].
    pub low_false_negatives: Outcome,
}

/// What a detection of a row is worth.
#[derive(Clone, Copy)]
enum Worth {
    /// In a window: so much, if no better one is in the same.
    Window(usize, f64),
    Outside(f64),
}

/// A scored row: its score, its window counted over all series, and what it is worth.
struct Point {
    score: f64,
    worth: Worth,
}

/// Scores what a detector said of each row of each series, in the order of the corpus.
#[must_use]
pub fn score(corpus: &Corpus, scores: &[Vec<f64>]) -> Profiles {
    let mut points = Vec::new();
    let mut before = 0;
    for (series, scores) in corpus.series.iter().zip(scores) {
        for (worth, score) in worths(series, before).into_iter().zip(scores).skip(series.probation) {
            points.push(Point { score: *score, worth });
        }
        before += series.windows.len();
    }
    points.sort_by(|one, other| other.score.total_cmp(&one.score));
    let of = |profile| best(&points, before, profile);
    Profiles {
        standard: of(Profile::STANDARD),
        low_false_positives: of(Profile::LOW_FALSE_POSITIVES),
        low_false_negatives: of(Profile::LOW_FALSE_NEGATIVES),
    }
}

/// The best threshold, and what it makes.
#[expect(clippy::cast_precision_loss, reason = "windows are dozens")]
fn best(points: &[Point], labelled: usize, profile: Profile) -> Outcome {
    let mut gained: BTreeMap<usize, f64> = BTreeMap::new();
    for point in points {
        if let Worth::Window(window, _) = point.worth {
            gained.insert(window, -profile.missed);
        }
    }
    let floor = -profile.missed * gained.len() as f64;
    let (mut total, mut most, mut threshold) = (floor, floor, f64::INFINITY);
    for same in points.chunk_by(|one, other| one.score == other.score) {
        for point in same {
            total += gain(&mut gained, point.worth, profile);
        }
        if let Some(point) = same.first().filter(|_| total > most) {
            (most, threshold) = (total, point.score);
        }
    }
    Outcome { score: 100.0 * (most - floor) / (labelled as f64 * profile.detected - floor), threshold }
}

fn gain(gained: &mut BTreeMap<usize, f64>, worth: Worth, profile: Profile) -> f64 {
    match worth {
        Worth::Outside(worth) => worth * profile.false_alarm,
        Worth::Window(window, worth) => {
            let worth = worth * profile.detected;
            let Some(before) = gained.get_mut(&window).filter(|before| worth > **before) else { return 0.0 };
            worth - std::mem::replace(before, worth)
        }
    }
}

/// What a detection at each row is worth; `first` is the number of the series' first window.
#[expect(clippy::cast_precision_loss, reason = "rows are thousands")]
fn worths(series: &Series, first: usize) -> Vec<Worth> {
    let best = sigmoid(-1.0);
    let mut last: Option<(usize, f64)> = None;
    let worth = |row: usize| {
        let Some(window) = series.windows.iter().position(|window| window.contains(&row)) else {
            let after = last.map(|(end, length)| (row - end) as f64 / (length - 1.0));
            return Worth::Outside(after.map_or(-1.0, sigmoid));
        };
        let Some((start, end)) = series.windows.get(window).map(|window| (*window.start(), *window.end())) else {
            return Worth::Outside(-1.0);
        };
        let length = (end - start + 1) as f64;
        last = Some((end, length));
        Worth::Window(first + window, sigmoid(-((end - row + 1) as f64) / length) / best)
    };
    (0..series.rows.len()).map(worth).collect()
}

/// What a detection is worth at a place in window lengths: -1 is where the window starts, 0 where it ends.
fn sigmoid(place: f64) -> f64 {
    if place > FARTHEST_LENGTHS { -1.0 } else { 2.0 / (1.0 + (STEEPNESS * place).exp()) - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Row;

    /// Two series of a hundred rows: one with a window in the middle, one without.
    fn corpus() -> Corpus {
        let series = |name: &str, windows: Vec<_>| Series {
            name: name.to_owned(),
            rows: (0..100).map(|minute| Row { timestamp: minute * 60_000, value: 1.0 }).collect(),
            windows,
            probation: 15,
        };
        Corpus { series: vec![series("a.csv", vec![40..=59]), series("b.csv", vec![])] }
    }

    fn scored(detections: &[(usize, usize, f64)]) -> Profiles {
        let mut scores = vec![vec![0.0; 100], vec![0.0; 100]];
        detections.iter().for_each(|(series, row, score)| scores[*series][*row] = *score);
        score(&corpus(), &scores)
    }

    #[test]
    fn who_says_nothing_has_nothing_and_the_first_row_of_a_window_is_all() {
        assert_eq!(scored(&[]).standard.score, 0.0);
        assert_eq!(scored(&[(0, 40, 1.0)]).standard.score, 100.0);
    }

    #[test]
    fn a_later_detection_is_worth_less_and_a_second_one_nothing() {
        let (early, late) = (scored(&[(0, 45, 1.0)]).standard.score, scored(&[(0, 55, 1.0)]).standard.score);
        assert!(late < early && early < 100.0);
        assert_eq!(scored(&[(0, 45, 1.0), (0, 55, 1.0)]).standard.score, early);
    }

    #[test]
    fn a_false_alarm_costs_what_the_profile_says_and_less_just_after_a_window() {
        let of = |row: usize| scored(&[(0, 40, 1.0), (0, row, 1.0)]);
        // Two are gained with the window, which is 100.
        assert_eq!(of(30).standard.score, 100.0 - 11.0 / 2.0);
        assert_eq!(of(30).low_false_positives.score, 100.0 - 22.0 / 2.0);
        assert!(of(61).standard.score > of(30).standard.score);
    }

    #[test]
    fn the_threshold_is_the_one_that_makes_most_and_what_is_below_costs_nothing() {
        let outcome = scored(&[(0, 40, 0.8), (1, 50, 0.7)]).standard;
        assert_eq!(outcome, Outcome { score: 100.0, threshold: 0.8 });
    }

    #[test]
    fn what_is_learned_from_is_not_scored() {
        assert_eq!(scored(&[(0, 40, 0.8), (0, 14, 1.0), (1, 3, 1.0)]).standard.score, 100.0);
    }
}
