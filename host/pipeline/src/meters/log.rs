//! What entries of logs read and say.

use std::sync::{Arc, PoisonError, Weak};

use orion_metrics::{Counter, FamilyType, Gauge, Text};

use super::Meters;

/// The numbers of an entry that runs.
#[derive(Debug, Default)]
pub struct LogMeter {
    /// Records that were read: lines, or what lines belong together.
    pub(crate) lines: Counter,
    /// Events that were said of them.
    pub(crate) events: Counter,
    /// Events that were not, because there were too many.
    pub(crate) left_out: Counter,
    files: Gauge,
    unread: Gauge,
    troubles: Gauge,
}

impl LogMeter {
    /// How the files are now.
    pub(crate) fn at(&self, files: usize, unread: u64, troubles: usize) {
        self.files.set(files as f64);
        self.unread.set(unread as f64);
        self.troubles.set(troubles as f64);
    }
}

impl Meters {
    /// The meter of an entry: it is there as long as somebody has it.
    pub(crate) fn log(&self, id: &str) -> Arc<LogMeter> {
        let meter = Arc::new(LogMeter::default());
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|_, log| log.strong_count() > 0);
        logs.insert(id.to_owned(), Arc::downgrade(&meter));
        meter
    }

    fn live_logs(&self) -> Vec<(String, Arc<LogMeter>)> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let live = |(id, meter): (&String, &Weak<LogMeter>)| Some((id.clone(), meter.upgrade()?));
        logs.iter().filter_map(live).collect()
    }

    /// Entries with files that cannot be read, and how many of them each has.
    pub fn troubled_logs(&self) -> Vec<(String, f64)> {
        let live = self.live_logs().into_iter().map(|(id, log)| (id, log.troubles.get()));
        live.filter(|(_, troubles)| *troubles > 0.0).collect()
    }

    pub(super) fn write_logs(&self, text: &mut Text) {
        let live = self.live_logs();
        type Count = fn(&LogMeter) -> u64;
        let counts: [(&str, &str, Count); 3] = [
            (
                "orion_log_records_total",
                "Records that an entry of `logs` read: lines, or what lines belong together.",
                |it| it.lines.get(),
            ),
            ("orion_log_events_total", "Events that an entry of `logs` made of lines.", |it| it.events.get()),
            (
                "orion_log_events_left_out_total",
                "Lines that matched an entry of `logs` and made no event, because there were more than its limit.",
                |it| it.left_out.get(),
            ),
        ];
        for (name, help, count) in counts {
            let mut family = text.family(name, FamilyType::Counter, help);
            live.iter().for_each(|(id, log)| family.count(&[("log", id)], count(log)));
        }
        type Number = fn(&LogMeter) -> f64;
        let numbers: [(&str, &str, Number); 3] = [
            ("orion_log_files", "Files that an entry of `logs` follows.", |it| it.files.get()),
            ("orion_log_unread_bytes", "Bytes of these files that were not read yet.", |it| it.unread.get()),
            (
                "orion_log_files_unreadable",
                "Files, folders or patterns of an entry of `logs` that cannot be read.",
                |it| it.troubles.get(),
            ),
        ];
        for (name, help, number) in numbers {
            let mut family = text.family(name, FamilyType::Gauge, help);
            live.iter().for_each(|(id, log)| family.sample(&[("log", id)], number(log)));
        }
    }
}
