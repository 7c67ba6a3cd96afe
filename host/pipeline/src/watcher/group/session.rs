//! A query of a group with what is known of its series.

use orion_model::{Frame, IdBuilder, SeriesId};
use orion_source::{QuerySession, SourceError};

use super::Group;
use crate::draft::{NotWritable, key};

/// First part of the state keys of series tables that stateful detectors rely on.
pub(super) const SERIES_ROOM: &[u8] = b"series";

/// A query with what is known of its series.
pub(super) struct Session {
    pub(super) query: QuerySession,
    /// The generation of each series id that the store knows; kept only while a stateful detector reads the query.
    stored: Vec<Option<u32>>,
    stored_revision: Option<u64>,
    /// What the source said about its last answer, so that the same words are logged once and not every interval.
    warned: Vec<String>,
}

impl Session {
    pub(super) fn new(expr: &str) -> Self {
        Self { query: QuerySession::new(expr), stored: Vec::new(), stored_revision: None, warned: Vec::new() }
    }

    pub(super) fn note_warnings(&mut self, answer: &Result<Frame, SourceError>) {
        let Ok(frame) = answer else { return };
        if frame.warnings != self.warned {
            for warning in &frame.warnings {
                tracing::warn!(expr = self.query.expr(), "the source warns: {warning}");
            }
            self.warned.clone_from(&frame.warnings);
        }
    }
}

impl Group {
    /// Keeps the ids of series that stateful detectors have put into their state.
    pub(super) fn store_series(&mut self) -> Result<(), NotWritable> {
        let Self { sessions, rules, closing, .. } = self;
        for (index, session) in sessions.iter_mut().enumerate() {
            let table = &session.query.table;
            let wanted = rules.iter().any(|run| run.session == index && run.seat.is_stateful());
            if !wanted || session.stored_revision == Some(table.revision()) {
                continue;
            }
            session.stored.resize(table.capacity(), None);
            let expr = expr_id(session.query.expr());
            for (id, stored) in (0_u32..).zip(&mut session.stored) {
                let labels = table.labels(id);
                let now = labels.and_then(|_| table.generation_of(id));
                if *stored == now {
                    continue;
                }
                let key = key::of(&[SERIES_ROOM, expr.as_bytes(), &id.to_be_bytes()]);
                match labels {
                    Some(labels) => closing.put(key, labels)?,
                    None => closing.delete(key),
                }
                *stored = now;
            }
            session.stored_revision = Some(table.revision());
        }
        Ok(())
    }

    pub(super) fn restore_series(&mut self, expr: &[u8], id: &[u8], labels: &[u8]) -> bool {
        let at = self.last.unwrap_or_default();
        let session = self.sessions.iter_mut().find(|session| expr_id(session.query.expr()).as_bytes() == expr);
        let id = <[u8; 4]>::try_from(id).map(SeriesId::from_be_bytes);
        let (Some(session), Ok(id), Ok(labels)) = (session, id, serde_json::from_slice(labels)) else { return false };
        session.query.table.restore(id, labels, at);
        session.stored.resize(session.query.table.capacity().max(session.stored.len()), None);
        if let Some(stored) = session.stored.get_mut(id as usize) {
            *stored = session.query.table.generation_of(id);
        }
        true
    }
}

fn expr_id(expr: &str) -> String {
    IdBuilder::new("expr").text(expr).finish().to_string()
}
