//! How far some work is, for whoever waits at a terminal; nothing where nobody looks.

use indicatif::{ProgressBar, ProgressStyle};

/// Work of a known size.
pub struct Work {
    bar: ProgressBar,
}

impl Work {
    /// Begins.
    pub fn begin(what: &'static str, size: u64) -> Self {
        let bar = ProgressBar::new(size);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} %  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what);
        Self { bar }
    }

    /// That nobody is told of.
    pub fn unseen() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// So much of it is done.
    pub fn reached(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// It is over.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}
