//! Lists, page by page: how much at once, where to go on, and how a page is written.

use axum::http::StatusCode;

use crate::document::{Document, MAX_BYTES};
use crate::problem::Problem;

/// Items of a page when nothing is said.
const DEFAULT_ITEMS: usize = 100;

/// Items of a page at most.
const MAX_ITEMS: usize = 500;

/// How many items are asked for.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(DEFAULT_ITEMS),
        Some(items @ 1..=MAX_ITEMS) => Ok(items),
        Some(items) => {
            let what = format!("`limit` is {items}: a page has 1 to {MAX_ITEMS} items, and `next` leads to more");
            Err(Problem::new(StatusCode::BAD_REQUEST, what))
        }
    }
}

/// A page that grows until it is full.
pub(crate) struct Page {
    text: String,
    items: usize,
    limit: usize,
}

impl Page {
    pub(crate) fn of(limit: usize) -> Self {
        Self { text: "{\"items\":[".to_owned(), items: 0, limit }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.items >= self.limit
    }

    /// Adds an item that is JSON; false when it does not fit beside those that are there.
    pub(crate) fn add(&mut self, item: &str) -> bool {
        /// For what stands behind the items.
        const TAIL_BYTES: usize = 1_024;
        if self.is_full() || self.text.len() + item.len() + TAIL_BYTES > MAX_BYTES {
            return false;
        }
        if self.items > 0 {
            self.text.push(',');
        }
        self.text.push_str(item);
        self.items += 1;
        true
    }

    /// The whole of it; `next` is where the next page begins, if there may be one.
    pub(crate) fn end(mut self, next: Option<String>) -> Document {
        let next = next.map_or(serde_json::Value::Null, serde_json::Value::from).to_string();
        self.text.push_str("],\"next\":");
        self.text.push_str(&next);
        self.text.push('}');
        Document::written(self.text)
    }
}

/// What `next` of another page said.
pub(crate) fn bad_cursor() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "`cursor` is none of ours: give back what `next` of a page said, with the same filters",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_as_many_items_as_are_asked_for_within_the_limit() {
        assert_eq!(limit(None).unwrap(), DEFAULT_ITEMS);
        assert_eq!(limit(Some(1)).unwrap(), 1);
        assert_eq!(limit(Some(MAX_ITEMS)).unwrap(), MAX_ITEMS);
        for wrong in [0, MAX_ITEMS + 1] {
            assert!(limit(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_is_full_of_items_or_of_bytes() {
        let mut page = Page::of(2);
        assert!(page.add("1") && page.add("2") && !page.add("3"));
        let mut large = Page::of(9);
        assert!(large.add(&"1".repeat(MAX_BYTES - 2_000)) && !large.add(&"1".repeat(2_000)));
    }
}
