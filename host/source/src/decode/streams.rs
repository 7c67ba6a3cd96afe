//! The log streams of an answer: lines, each with its time and the labels of its stream.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::fault::excerpt;
use crate::error::SourceError;

/// A line of a log stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamLine {
    /// When it was written, in nanoseconds since 1970.
    pub at_nanos: i64,
    /// Labels of its stream.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub text: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(default)]
    result: Vec<Value>,
}

#[derive(Deserialize)]
struct Stream {
    stream: BTreeMap<String, String>,
    /// Time and text, and in newer Lokis more behind them.
    values: Vec<Vec<Value>>,
}

/// The lines of an answer, in the order of their times.
pub(crate) fn decode_streams(body: &[u8]) -> Result<Vec<StreamLine>, SourceError> {
    let shape = |why: String| SourceError::UnexpectedShape { why, at: 0, excerpt: excerpt(body, 0) };
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(why) if why.is_eof() => return Err(SourceError::Truncated { received_bytes: body.len() }),
        Err(why) if why.is_data() => return Err(shape(why.to_string())),
        Err(why) => {
            return Err(SourceError::NotJson { why: why.to_string(), at: 0, excerpt: excerpt(body, 0) });
        }
    };
    if answer.data.result_type != "streams" {
        return Err(SourceError::NotStreams { result_type: answer.data.result_type.chars().take(20).collect() });
    }
    let mut lines = Vec::new();
    for stream in answer.data.result {
        let Stream { stream, values } = serde_json::from_value(stream).map_err(|why| shape(why.to_string()))?;
        for value in values {
            let [Value::String(at), Value::String(text), ..] = value.as_slice() else {
                return Err(shape("a line is no list of time and text".to_owned()));
            };
            let at_nanos = at.parse().map_err(|_| shape("the time of a line is no number".to_owned()))?;
            lines.push(StreamLine { at_nanos, labels: stream.clone(), text: text.clone() });
        }
    }
    lines.sort();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_come_in_the_order_of_their_times_whatever_is_behind_them() {
        let body = br#"{"status":"success","data":{"resultType":"streams","encodingFlags":["x"],"result":[
            {"stream":{"app":"b"},"values":[["2","two"],["3","three",{"structuredMetadata":{"a":"b"}}]]},
            {"stream":{"app":"a"},"values":[["1","one"]]}],"stats":{"summary":{}}}}"#;
        let lines = decode_streams(body).unwrap();
        let told: Vec<_> =
            lines.iter().map(|line| (line.at_nanos, line.labels["app"].as_str(), line.text.as_str())).collect();
        assert_eq!(told, [(1, "a", "one"), (2, "b", "two"), (3, "b", "three")]);
    }

    #[test]
    fn what_are_no_lines_is_told_as_what_it_is() {
        for (body, kind) in [
            (r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#, "not_streams"),
            (
                r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[[1,"x"]]}]}}"#,
                "unexpected_shape",
            ),
            (
                r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["x","x"]]}]}}"#,
                "unexpected_shape",
            ),
            (r#"{"status":"success"}"#, "unexpected_shape"),
            (r#"{"status":"success","data":{"res"#, "truncated"),
            ("<html>", "not_json"),
        ] {
            assert_eq!(decode_streams(body.as_bytes()).unwrap_err().kind(), kind, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes in any::<Vec<u8>>()) {
            let _ = decode_streams(&bytes);
        }
    }
}
