//! Answers as Prometheus writes them, for any number of series.

use std::fmt::Write as _;

/// Series with eight labels each, as an estate of pods has them.
pub struct Answer {
    metrics: Vec<String>,
}

impl Answer {
    /// So many series.
    pub fn of(series: usize) -> Self {
        Self { metrics: (0..series).map(metric).collect() }
    }

    /// The answer for an instant, written in seconds as Prometheus does, with a value for each series.
    pub fn body(&self, time: &str, value: impl Fn(usize) -> f64) -> Vec<u8> {
        self.written(time, |index| Some(value(index)))
    }

    /// The same, with the series that are there then, and one for each.
    pub fn some(&self, time: &str, is_there: impl Fn(usize) -> bool) -> Vec<u8> {
        self.written(time, |index| is_there(index).then_some(1.0))
    }

    fn written(&self, time: &str, value: impl Fn(usize) -> Option<f64>) -> Vec<u8> {
        const BESIDE_THE_METRIC: usize = 60;
        let size = self.metrics.iter().map(|metric| metric.len() + BESIDE_THE_METRIC).sum();
        let mut body = String::with_capacity(size);
        body.push_str(r#"{"status":"success","data":{"resultType":"vector","result":["#);
        let there = self.metrics.iter().enumerate().filter_map(|(index, metric)| Some((metric, value(index)?)));
        for (count, (metric, value)) in there.enumerate() {
            let comma = if count == 0 { "" } else { "," };
            let _ = write!(body, r#"{comma}{{"metric":{metric},"value":[{time},"{value}"]}}"#);
        }
        body.push_str("]}}");
        body.into_bytes()
    }
}

fn metric(index: usize) -> String {
    let (node, pod) = (index / 100, index % 100);
    format!(
        r#"{{"__name__":"http_request_duration_seconds","cluster":"eu-west-1","container":"api","instance":"10.0.{}.{}:9100","job":"kubernetes-pods","namespace":"media","pod":"api-7d9f8b6c5-{index:05}","zone":"eu-west-1{}"}}"#,
        node % 256,
        pod,
        ["a", "b", "c"].get(index % 3).unwrap_or(&"a"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_json_with_eight_labels_a_series() {
        let body = Answer::of(3).body("1732174269.007", |index| index as f64 + 0.5);
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let result = answer["data"]["result"].as_array().unwrap();
        assert_eq!(result.len(), 3);
        assert_eq!(result[2]["metric"].as_object().unwrap().len(), 8);
        assert_eq!(result[2]["value"], serde_json::json!([1_732_174_269.007, "2.5"]));
        assert_ne!(result[0]["metric"], result[1]["metric"]);
        let some: serde_json::Value = serde_json::from_slice(&Answer::of(3).some("1", |index| index > 0)).unwrap();
        assert_eq!(some["data"]["result"].as_array().unwrap().len(), 2);
    }
}
