//! `NAME.wasm.sig`, beside a plugin: who stands behind its bytes.
//!
//! What is signed is a text of two lines, [`signed_text`]. Its first line keeps this use of a key apart from every other:
//! a signature of anything else can never pass for one of a plugin. The digest covers the manifest inside the component, and with
//! it name and version.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orion_model::Digest;
use serde::Deserialize;

use crate::key::{KeyId, SecretKey};
use crate::keyring::{Keyring, TrustedKey};
use crate::text;

/// What a signature file's name adds to that of the plugin file.
pub const SIGNATURE_SUFFIX: &str = ".sig";

/// Most that is read of a signature file.
const MAX_SIGNATURE_FILE_BYTES: u64 = 64 * 1024;

/// Most signatures of one file: several keys while one takes the place of another, and no more.
const MAX_SIGNATURES: usize = 64;

const SIGNED: &str = "orion plugin v1\n";

/// The bytes that are signed for a plugin file with this digest. In a shell:
/// `printf 'orion plugin v1\nsha256:%s\n' "$(sha256sum above.wasm | cut -c 1-64)"`.
pub fn signed_text(digest: Digest) -> String {
    format!("{SIGNED}{}\n", text::shown(digest))
}

/// Why a signature file does not vouch for a plugin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Not a signature file.
    #[error("it is not as `orion-kit sign` writes it: {0}")]
    Malformed(String),
    /// Made for other bytes.
    #[error("it was made for {}, and the file is {}: one of the two was changed or exchanged", text::shown(*signed), text::shown(*found))]
    OtherBytes {
        /// What was signed.
        signed: Digest,
        /// What the file is.
        found: Digest,
    },
    /// Nobody who is trusted.
    #[error("it is signed by {signed_by}, and {trusted}")]
    NotTrusted {
        /// Who signed.
        signed_by: String,
        /// Who is trusted.
        trusted: String,
    },
    /// Made by no key, whatever it says.
    #[error("the signature that says it is of the key {file} ({id}) is not: it is damaged or forged")]
    Forged {
        /// The key's file.
        file: String,
        /// The key.
        id: String,
    },
}

/// The signatures of one plugin file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFile {
    digest: Digest,
    signatures: BTreeMap<KeyId, [u8; 64]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    digest: String,
    #[serde(default)]
    signature: Vec<WrittenSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSignature {
    key: String,
    value: String,
}

impl SignatureFile {
    /// For a plugin file, without a signature yet.
    pub fn of(digest: Digest) -> Self {
        Self { digest, signatures: BTreeMap::new() }
    }

    /// Adds this key's signature.
    pub fn sign(&mut self, key: &SecretKey) {
        self.signatures.insert(key.public().id(), key.sign(signed_text(self.digest).as_bytes()));
    }

    /// The keys that it says have signed.
    pub fn signers(&self) -> impl Iterator<Item = &KeyId> {
        self.signatures.keys()
    }

    /// What it was made for.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The text of a signature file, not looked at yet. The error is a reason, without the file's name.
    pub(crate) fn load_text(path: &Path) -> Result<String, String> {
        text::read_text(path, MAX_SIGNATURE_FILE_BYTES)
    }

    /// Reads a signature file. The error is a reason, without the file's name.
    pub fn load(path: &Path) -> Result<Self, String> {
        Self::read(&Self::load_text(path)?).map_err(|error| error.to_string())
    }

