//! Plugins that attack their host: one for each line of what the sandbox must survive. For tests, and never shipped.
//!
//! An [`Attack`] is the file that somebody might put into the plugin folder, and what has to become of it. Most are written
//! in WebAssembly text, because no compiler would produce them; what compiled plugins do wrong looks the same from outside
//! (a panic of Rust is `unreachable`). The contract has no type that contains itself, so nothing that is said can be deep.
//!
//! [`guest`] is what they are written with, and what tests of the sandbox write their own guests with.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an attack that cannot be built should stop the test right there"
)]

pub mod compiling;
mod file;
pub mod guest;
mod said;
mod work;

use orion_model::Kind;

pub use file::native_code;
pub use work::hoarding;

/// A file that attacks.
#[derive(Clone, Debug)]
pub struct Attack {
    /// What it does. A plugin that can be loaded has this name too.
    pub name: &'static str,
    /// What it is, or says it is.
    pub kind: Kind,
    /// The file.
    pub bytes: Vec<u8>,
    /// What has to become of it.
    pub end: End,
}

/// What has to become of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is not loaded.
    Refused,
    /// This call is ended, with a fault of this kind.
    Fault {
        /// The function, as the contract calls it.
        call: &'static str,
        /// The one word that the sandbox has for it.
        kind: &'static str,
    },
    /// It says no in its own words, when it is configured.
    Declines,
    /// Nothing: what it does hurts nobody.
    Taken,
}

/// All of them.
pub fn attacks() -> Vec<Attack> {
    [work::attacks(), said::attacks(), file::attacks(), compiling::attacks()].concat()
}

fn refused(name: &'static str, bytes: Vec<u8>) -> Attack {
    Attack { name, kind: Kind::Detector, bytes, end: End::Refused }
}

fn detector(name: &'static str, call: &'static str, kind: &'static str, guest: guest::DetectorGuest) -> Attack {
    Attack { name, kind: Kind::Detector, bytes: guest.named(name), end: End::Fault { call, kind } }
}

fn observes(name: &'static str, kind: &'static str, observe: &'static str) -> Attack {
    detector(name, "observe", kind, guest::DetectorGuest { observe, ..Default::default() })
}

fn correlator(name: &'static str, call: &'static str, kind: &'static str, guest: guest::CorrelatorGuest) -> Attack {
    Attack { name, kind: Kind::Correlator, bytes: guest.named(name), end: End::Fault { call, kind } }
}
