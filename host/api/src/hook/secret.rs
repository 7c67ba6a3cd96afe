//! What who delivers has to know, and how it shows that it does: as a bearer, as the password of a user, or by signing.

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orion_model::Timestamp;
use ring::hmac;

/// The header of a signature: `t=SECONDS,v1=HEX`.
pub(crate) const SIGNATURE: &str = "x-signature";

/// Bytes of a secret: fewer can be found by trying, and more is no secret but some other file.
const MIN_SECRET_BYTES: usize = 16;
const MAX_SECRET_BYTES: usize = 4 * 1024;

/// How far the time of a signature may be from that of who checks it, either way: clocks differ, and deliveries are tried again. Within
/// it the log knows a replay by its records; beyond it nothing has to be known.
const SIGNED_MILLIS: i64 = 300_000;

/// Signatures of one delivery: by a secret and by the one that takes its place.
const MAX_SIGNATURES: usize = 4;

/// A secret. It is never shown.
#[derive(Clone)]
pub struct Secret {
    key: hmac::Key,
    /// Compared in a time that says nothing of how much is right.
    hash: blake3::Hash,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

/// Bytes that are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it has {0} bytes, and a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES}: `openssl rand -hex 32` makes one"
)]
pub struct BadSecret(usize);

impl Secret {
    /// Of what a file holds, without the line's end.
    pub fn of(bytes: &[u8]) -> Result<Self, BadSecret> {
        let secret = bytes.trim_ascii_end();
        if !(MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&secret.len()) {
            return Err(BadSecret(secret.len()));
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), hash: blake3::hash(secret) })
    }

    fn is(&self, said: &[u8]) -> bool {
        blake3::hash(said) == self.hash
    }

    /// The signature that holds, if one does.
    pub(crate) fn signature(&self, signed: &Signed, body: &[u8]) -> Option<Vec<u8>> {
        let message = [signed.seconds.as_bytes(), b".", body].concat();
        signed.signatures.iter().find(|tag| hmac::verify(&self.key, &message, tag).is_ok()).cloned()
    }
}

/// What a header says of a signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// As it is written, because it is signed so.
    seconds: String,
    signatures: Vec<Vec<u8>>,
}

/// What the head of a delivery shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing.
    Nothing,
    /// The secret itself.
    Known,
    /// A signature, which holds or not when the body is there.
    Signed(Signed),
    /// Something that does not hold.
    Wrong(&'static str),
}

/// What is shown. Where it has to be signed, nothing else counts.
pub(crate) fn shown(secret: &Secret, headers: &HeaderMap, must_sign: bool, now: Timestamp) -> Shown {
    if let Some(signature) = headers.get(SIGNATURE) {
        return match signature.to_str().ok().and_then(signed) {
            None => Shown::Wrong("`X-Signature` has to be `t=SECONDS,v1=HEX`"),
            Some((at, _)) if now.millis_since(at).saturating_abs() > SIGNED_MILLIS => Shown::Wrong(
                "the signature is of another time: five minutes away at most from the clock of Orion's host",
            ),
            Some((_, signed)) => Shown::Signed(signed),
        };
    }
    if must_sign {
        return Shown::Nothing;
    }
    let Some(said) = headers.get(header::AUTHORIZATION) else { return Shown::Nothing };
    match said.to_str().ok().and_then(credential) {
        Some(said) if secret.is(&said) => Shown::Known,
        _ => Shown::Wrong("the secret does not hold"),
    }
}

