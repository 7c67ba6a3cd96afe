//! Numbers that a process keeps of itself, and the text in which Prometheus reads them.
//!
//! Written here and not taken from a library, because what is needed is small and three things of it matter: a family is declared
//! once, with its help, and is there from the start with zeros, so that a rate over it has a beginning; what is written has
//! the order of the code and no other, so that two scrapes of the same state are the same bytes; and counting costs one
//! addition, since it happens in every evaluation.

mod number;
mod text;

pub use number::{Counter, Gauge, Histogram};
pub use text::{Family, FamilyType, Text};

/// What an answer in this form is called.
pub const CONTENT_TYPE: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores";

/// The same for a reader that does not know of it: names here are of letters, so both are the same bytes.
pub const OLDER_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a reader who says that it accepts this gets.
#[must_use]
pub fn content_type_for(accept: &str) -> &'static str {
    if accept.contains("version=1.0.0") && accept.contains("text/plain") { CONTENT_TYPE } else { OLDER_CONTENT_TYPE }
}
