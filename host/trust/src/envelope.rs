//! An envelope around a statement: DSSE, the form that in-toto and sigstore read.
//!
//! A signature covers the statement's type and its bytes, never the JSON around them. The type at the beginning keeps this use of
//! a key apart from every other, such as signing plugins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::key::{KeyId, PublicKey, SecretKey};

/// A statement with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The statement, in base64.
    pub payload: String,
    /// Who stands behind it.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// Which key made it. Only a hint where to look: what counts is that it verifies.
    pub keyid: KeyId,
    /// The signature, in base64.
    pub sig: String,
}

impl EnvelopeSignature {
    /// What a key says to a statement of that type.
    pub fn of(payload_type: &str, payload: &[u8], key: &SecretKey) -> Self {
        let signature = key.sign(&signed_bytes(payload_type, payload));
        Self { keyid: key.public().id(), sig: STANDARD.encode(signature) }
    }

    /// Whether this key said it, of this statement and type.
    pub fn is_by(&self, key: &PublicKey, payload_type: &str, payload: &[u8]) -> bool {
        let bytes = STANDARD.decode(&self.sig).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.is_some_and(|bytes| key.verifies(&signed_bytes(payload_type, payload), &bytes))
    }
}

impl Envelope {
    /// Puts a statement into an envelope.
    pub fn seal(payload_type: &str, payload: &[u8], key: &SecretKey) -> Self {
        Self {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![EnvelopeSignature::of(payload_type, payload, key)],
        }
    }

    /// The statement, when this key stands behind it.
    pub fn open(&self, key: &PublicKey) -> Option<Vec<u8>> {
        let payload = STANDARD.decode(&self.payload).ok()?;
        let verifies = |signature: &EnvelopeSignature| signature.is_by(key, &self.payload_type, &payload);
        self.signatures.iter().any(verifies).then_some(payload)
    }
}

/// What a signature covers: DSSE's pre-authentication encoding.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_signed_is_the_example_of_the_specification() {
        let signed = signed_bytes("http://example.com/HelloWorld", b"hello world");
        assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    proptest! {
        #[test]
        fn only_this_key_opens_and_only_what_was_sealed(payload in any::<Vec<u8>>(), more in any::<u8>()) {
            let (key, other) = (SecretKey::from_seed(&[1; 32], ""), SecretKey::from_seed(&[2; 32], ""));
            let envelope = Envelope::seal("a type", &payload, &key);
            prop_assert_eq!(envelope.open(&key.public()), Some(payload.clone()));
            prop_assert_eq!(envelope.open(&other.public()), None);
            let changed = Envelope { payload: STANDARD.encode([&payload[..], &[more]].concat()), ..envelope.clone() };
            prop_assert_eq!(changed.open(&key.public()), None);
            let other_type = Envelope { payload_type: "another".to_owned(), ..envelope };
            prop_assert_eq!(other_type.open(&key.public()), None);
        }
    }
}
