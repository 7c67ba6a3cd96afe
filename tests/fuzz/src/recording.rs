//! A recording of a source: it is refused, or every query in it can be asked at any of its instants.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use orion_source::{QuerySession, Recording, RecordingSource, Source};
use tokio::runtime::Runtime;

/// How a compressed file begins. Anything else is packed first: chance does not find text that a checksum agrees with.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Queries of one recording that are asked.
const MAX_ASKED: usize = 8;

const LOOKBACK_MILLIS: i64 = 60_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());

pub(crate) fn run(bytes: &[u8]) {
    let recording = match bytes.starts_with(GZIP) {
        true => Recording::read("fuzz", bytes),
        false => Recording::read("fuzz", packed(bytes).as_slice()),
    };
    let Ok(recording) = recording else { return };
    let exprs: Vec<String> = recording.exprs().take(MAX_ASKED).map(str::to_owned).collect();
    let instants = [recording.start(), recording.end(), recording.start().plus_millis(recording.interval_millis())];
    let source = RecordingSource::new(recording, LOOKBACK_MILLIS);
    for expr in exprs {
        let mut session = QuerySession::new(expr);
        for instant in instants {
            if let Ok(frame) = RUNTIME.block_on(source.query(&mut session, instant)) {
                assert_eq!(frame.ids.len(), frame.values.len());
            }
        }
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
