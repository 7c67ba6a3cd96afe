//! Keys: ed25519, in the PEM forms that openssl reads and writes, so that nobody needs Orion to make one or to check with it.
//!
//! A key is known by its id, the sha256 of its public part in DER: `openssl pkey -pubin -in FILE -outform DER | sha256sum`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use orion_model::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::pem::Pem;
use crate::text::read_text;

/// Most that is read of a key file: a key has three lines, and there is room for a comment.
const MAX_KEY_BYTES: u64 = 16 * 1024;

/// What stands before the 32 bytes of a public key in DER (RFC 8410): a SubjectPublicKeyInfo of ed25519.
const PUBLIC_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The same for a secret key: a PrivateKeyInfo (PKCS#8) of ed25519.
const SECRET_DER: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

const PUBLIC_LABEL: &str = "PUBLIC KEY";
const SECRET_LABEL: &str = "PRIVATE KEY";

/// A key that cannot be used. Says what is wrong and not where: the file is the caller's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// No PEM.
    #[error("it is not a key in PEM form: {0}")]
    NotPem(String),
    /// A secret key where a public one belongs, or the other way round.
    #[error("it holds a {found}, and a {wanted} belongs here")]
    OtherKind {
        /// What it says it holds.
        found: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// RSA, ECDSA, an encrypted key.
    #[error("it is no ed25519 key; `orion-kit key new` makes one, and so does `openssl genpkey -algorithm ed25519`")]
    NotEd25519,
    /// A public key with which anyone can sign anything.
    #[error("it is one of the few public keys that prove nothing (of small order); make another")]
    Weak,
}

/// What a key is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Digest);

impl KeyId {
    /// Enough of it to recognise it in a message.
    pub fn short(&self) -> String {
        self.to_string().chars().take(16).collect()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| format!("{error}"))
    }
}

/// Checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    comment: String,
}

impl PublicKey {
    /// Reads a key's file. The error is a reason, without the file's name.
    pub fn load(path: &Path) -> Result<Self, String> {
        Self::from_pem(&read_text(path, MAX_KEY_BYTES)?).map_err(|error| error.to_string())
    }

    /// Reads a key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (comment, bytes) = body(text, PUBLIC_LABEL, "public key", &PUBLIC_DER)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotEd25519)?;
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self { key, comment }) }
    }

    /// The key as text.
    pub fn to_pem(&self) -> String {
        Pem { comment: self.comment.clone(), label: PUBLIC_LABEL.to_owned(), bytes: self.der() }.write()
    }

    /// What it is known by.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::from_bytes(Sha256::digest(self.der()).into()))
    }

    /// What its file says of it.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether this is this key's signature of that message, by the strict rules: one message, one key, one signature.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    fn der(&self) -> Vec<u8> {
        [&PUBLIC_DER[..], self.key.as_bytes()].concat()
    }
}

/// Signs.
pub struct SecretKey {
    key: SigningKey,
    comment: String,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().id())
    }
}

impl SecretKey {
    /// The key that these bytes make. They must come from the system's source of randomness.
    pub fn from_seed(seed: &[u8; 32], comment: &str) -> Self {
        Self { key: SigningKey::from_bytes(seed), comment: comment.trim().to_owned() }
    }

    /// Reads a key's file. The error is a reason, without the file's name.
    pub fn load(path: &Path) -> Result<Self, String> {
        Self::from_pem(&read_text(path, MAX_KEY_BYTES)?).map_err(|error| error.to_string())
    }

    /// Reads a key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (comment, seed) = body(text, SECRET_LABEL, "secret key", &SECRET_DER)?;
        Ok(Self::from_seed(&seed, &comment))
    }

    /// The key as text. Whoever has it can sign.
    pub fn to_pem(&self) -> String {
        let bytes = [&SECRET_DER[..], self.key.as_bytes()].concat();
        Pem { comment: self.comment.clone(), label: SECRET_LABEL.to_owned(), bytes }.write()
    }

    /// The key that checks what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey { key: self.key.verifying_key(), comment: self.comment.clone() }
    }

    /// Signs a message. The same key and message give the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// The comment and the 32 bytes of a key file of one kind.