/// What follows `Bearer`, or the password that is behind `Basic`.
fn credential(said: &str) -> Option<Vec<u8>> {
    let (scheme, said) = said.split_once(' ')?;
    let said = said.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(said.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(said).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

fn signed(text: &str) -> Option<(Timestamp, Signed)> {
    let (mut seconds, mut signatures) = (None, Vec::new());
    for part in text.split(',') {
        match part.trim().split_once('=')? {
            ("t", said) if seconds.is_none() => seconds = Some(said),
            ("v1", hex) if signatures.len() < MAX_SIGNATURES => signatures.push(bytes_of(hex)?),
            ("t" | "v1", _) => return None,
            // Of another scheme, and for somebody else.
            _ => {}
        }
    }
    let seconds = seconds.filter(|_| !signatures.is_empty())?;
    let at = Timestamp::from_millis(seconds.parse::<u32>().map(i64::from).ok()?.saturating_mul(1_000));
    Some((at, Signed { seconds: seconds.to_owned(), signatures }))
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a secret of sixteen bytes and more\n";
    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// `printf '1700000000.{}' | openssl dgst -sha256 -hmac 'a secret of sixteen bytes and more'`
    const SIGNATURE_OF_BRACES: &str = "62c269dd3c48fcad08e98e89d2e3c7be1472c7d361bd82f6ed32f4ef6246de85";

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let name = axum::http::HeaderName::from_static(name);
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn at(seconds: i64) -> Shown {
        let secret = Secret::of(KEY).unwrap();
        let now = NOW.plus_millis(seconds * 1_000);
        shown(&secret, &headers(SIGNATURE, &format!("t=1700000000,v1={SIGNATURE_OF_BRACES}")), true, now)
    }

    #[test]
    fn a_signature_as_openssl_makes_it_holds_and_holds_for_nothing_else() {
        let secret = Secret::of(KEY).unwrap();
        let Shown::Signed(signed) = at(0) else { panic!() };
        assert!(secret.signature(&signed, b"{}").is_some());
        assert!(secret.signature(&signed, b"{ }").is_none());
        assert!(Secret::of(b"another secret of enough bytes").unwrap().signature(&signed, b"{}").is_none());
        let later = Signed { seconds: "1700000001".to_owned(), ..signed };
        assert!(secret.signature(&later, b"{}").is_none(), "the time is signed, too");
    }

    #[test]
    fn a_signature_counts_for_five_minutes_and_not_a_second_longer() {
        for seconds in [-300, 0, 300] {
            assert!(matches!(at(seconds), Shown::Signed(_)), "{seconds}");
        }
        for seconds in [-301, 301] {
            assert!(matches!(at(seconds), Shown::Wrong(_)), "{seconds}");
        }
    }

    #[test]
    fn what_is_no_signature_is_wrong_and_another_scheme_beside_one_is_left_alone() {
        let secret = Secret::of(KEY).unwrap();
        let shown = |text: &str| shown(&secret, &headers(SIGNATURE, text), false, NOW);
        for wrong in [
            "",
            "t=1700000000",
            "v1=00",
            "t=1700000000,v1=0",
            "t=1700000000,v1=zz",
            "t=x,v1=00",
            "t=1,t=1,v1=00",
            "t=-1,v1=00",
        ] {
            assert!(matches!(shown(wrong), Shown::Wrong(_)), "{wrong}");
        }
        let many = |count: usize| format!("t=1700000000{}", ",v1=00".repeat(count));
        assert!(matches!(shown(&many(MAX_SIGNATURES)), Shown::Signed(_)));
        assert!(matches!(shown(&many(MAX_SIGNATURES + 1)), Shown::Wrong(_)));
        assert!(matches!(shown("t=1700000000, v0=7, v1=00"), Shown::Signed(_)));
    }

    #[test]
    fn a_bearer_or_a_password_is_enough_where_nothing_has_to_be_signed() {
        let secret = Secret::of(KEY).unwrap();
        let word = "a secret of sixteen bytes and more";
        let bearer = format!("Bearer {word}");
        let basic = format!("Basic {}", STANDARD.encode(format!("alertmanager:{word}")));
        for right in [bearer.as_str(), &basic] {
            assert_eq!(shown(&secret, &headers("authorization", right), false, NOW), Shown::Known);
            assert_eq!(shown(&secret, &headers("authorization", right), true, NOW), Shown::Nothing);
        }
        for wrong in ["Bearer a secret of sixteen bytes and mor", "Bearer ", "Basic x", "Digest y", "x"] {
            assert!(matches!(shown(&secret, &headers("authorization", wrong), false, NOW), Shown::Wrong(_)), "{wrong}");
        }
        assert_eq!(shown(&secret, &HeaderMap::new(), false, NOW), Shown::Nothing);
    }

    #[test]
    fn a_secret_has_so_many_bytes_and_is_never_shown() {
        let of = |bytes: usize| Secret::of(&vec![b'x'; bytes]).map(drop);
        assert_eq!([of(MIN_SECRET_BYTES), of(MAX_SECRET_BYTES)], [Ok(()), Ok(())]);
        for bytes in [0, MIN_SECRET_BYTES - 1, MAX_SECRET_BYTES + 1] {
            assert_eq!(of(bytes), Err(BadSecret(bytes)));
        }
        assert_eq!(format!("{:?}", Secret::of(KEY).unwrap()), "a secret");
    }
}
