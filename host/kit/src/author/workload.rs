//! Frames and events that a plugin is measured with: made up, and the same on every machine.

use orion_model::{Frame, Labels, SeriesTable, Severity, Status, Timestamp};

use crate::input::{Frames, RecordedEvent};

/// Distance of two frames, and of an event from the next but this many.
const STEP_MILLIS: i64 = 15_000;

/// Groups that events are spread over.
const GROUPS: usize = 100;

/// Numbers that look like chance and are the same each time.
struct Numbers(u64);

impl Numbers {
    const fn next(&mut self) -> u64 {
        // The constants of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// Series that go up and down a little; one value in a thousand stands out.
pub fn frames(series: usize, count: usize) -> Frames {
    let (mut frames, mut table) = (Frames::default(), SeriesTable::new());
    let mut numbers = Numbers(1);
    let start = Timestamp::from_millis(0);
    let ids: Vec<_> = (0..series).map(|one| table.define(&labels(one), start)).collect();
    for (_, step) in (0..count).zip(0_i64..) {
        let instant = start.plus_millis(step * STEP_MILLIS);
        let values = ids.iter().map(|_| value(numbers.next())).collect();
        let timestamps = vec![instant.as_millis(); ids.len()];
        frames.push(Frame { instant, ids: ids.clone(), timestamps, values, warnings: Vec::new() }, &table);
    }
    frames
}

#[expect(clippy::cast_precision_loss, reason = "numbers below 2^31")]
fn value(number: u64) -> f64 {
    let usual = 100.0 + (number % 64) as f64 / 8.0;
    if number.is_multiple_of(1_000) { usual * 10.0 } else { usual }
}

fn labels(one: usize) -> Labels {
    [("instance", format!("host-{one}:9100")), ("job", "node".to_owned()), ("zone", format!("z{}", one % 3))]
        .into_iter()
        .collect()
}

/// Events of alerts that fire and resolve.
pub fn events(count: usize) -> Vec<RecordedEvent> {
    let mut numbers = Numbers(1);
    let event = |position: usize, number: u64| {
        let group = usize::try_from(number).unwrap_or_default() % GROUPS;
        let at = i64::try_from(position).unwrap_or_default();
        RecordedEvent {
            position: position as u64,
            timestamp: Timestamp::from_millis(at * STEP_MILLIS / i64::try_from(GROUPS).unwrap_or(1)),
            severity: if number.is_multiple_of(5) { Severity::Error } else { Severity::Warning },
            status: if number.is_multiple_of(3) { Status::Resolved } else { Status::Firing },
            fingerprint: number,
            value: 1.0,
            key: format!("{{service=\"service-{group}\"}}"),
            event_type: "service_down".to_owned(),
            labels: labels(group),
        }
    };
    (0..count).map(|position| event(position, numbers.next())).collect()
}
