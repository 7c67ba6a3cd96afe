//! A series as an SVG: its samples, what would have been usual, what was wrong and what was found.

use std::fmt::Write;

use orion_model::Timestamp;

use super::measure::Line;
use super::page::escaped;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;

/// Room for the numbers at the left and the times below.
const LEFT: f64 = 70.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 12.0;

/// Of a long series the least and the largest sample of each column are drawn: more would be on the same pixels.
const COLUMNS: usize = 600;

/// A band that reaches farther than this many heights of the samples beyond them is cut.
const MOST_BEYOND: f64 = 0.5;

/// Beyond this a height is no number any more.
const MOST: f64 = 1e300;

/// Where things lie.
struct Scale {
    from: i64,
    to: i64,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(line: &Line) -> Self {
        let points = &line.samples.points;
        let moments = points.iter().map(|(at, _)| at.as_millis());
        let alarms = line.alarms.iter().map(|alarm| alarm.at.as_millis());
        let windows = line.windows.iter().flat_map(|it| [it.window.from.as_millis(), it.window.to.as_millis()]);
        // Samples say how long the drawing is; where there are none, what is drawn in their place.
        let others: Vec<i64> = if points.is_empty() { alarms.chain(windows).collect() } else { moments.collect() };
        let from = others.iter().copied().min().unwrap_or(0);
        let to = others.iter().copied().max().unwrap_or(from).max(from + 1);
        let values = points.iter().map(|(_, value)| value.clamp(-MOST, MOST));
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let height = if high > low { high - low } else { high.abs().max(1.0) };
        let beyond = height * MOST_BEYOND;
        let near = line.near.iter().flatten();
        let least = near.clone().map(|(low, _)| *low).fold(low, f64::min).max(low - beyond);
        let most = near.map(|(_, high)| *high).fold(high, f64::max).min(high + beyond);
        let margin = if most > least { (most - least) / 20.0 } else { height / 2.0 };
        Self { from, to, low: least - margin, high: most + margin }
    }

    #[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
    fn x(&self, at: Timestamp) -> f64 {
        let part = (at.as_millis() - self.from) as f64 / (self.to - self.from) as f64;
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low);
        ABOVE + (1.0 - part.clamp(0.0, 1.0)) * (HEIGHT - ABOVE - BELOW)
    }
}

/// The drawing.
pub fn drawing(line: &Line) -> String {
    let scale = Scale::of(line);
    let name = escaped(&line.samples.name);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}: the table below says the same\">"
    );
    let floor = HEIGHT - BELOW;
    let mut shape = |text: String| svg.push_str(&text);
    if let Some(((first, _), (until, _))) = line.samples.points.first().zip(line.samples.points.get(line.learned)) {
        shape(rect("learned", scale.x(*first), scale.x(*until), ""));
    }
    for labelled in &line.windows {
        let title = format!("{} to {} {}", labelled.window.from, labelled.window.to, labelled.window.note);
        shape(rect("window", scale.x(labelled.window.from), scale.x(labelled.window.to), &title));
    }
    shape(format!("<path class=\"near\" d=\"{}\"/>", band(line, &scale)));
    shape(format!("<path class=\"samples\" d=\"{}\"/>", path(line, &scale)));
    shape(format!("<path class=\"axis\" d=\"M{LEFT} {ABOVE}V{floor}H{WIDTH}\" fill=\"none\"/>"));
    for alarm in &line.alarms {
        let (x, y) = (scale.x(alarm.at), alarm.value.map_or(ABOVE, |value| scale.y(value)));
        let (word, title) = (alarm.verdict.word(), escaped(&format!("{} {}", alarm.at, alarm.message)));
        shape(format!("<circle class=\"{word}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{title}</title></circle>"));
    }
    let (from, to) = (Timestamp::from_millis(scale.from), Timestamp::from_millis(scale.to));
    if !line.samples.points.is_empty() {
        shape(format!("<text x=\"0\" y=\"{}\">{}</text>", ABOVE + 10.0, number(scale.high)));
        shape(format!("<text x=\"0\" y=\"{floor}\">{}</text>", number(scale.low)));
    }
    shape(format!("<text x=\"{LEFT}\" y=\"{}\">{from}</text>", HEIGHT - 6.0));
    shape(format!("<text x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">{to}</text>", HEIGHT - 6.0));
    svg.push_str("</svg>");
    svg
}

/// A part of the time.
fn rect(class: &str, from: f64, to: f64, title: &str) -> String {
    // One moment is as wide as can be seen.
    let width = (to - from).max(1.5);
    let height = HEIGHT - ABOVE - BELOW;
    let title = if title.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(title)) };
    format!(
        "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{ABOVE}\" width=\"{width:.1}\" height=\"{height}\">{title}</rect>"
    )
}

