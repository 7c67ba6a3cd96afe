//! What the decoder trips over, and how it is told: with the place, and with what stands there.

use crate::error::SourceError;

/// How much of an answer an error shows: enough to recognise a login page, too little to fill a log.
const EXCERPT_BYTES: usize = 80;

/// A fault at a place in an answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The bytes end before the answer does.
    CutOff,
    /// Not JSON.
    NotJson { why: &'static str, at: usize },
    /// JSON, and no answer to an instant query.
    Shape { why: String, at: usize },
    /// An answer, and not one to use.
    Refused(SourceError),
}

impl Fault {
    pub(super) fn not_json(why: &'static str, at: usize) -> Self {
        Self::NotJson { why, at }
    }

    pub(super) fn shape(why: impl Into<String>, at: usize) -> Self {
        Self::Shape { why: why.into(), at }
    }

    /// For people.
    pub(super) fn told(self, body: &[u8]) -> SourceError {
        match self {
            Self::CutOff => SourceError::Truncated { received_bytes: body.len() },
            Self::NotJson { why, at } => SourceError::NotJson { why: why.to_owned(), at, excerpt: excerpt(body, at) },
            Self::Shape { why, at } => SourceError::UnexpectedShape { why, at, excerpt: excerpt(body, at) },
            Self::Refused(error) => error,
        }
    }
}

/// A few characters from `at` on, in quotes, harmless to a terminal.
pub(crate) fn excerpt(body: &[u8], at: usize) -> String {
    let from = body.get(at..).unwrap_or_default();
    let shown = from.get(..EXCERPT_BYTES).unwrap_or(from);
    let text: String = String::from_utf8_lossy(shown).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match (shown.len(), from.len()) {
        (0, _) => "(nothing)".to_owned(),
        (shown, all) if shown < all => format!("`{text}…`"),
        _ => format!("`{text}`"),
    }
}