fn body(text: &str, label: &str, wanted: &'static str, der: &[u8]) -> Result<(String, [u8; 32]), KeyError> {
    let pem = Pem::read(text).map_err(KeyError::NotPem)?;
    if pem.label != label {
        return Err(KeyError::OtherKind { found: pem.label.to_lowercase(), wanted });
    }
    let bytes = pem.bytes.strip_prefix(der).and_then(|bytes| bytes.try_into().ok());
    Ok((pem.comment, bytes.ok_or(KeyError::NotEd25519)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The pair of RFC 8410, section 10, as any other tool writes it.
    const SECRET: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn keys_of_other_tools_are_read_and_ours_are_written_as_theirs() {
        let secret = SecretKey::from_pem(SECRET).unwrap();
        let public = PublicKey::from_pem(PUBLIC).unwrap();
        assert_eq!(secret.public(), public);
        assert_eq!((secret.to_pem().as_str(), public.to_pem().as_str()), (SECRET, PUBLIC));
        // `openssl pkey -pubin -outform DER | sha256sum` of the same file.
        insta::assert_snapshot!(public.id(), @"a1e9156054e04fac899ae9f275132cdc07a5dbc4ea2c2ad3a1ffc6e0d253681f");
    }

    #[test]
    fn a_signature_is_the_one_of_rfc_8032() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = SecretKey::from_seed(&seed, "");
        let signature = key.sign(b"");
        assert_eq!(signature[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(key.public().verifies(b"", &signature));
    }

    #[test]
    fn what_is_no_key_is_refused_by_what_it_is() {
        let refused = |text: &str| PublicKey::from_pem(text).unwrap_err().to_string();
        insta::assert_snapshot!(refused("ssh-ed25519 AAAA"), @"it is not a key in PEM form: there is no line `-----BEGIN …-----` in it");
        insta::assert_snapshot!(refused(SECRET), @"it holds a private key, and a public key belongs here");
        let rsa = Pem { comment: String::new(), label: PUBLIC_LABEL.to_owned(), bytes: vec![0x30; 162] }.write();
        insta::assert_snapshot!(refused(&rsa), @"it is no ed25519 key; `orion-kit key new` makes one, and so does `openssl genpkey -algorithm ed25519`");
        let mut neutral = [0_u8; 32];
        neutral[0] = 1;
        let weak = [&PUBLIC_DER[..], &neutral].concat();
        let weak = Pem { comment: String::new(), label: PUBLIC_LABEL.to_owned(), bytes: weak }.write();
        insta::assert_snapshot!(refused(&weak), @"it is one of the few public keys that prove nothing (of small order); make another");
        let secret = SecretKey::from_pem(PUBLIC).unwrap_err().to_string();
        insta::assert_snapshot!(secret, @"it holds a public key, and a secret key belongs here");
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let key = SecretKey::from_pem(SECRET).unwrap();
        assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", key.public().id()));
    }

    proptest! {
        #[test]
        fn only_this_key_and_this_message_make_this_signature(
            seed in any::<[u8; 32]>(), other in any::<[u8; 32]>(), message in any::<Vec<u8>>(), at in 0..64_usize, flip in 1..=255_u8
        ) {
            prop_assume!(seed != other);
            let key = SecretKey::from_seed(&seed, "one");
            let read = SecretKey::from_pem(&key.to_pem()).unwrap();
            let signature = read.sign(&message);
            let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
            prop_assert_eq!(public.comment(), "one");
            prop_assert!(public.verifies(&message, &signature));
            let stranger = SecretKey::from_seed(&other, "").public();
            prop_assert!(!stranger.verifies(&message, &signature) && stranger.id() != public.id());
            let more = [&message[..], b"!"].concat();
            prop_assert!(!public.verifies(&more, &signature));
            let mut bent = signature;
            bent[at] ^= flip;
            prop_assert!(!public.verifies(&message, &bent));
        }
    }
}
