//! Tables of keys: what each is called, how its value looks, what it means.
//!
//! The checker takes the names from them and the schema for editors the rest, so that the two cannot drift apart.

use orion_model::Kind;

/// A key of a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// A sentence or two for whoever writes one.
    pub(crate) doc: &'static str,
}

/// How a value looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// A text; numbers and flags are taken as they are written.
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    Flag,
    Duration,
    /// A whole number.
    Count,
    /// A text or a list of texts.
    Texts,
    /// Names to templates.
    Templates,
    /// Names to what a field of an event must be.
    Conditions,
    /// What a line has to hold: a text, or one for each of some fields.
    LineMatch,
    /// The name of a plugin.
    Plugin(Kind),
    /// What the plugin takes.
    Parameters,
    /// A list of what the definition of this name says.
    ListOf(&'static str),
    /// What the definition of this name says.
    Defined(&'static str),
    /// Whatever stands there is not looked at.
    Anything,
}

/// A key of a table.
pub(crate) const fn key(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key { name, form, doc }
}

/// The names of a table.
pub(crate) fn names_of<const N: usize>(keys: &[Key; N]) -> [&'static str; N] {
    keys.map(|key| key.name)
}
