//! YAML with the place of everything, and what is wrong with it, all at once.
//!
//! Test files and rule files are read by key; a key that nobody knows is a slip that would make a test check nothing.

mod page;
mod tree;

pub use page::{Fields, Page};
pub use tree::{Node, Value, parse};
