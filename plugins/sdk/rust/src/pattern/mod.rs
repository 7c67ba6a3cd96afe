//! What correlators are made of: the timeline of a key, the life of an incident, timers, and changes in order.
//!
//! Most correlators look for a [`Pattern`] in the events of a key; [`Watch`] makes an incident of it. One that does more
//! takes the parts: a [`Book`] of keys that end by time, [`Gains`] and an [`Outbox`] for what it says, a [`Timeline`] for events that come
//! in another order than they happened.

mod alerts;
mod book;
mod case;
mod condition;
mod few;
mod gains;
mod incident;
mod moment;
mod outbox;
mod selector;
mod shelf;
mod timeline;
mod watch;

pub use alerts::{Live, Rest};
pub use book::Book;
pub use condition::Condition;
pub use few::Few;
pub use gains::{Gains, Unsaid};
pub use incident::{End, Incident, Life};
pub use moment::{Moment, Role};
pub use outbox::{Growth, Outbox, Step};
pub use selector::{Selector, Selectors};
pub use shelf::Shelf;
pub use timeline::{Held, Outcome, Timeline, Track};
pub use watch::{Pattern, Watch};