    /// Reads the text of a signature file.
    pub fn read(written: &str) -> Result<Self, SignatureError> {
        let malformed = |why: String| SignatureError::Malformed(why);
        let written: Written = toml::from_str(written).map_err(|error| malformed(error.message().to_owned()))?;
        let digest = text::digest(&written.digest).map_err(malformed)?;
        if written.signature.len() > MAX_SIGNATURES {
            return Err(malformed(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        let mut file = Self::of(digest);
        for signature in written.signature {
            let id: KeyId = signature.key.parse().map_err(malformed)?;
            let bytes = STANDARD.decode(&signature.value).ok().and_then(|bytes| bytes.try_into().ok());
            let bytes = bytes.ok_or_else(|| malformed("a signature is 64 bytes in base64".to_owned()))?;
            file.signatures.insert(id, bytes);
        }
        Ok(file)
    }

    /// The file as text.
    pub fn write(&self) -> String {
        let mut text = format!("# Made by orion-kit sign.\ndigest = \"{}\"\n", text::shown(self.digest));
        for (id, bytes) in &self.signatures {
            text.push_str(&format!("\n[[signature]]\nkey = \"{id}\"\nvalue = \"{}\"\n", STANDARD.encode(bytes)));
        }
        text
    }

    /// The trusted key that stands behind a plugin file with this digest.
    pub fn vouches<'k>(&self, found: Digest, trusted: &'k Keyring) -> Result<&'k TrustedKey, SignatureError> {
        if self.digest != found {
            return Err(SignatureError::OtherBytes { signed: self.digest, found });
        }
        let signed = signed_text(found);
        let mut forged = None;
        for (id, bytes) in &self.signatures {
            let Some(key) = trusted.get(id) else { continue };
            if key.key.verifies(signed.as_bytes(), bytes) {
                return Ok(key);
            }
            forged = Some(SignatureError::Forged { file: key.file.clone(), id: id.short() });
        }
        Err(forged.unwrap_or_else(|| self.nobody_trusted(trusted)))
    }

    fn nobody_trusted(&self, trusted: &Keyring) -> SignatureError {
        let ids: Vec<String> = self.signatures.keys().map(|id| format!("key {}", id.short())).collect();
        let signed_by = if ids.is_empty() { "nobody".to_owned() } else { ids.join(" and ") };
        let dir = trusted.dir().display();
        let trusted = if trusted.is_empty() {
            format!("there is no key (*.pub) in {dir}")
        } else {
            format!("no key in {dir} is that")
        };
        SignatureError::NotTrusted { signed_by, trusted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(number: u8) -> SecretKey {
        SecretKey::from_seed(&[number; 32], &format!("key {number}"))
    }

    fn trusting(numbers: &[u8]) -> Keyring {
        let dir = tempfile::tempdir().unwrap();
        for number in numbers {
            std::fs::write(dir.path().join(format!("{number}.pub")), key(*number).public().to_pem()).unwrap();
        }
        Keyring::read(dir.path()).unwrap()
    }

    fn signed(digest: Digest, numbers: &[u8]) -> SignatureFile {
        let mut file = SignatureFile::of(digest);
        numbers.iter().for_each(|number| file.sign(&key(*number)));
        file
    }

    const ONE: Digest = Digest::from_bytes([1; 32]);
    const TWO: Digest = Digest::from_bytes([2; 32]);

    #[test]
    fn what_is_signed_and_written_is_this() {
        insta::assert_snapshot!(signed_text(ONE), @r"
        orion plugin v1
        sha256:0101010101010101010101010101010101010101010101010101010101010101
        ");
        insta::assert_snapshot!(signed(ONE, &[1]).write(), @r#"
        # Made by orion-kit sign.
        digest = "sha256:0101010101010101010101010101010101010101010101010101010101010101"

        [[signature]]
        key = "fd110d301d2f077de1414b8f99f441b1403fab207b2052fbd2c065e4ee8e7dc2"
        value = "hg812x4OTeSVImfbPB5DBfljO4ywwH+WI75L8KW2/xDkQ+gD5E2jX1Ll1iAQ90Qvq0HvrG1oifRA9tmwVFa0DA=="
        "#);
    }

    #[test]
    fn one_trusted_key_among_the_signers_is_enough() {
        let vouched = |signers: &[u8], trusted: &[u8]| {
            signed(ONE, signers).vouches(ONE, &trusting(trusted)).map(|key| key.file.clone()).ok()
        };
        assert_eq!(vouched(&[1], &[1]), Some("1.pub".to_owned()));
        assert_eq!(vouched(&[1, 2], &[2, 3]), Some("2.pub".to_owned()));
        assert_eq!(vouched(&[1], &[2]), None);
        assert_eq!(vouched(&[1], &[]), None);
        assert_eq!(vouched(&[], &[1]), None);
    }

    #[test]
    fn a_file_that_does_not_vouch_says_why() {
        let why = |file: &SignatureFile, found, trusted: &[u8]| {
            let ring = trusting(trusted);
            let why = file.vouches(found, &ring).unwrap_err().to_string();
            why.replace(&ring.dir().display().to_string(), "DIR")
        };
        insta::assert_snapshot!(why(&signed(ONE, &[1]), TWO, &[1]), @"it was made for sha256:0101010101010101010101010101010101010101010101010101010101010101, and the file is sha256:0202020202020202020202020202020202020202020202020202020202020202: one of the two was changed or exchanged");
        insta::assert_snapshot!(why(&signed(ONE, &[1]), ONE, &[2]), @"it is signed by key fd110d301d2f077d, and no key in DIR is that");
        insta::assert_snapshot!(why(&signed(ONE, &[]), ONE, &[]), @"it is signed by nobody, and there is no key (*.pub) in DIR");
        let mut forged = signed(ONE, &[1]);
        forged.signatures.insert(key(1).public().id(), key(1).sign(b"something else"));
        insta::assert_snapshot!(why(&forged, ONE, &[1]), @"the signature that says it is of the key 1.pub (fd110d301d2f077d) is not: it is damaged or forged");
    }

    #[test]
    fn so_many_signatures_are_read_and_no_more() {
        let many = |count: u8| signed(ONE, &(0..count).collect::<Vec<_>>()).write();
        assert!(SignatureFile::read(&many(64)).is_ok());
        assert!(SignatureFile::read(&many(65)).unwrap_err().to_string().ends_with("more than 64 signatures"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(digest in any::<[u8; 32]>(), signers in proptest::collection::vec(any::<u8>(), 0..5)) {
            let file = signed(Digest::from_bytes(digest), &signers);
            prop_assert_eq!(SignatureFile::read(&file.write()), Ok(file));
        }

        #[test]
        fn a_changed_byte_never_vouches_for_other_bytes(at in any::<prop::sample::Index>(), to in any::<char>()) {
            let whole = signed(ONE, &[1]).write();
            let mut chars: Vec<char> = whole.chars().collect();
            let at = at.index(chars.len());
            chars[at] = to;
            let bent: String = chars.into_iter().collect();
            if let Ok(file) = SignatureFile::read(&bent) {
                prop_assert!(file.vouches(TWO, &trusting(&[1])).is_err());
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = SignatureFile::read(&text);
        }
    }
}
