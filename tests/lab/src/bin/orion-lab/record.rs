//! A recording of the lab: a healthy stack, one container that dies, the time without it, and its return.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use orion_lab::{CONTAINERS, MediaStack, Prometheus};
use orion_model::{Timestamp, format_duration, parse_duration};
use orion_source::RecordingWriter;

use crate::{Failure, SCRAPE_INTERVAL, queries};

/// Rates need a few samples before they have a value.
const WARM_UP_MILLIS: i64 = 30_000;

/// When the container dies, in hundredths of the recording: before that it must be long enough healthy to look so.
const KILLED_AT_PERCENT: i64 = 25;

/// When it comes back. Of twelve minutes it misses nearly five: longer than the usual `for:` and shorter than the time
/// after which Prometheus forgets its last sample.
const REVIVED_AT_PERCENT: i64 = 65;

#[derive(Args)]
pub(crate) struct Settings {
    /// Folder with the rule files whose queries are recorded
    #[arg(long)]
    rules: PathBuf,
    /// File to write
    #[arg(long)]
    out: PathBuf,
    /// How long to record
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i64).range(1..=60))]
    minutes: i64,
    /// Distance of the recorded instants
    #[arg(long, default_value = "15s", value_parser = interval)]
    interval: i64,
    /// The container that dies
    #[arg(long, default_value = CONTAINERS[0], value_parser = CONTAINERS)]
    container: String,
    /// Name of the recording
    #[arg(long, default_value = "media-stack")]
    name: String,
}

fn interval(text: &str) -> Result<i64, String> {
    let millis = parse_duration(text).filter(|millis| (1_000..=300_000).contains(millis));
    millis.ok_or_else(|| "an interval is between 1s and 5m, such as 15s".to_owned())
}

/// Records, and says how it goes.
pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let queries = queries::of_folder(&settings.rules)?;
    let mut stack = MediaStack::start()?;
    let prometheus = Prometheus::start(&stack.scrape_config(SCRAPE_INTERVAL))?;
    println!("recording {} queries from {}", queries.len(), prometheus.url());
    sleep_until(now().plus_millis(WARM_UP_MILLIS)).await;

    let mut writer = RecordingWriter::new(&settings.out, &settings.name, settings.interval);
    let steps = settings.minutes * 60_000 / settings.interval;
    let first = next_instant(now(), settings.interval);
    let step_at = |percent: i64| steps * percent / 100;
    for step in 0..=steps {
        let instant = first.plus_millis(step * settings.interval);
        sleep_until(instant).await;
        for query in &queries {
            let answer = prometheus.query(query, Some(&instant.as_prometheus()))?;
            writer.push(query, instant, answer.as_bytes())?;
        }
        let mut what = "";
        if step == step_at(KILLED_AT_PERCENT) {
            stack.kill(&settings.container);
            what = " died";
        } else if step == step_at(REVIVED_AT_PERCENT) {
            stack.revive(&settings.container)?;
            what = " came back";
        }
        let left = format_duration((steps - step) * settings.interval);
        let event = if what.is_empty() { String::new() } else { format!(": {}{what}", settings.container) };
        println!("{instant} {step}/{steps}, {left} to go{event}");
    }
    let bytes = writer.finish()?;
    println!("{}: {bytes} bytes", settings.out.display());
    Ok(())
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// The first multiple of the interval that is not over.
fn next_instant(now: Timestamp, interval: i64) -> Timestamp {
    Timestamp::from_millis((now.as_millis() + interval - 1) / interval * interval)
}

async fn sleep_until(instant: Timestamp) {
    let millis = instant.millis_since(now());
    tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_multiples_of_the_interval() {
        let next = |now| next_instant(Timestamp::from_millis(now), 15_000).as_millis();
        assert_eq!((next(30_000), next(30_001), next(44_999)), (30_000, 45_000, 45_000));
    }

    #[test]
    fn intervals_outside_of_a_second_and_five_minutes_are_refused() {
        assert_eq!(interval("1s"), Ok(1_000));
        assert_eq!(interval("5m"), Ok(300_000));
        for wrong in ["999ms", "301s", "", "fast"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
