//! The engine that several hosts share: one Redis.

pub(crate) mod lease;
