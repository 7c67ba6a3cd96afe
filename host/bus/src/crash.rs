//! Points at which an end-to-end test may kill the process, to prove that nothing is lost or doubled there.
//!
//! Without the feature `crash-points` a point is nothing at all: the macro expands to no code.

/// Aborts the process here when `ORION_CRASH_AT` says so; expands to nothing without the feature `crash-points`.
#[cfg(feature = "crash-points")]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::crash_at($name)
    };
}

/// Aborts the process here when `ORION_CRASH_AT` says so; expands to nothing without the feature `crash-points`.
#[cfg(not(feature = "crash-points"))]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {};
}

/// Aborts the process, as `kill -9` would, when `ORION_CRASH_AT` is `name:n` and this is the n-th time through `name`.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static AT: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let told = std::env::var("ORION_CRASH_AT").ok()?;
        let (name, hit) = told.rsplit_once(':')?;
        Some((name.to_owned(), hit.parse().ok()?))
    });
    static HITS: AtomicU64 = AtomicU64::new(0);

    if let Some((at, hit)) = &*AT
        && at == name
        && HITS.fetch_add(1, Ordering::SeqCst) + 1 == *hit
    {
        std::process::abort();
    }
}