/// Samples that are drawn in one column.
fn columns(length: usize) -> usize {
    length.div_ceil(COLUMNS).max(1)
}

fn path(line: &Line, scale: &Scale) -> String {
    let mut path = String::new();
    let mut draw = |(at, value): &(Timestamp, f64)| {
        let sign = if path.is_empty() { 'M' } else { 'L' };
        // Writing to a text does not fail.
        let _ = write!(path, "{sign}{:.1} {:.1}", scale.x(*at), scale.y(*value));
    };
    for column in line.samples.points.chunks(columns(line.samples.points.len())) {
        let least = column.iter().min_by(|one, other| one.1.total_cmp(&other.1));
        let most = column.iter().max_by(|one, other| one.1.total_cmp(&other.1));
        match least.zip(most) {
            Some((least, most)) if least.0 < most.0 => [least, most].into_iter().for_each(&mut draw),
            Some((least, most)) if least.0 > most.0 => [most, least].into_iter().for_each(&mut draw),
            Some((only, _)) => draw(only),
            None => {}
        }
    }
    path
}

/// What would have been usual: a bar for each column, as wide as that.
fn band(line: &Line, scale: &Scale) -> String {
    let size = columns(line.samples.points.len());
    let mut path = String::new();
    let mut starts = line.samples.points.chunks(size).filter_map(|column| Some(column.first()?.0)).peekable();
    for near in line.near.chunks(size) {
        let Some(from) = starts.next() else { break };
        let to = starts.peek().map_or(WIDTH, |next| scale.x(*next));
        let low = near.iter().flatten().map(|(low, _)| *low).fold(f64::INFINITY, f64::min);
        let high = near.iter().flatten().map(|(_, high)| *high).fold(f64::NEG_INFINITY, f64::max);
        if low <= high {
            // Writing to a text does not fail.
            let _ = write!(
                path,
                "M{:.1} {:.1}H{to:.1}V{:.1}H{:.1}Z",
                scale.x(from),
                scale.y(high),
                scale.y(low),
                scale.x(from)
            );
        }
    }
    path
}

/// Four digits are enough beside an axis.
fn number(value: f64) -> String {
    let size = value.abs();
    if size > 0.0 && !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orion_model::Labels;

    fn line(values: &[f64]) -> Line {
        let mut line = Line::of("a".to_owned(), Labels::empty());
        line.samples.points =
            (0..).zip(values).map(|(at, value)| (Timestamp::from_millis(at * 1_000), *value)).collect();
        line.near = values.iter().map(|value| Some((value - 1.0, value + 1.0))).collect();
        line
    }

    #[test]
    fn a_long_series_is_drawn_in_as_few_places_as_can_be_seen_and_its_spikes_stay() {
        let mut values = vec![0.0; 100_000];
        values[77_777] = 9.0;
        let long = line(&values);
        let scale = Scale::of(&long);
        let path = path(&long, &scale);
        assert!(path.matches(['M', 'L']).count() <= 2 * COLUMNS);
        assert!(path.contains(&format!(" {:.1}", scale.y(9.0))));
        assert!(drawing(&long).len() < 100_000);
    }

    #[test]
    fn what_does_not_move_is_empty_or_is_alone_can_be_drawn() {
        for values in [&[5.0, 5.0][..], &[], &[0.0], &[-1e300, 1e300], &[f64::MAX]] {
            let drawn = drawing(&line(values));
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{values:?}: {drawn}");
        }
    }
}
