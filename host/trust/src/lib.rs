//! Which plugins may run: keys, signatures beside plugin files, the lock of a plugin folder, and the gate that asks for them.
//!
//! A signature says who stands behind a plugin's bytes; a lock says which bytes a folder is meant to hold. Both are asked
//! before a byte of the plugin is parsed. [`Gate`] decides; what it cannot read, it does not pass.
//!
//! Everything here is text that other tools read and check: keys are PEM as openssl writes it, signatures and locks are a
//! few lines of TOML. Nothing here makes random numbers: a new key is made of bytes that the caller brings.

mod envelope;
mod gate;
mod key;
mod keyring;
mod lock;
mod pem;
mod signature;
mod text;

pub use envelope::{Envelope, EnvelopeSignature};
pub use gate::{Fault, Gate, Proof};
pub use key::{KeyError, KeyId, PublicKey, SecretKey};
pub use keyring::{KEY_EXTENSION, Keyring, TrustedKey};
pub use lock::{LOCK_FILE, Lock, LockError, LockedPlugin};
pub use signature::{SIGNATURE_SUFFIX, SignatureError, SignatureFile, signed_text};
