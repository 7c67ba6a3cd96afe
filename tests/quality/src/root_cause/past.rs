//! A source over tables: what was measured, one table after the other, under the names that the rules ask for.

use std::collections::BTreeMap;

use async_trait::async_trait;
use orion_model::{Frame, Timestamp};
use orion_source::{AnswerLimits, Instants, QuerySession, Source, SourceError, decode_range};
use serde_json::{Value, json};

use super::petshop::Table;

/// What rule files call it.
pub const SOURCE: &str = "prometheus";

/// Between two rows.
pub const STEP_MILLIS: i64 = 300_000;

/// Series with their samples, by instant.
type Series = BTreeMap<(String, String, String), BTreeMap<i64, f64>>;

/// What a Prometheus would remember.
pub struct Past {
    series: Series,
    /// The first and the last instant.
    pub span: (i64, i64),
    /// By how much the last table was moved to come after the others.
    pub moved: i64,
}

impl Past {
    /// Tables in this order: each begins a step after the one before it, whenever it was measured. Between them nothing is missing.
    pub fn of(tables: &[&Table]) -> Self {
        let mut past = Self { series: Series::new(), span: (0, 0), moved: 0 };
        let mut end = None;
        for table in tables {
            let (first, last) = (table.instants.first().copied(), table.instants.last().copied());
            let (Some(first), Some(last)) = (first, last) else { continue };
            let begins = end.map_or(first, |end| end + STEP_MILLIS);
            past.moved = begins - first;
            if end.is_none() {
                past.span.0 = begins;
            }
            for column in &table.columns {
                let name = (column.metric.clone(), column.service.clone(), column.statistic.clone());
                let series = past.series.entry(name).or_default();
                let samples = table.instants.iter().zip(&column.values);
                series.extend(samples.filter_map(|(at, value)| Some((at + past.moved, (*value)?))));
            }
            past.span.1 = last + past.moved;
            end = Some(last + past.moved);
        }
        past
    }

    /// As Prometheus answers the name of a metric: `service_latency_p99` of each service.
    fn answer(&self, expr: &str, instants: Instants) -> String {
        let result: Vec<Value> = self
            .series
            .iter()
            .filter(|((metric, _, statistic), _)| format!("service_{metric}_{}", statistic.to_lowercase()) == expr)
            .filter_map(|((_, service, _), samples)| {
                let value = |at: Timestamp| {
                    samples.get(&at.as_millis()).map(|value| json!([at.as_millis() / 1000, value.to_string()]))
                };
                let values: Vec<Value> = instants.iter().filter_map(value).collect();
                let labels = json!({"__name__": expr, "service": service});
                (!values.is_empty()).then(|| json!({"metric": labels, "values": values}))
            })
            .collect();
        json!({"status": "success", "data": {"resultType": "matrix", "result": result}}).to_string()
    }
}

#[async_trait]
impl Source for Past {
    fn name(&self) -> &str {
        SOURCE
    }

    async fn query(&self, session: &mut QuerySession, instant: Timestamp) -> Result<Frame, SourceError> {
        let instants = Instants { first: instant, step_millis: STEP_MILLIS, count: 1 };
        let mut frames = self.query_range(session, instants).await?;
        frames.pop().ok_or_else(|| SourceError::Misconfigured { name: SOURCE.to_owned(), why: "no answer".to_owned() })
    }

    async fn query_range(&self, session: &mut QuerySession, instants: Instants) -> Result<Vec<Frame>, SourceError> {
        let body = self.answer(session.expr(), instants);
        decode_range(body.as_bytes(), session, instants, AnswerLimits::default())
    }
}
