//! Series that a test writes into a Prometheus instead of letting it scrape them, at times of its own.
//!
//! They go in by the remote-write protocol, version 1: a protobuf message of three kinds of fields in a snappy frame.
//! Blocks made from OpenMetrics text would do for plain samples, but no text format can say that a series is stale.

use orion_model::{Written, WrittenSeries};

/// What `stale` in a test's series means: the not-a-number that Prometheus keeps for it, told apart by its bits.
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Samples in one request: a few hundred kilobytes, far below what any receiver refuses.
const REQUEST_SAMPLES: usize = 20_000;

/// The bodies of the requests that write these series.
pub(crate) fn requests(series: &[WrittenSeries]) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    let mut request = Vec::new();
    let mut room = REQUEST_SAMPLES;
    for WrittenSeries { labels, samples } in series {
        let mut rest = samples.as_slice();
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(room));
            put_bytes(&mut request, 1, &time_series(labels, part));
            rest = later;
            room -= part.len();
            if room == 0 {
                requests.push(snappy(&std::mem::take(&mut request)));
                room = REQUEST_SAMPLES;
            }
        }
    }
    if !request.is_empty() {
        requests.push(snappy(&request));
    }
    requests
}

fn time_series(labels: &[(String, String)], samples: &[(i64, Written)]) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        put_bytes(&mut label, 1, name.as_bytes());
        put_bytes(&mut label, 2, value.as_bytes());
        put_bytes(&mut message, 1, &label);
    }
    for (at, written) in samples {
        let bits = match written {
            Written::Value(value) => value.to_bits(),
            Written::Stale => STALE_BITS,
        };
        let mut sample = vec![FIELD_1_FIXED64];
        sample.extend_from_slice(&bits.to_le_bytes());
        sample.push(FIELD_2_VARINT);
        put_varint(&mut sample, at.cast_unsigned());
        put_bytes(&mut message, 2, &sample);
    }
    message
}

/// Field 1 as eight bytes, field 2 as a varint: the two fields of a sample.
const FIELD_1_FIXED64: u8 = 1 << 3 | 1;
const FIELD_2_VARINT: u8 = 2 << 3;

fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(message, field << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            message.push(low & 0x7f);
            return;
        }
        message.push(low | 0x80);
    }
}

/// A snappy frame that compresses nothing: its length, then literals of up to 64 KiB. On loopback there is nothing to gain.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    /// A literal whose length, less one, follows in two bytes.
    const LITERAL_OF_16_BITS: u8 = 61 << 2;
    let mut frame = Vec::new();
    put_varint(&mut frame, bytes.len() as u64);
    for literal in bytes.chunks(1 << 16) {
        let less_one = u16::try_from(literal.len() - 1).unwrap_or(u16::MAX);
        frame.push(LITERAL_OF_16_BITS);
        frame.extend_from_slice(&less_one.to_le_bytes());
        frame.extend_from_slice(literal);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_message_of_bits_and_time() {
        let series = WrittenSeries {
            labels: vec![("__name__".to_owned(), "x".to_owned())],
            samples: vec![(300, Written::Value(1.0)), (-1, Written::Stale)],
        };
        let label = [&[10, 13, 10, 8][..], b"__name__", &[18, 1], b"x"].concat();
        let value = [&[18, 12, 9][..], &1.0_f64.to_le_bytes(), &[16, 0xac, 2]].concat();
        let stale = [&[18, 20, 9][..], &[2, 0, 0, 0, 0, 0, 0xf0, 0x7f, 16], &[0xff; 9], &[1]].concat();
        assert_eq!(time_series(&series.labels, &series.samples), [label, value, stale].concat());
    }

    #[test]
    fn many_samples_are_several_requests_and_none_is_lost() {
        let samples = (0..50_001).map(|at| (at, Written::Value(0.0))).collect();
        let series = WrittenSeries { labels: Vec::new(), samples };
        assert_eq!(requests(std::slice::from_ref(&series)).len(), 3);
        let one = WrittenSeries { samples: series.samples[..20_000].to_vec(), ..series };
        assert_eq!(requests(&[one.clone(), one]).len(), 2);
        assert!(requests(&[]).is_empty());
    }

    #[test]
    fn a_snappy_frame_holds_its_bytes_in_literals() {
        assert_eq!(snappy(b"abc"), [&[3, 0xf4, 2, 0][..], b"abc"].concat());
        let long = snappy(&[7; 65_537]);
        assert_eq!(long.len(), 3 + 3 + 65_536 + 3 + 1);
    }
}
