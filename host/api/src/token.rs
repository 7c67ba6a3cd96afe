//! Tokens: who asks, and what that one may. JSON Web Tokens (RFC 7519) that are signed with ed25519 and in no other way.
//!
//! One algorithm, so that no token can choose a weaker one; and one that has two keys, so that a host holds nothing with which
//! tokens can be made. Who issues them keeps the secret key elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orion_model::Timestamp;
use orion_trust::Keyring;
use serde::Deserialize;

/// A token is a few hundred bytes.
const MAX_BYTES: usize = 4 * 1024;

/// The longest name of a bearer.
const MAX_SUBJECT_BYTES: usize = 128;

/// Whom tokens are for: one that was made for another program with the same key is none here.
const AUDIENCE: &str = "orion";

/// How far the clocks of two machines may lie apart.
const LEEWAY_MILLIS: i64 = 30_000;

/// What a bearer may. Each may what those before it may; an agent may nothing of what they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Fetch rules, and post what the agent of this name saw.
    Agent,
    /// Read.
    Viewer,
    /// And ask for work that changes nothing of what is observed.
    Operator,
    /// And change what runs.
    Admin,
}

/// A token that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) subject: String,
    pub(crate) role: Role,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("it is no token: three parts in base64, joined by dots, of at most {MAX_BYTES} bytes")]
    Malformed,
    #[error("it has to be signed with ed25519 (alg EdDSA), without extensions")]
    Algorithm,
    #[error("none of the keys of this host vouches for it")]
    Signature,
    #[error(
        "it has to say `aud` \"orion\", a `sub` of at most {MAX_SUBJECT_BYTES} bytes, an `exp`, and a `role`: agent, viewer, operator or admin"
    )]
    Claims,
    #[error("it has expired, or does not hold yet")]
    Time,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that have to be understood. There are none that are.
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    role: Role,
    exp: i64,
    nbf: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

/// Checks a token. What it says is looked at only once a key vouches for it.
pub(crate) fn check(token: &str, keys: &Keyring, now: Timestamp) -> Result<Bearer, TokenError> {
    if token.len() > MAX_BYTES {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    if header.alg != "EdDSA" || header.crit.is_some() {
        return Err(TokenError::Algorithm);
    }
    let signature: [u8; 64] = signature.try_into().map_err(|_| TokenError::Malformed)?;
    if !keys.keys().any(|(_, trusted)| trusted.key.verifies(signed.as_bytes(), &signature)) {
        return Err(TokenError::Signature);
    }
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TokenError::Claims)?;
    if !claims.aud.has(AUDIENCE) || claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT_BYTES {
        return Err(TokenError::Claims);
    }
    let at = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
    let is_over = now >= at(claims.exp).plus_millis(LEEWAY_MILLIS);
    let is_early = claims.nbf.is_some_and(|nbf| now < at(nbf).plus_millis(-LEEWAY_MILLIS));
    if is_over || is_early {
        return Err(TokenError::Time);
    }
    Ok(Bearer { subject: claims.sub, role: claims.role })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use orion_trust::SecretKey;
    use serde_json::{Value, json};

    const NOW: i64 = 1_800_000_000;

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32], "test")
    }

    fn ring() -> Keyring {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("test.pub"), key().public().to_pem()).unwrap();
        Keyring::read(dir.path()).unwrap()
    }

    fn token(header: &Value, claims: &Value, key: &SecretKey) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn claims() -> Value {
        json!({ "sub": "ada", "aud": "orion", "role": "viewer", "exp": NOW + 60 })
    }

    fn of(claims: &Value) -> Result<Bearer, TokenError> {
        let token = token(&json!({ "alg": "EdDSA", "typ": "JWT" }), claims, &key());
        check(&token, &ring(), Timestamp::from_millis(NOW * 1_000))
    }

    fn with(member: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[member] = value;
        claims
    }

    #[test]
    fn a_token_says_who_asks_and_what_that_one_may() {
        assert_eq!(of(&claims()).unwrap(), Bearer { subject: "ada".to_owned(), role: Role::Viewer });
        assert_eq!(of(&with("role", "admin".into())).unwrap().role, Role::Admin);
        assert!(of(&with("aud", json!(["other", "orion"]))).is_ok());
        assert!(Role::Agent < Role::Viewer && Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
    }

    #[test]
    fn a_token_holds_for_its_time_and_the_leeway_and_no_longer() {
        let leeway = LEEWAY_MILLIS / 1_000;
        for (claims, holds) in [
            (with("exp", (NOW - leeway + 1).into()), true),
            (with("exp", (NOW - leeway).into()), false),
            (with("nbf", (NOW + leeway).into()), true),
            (with("nbf", (NOW + leeway + 1).into()), false),
            (with("exp", i64::MAX.into()), true),
            (with("exp", i64::MIN.into()), false),
        ] {
            assert_eq!(of(&claims).is_ok(), holds, "{claims}");
        }
    }

    #[test]
    fn what_a_token_has_to_say_it_has_to_say() {
        for wrong in [
            with("aud", "other".into()),
            with("sub", "".into()),
            with("sub", "x".repeat(MAX_SUBJECT_BYTES + 1).into()),
            with("role", "root".into()),
            with("exp", Value::Null),
            json!({}),
            json!([]),
        ] {
            assert_eq!(of(&wrong), Err(TokenError::Claims), "{wrong}");
        }
        assert!(of(&with("sub", "x".repeat(MAX_SUBJECT_BYTES).into())).is_ok());
    }

    #[test]
    fn no_other_algorithm_and_no_other_key_will_do() {
        let now = Timestamp::from_millis(NOW * 1_000);
        for header in [json!({ "alg": "none" }), json!({ "alg": "HS256" }), json!({ "alg": "EdDSA", "crit": ["b64"] })]
        {
            assert_eq!(check(&token(&header, &claims(), &key()), &ring(), now), Err(TokenError::Algorithm), "{header}");
        }
        let other = SecretKey::from_seed(&[8; 32], "other");
        let forged = token(&json!({ "alg": "EdDSA" }), &claims(), &other);
        assert_eq!(check(&forged, &ring(), now), Err(TokenError::Signature));
        let honest = token(&json!({ "alg": "EdDSA" }), &claims(), &key());
        assert!(check(&honest, &ring(), now).is_ok());
        for at in 0..honest.len() {
            let mut changed = honest.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(check(&String::from_utf8(changed).unwrap(), &ring(), now).is_err(), "{at}");
        }
        for wrong in ["", ".", "..", "a.b", "a.b.c.d", &"x".repeat(MAX_BYTES + 1)] {
            assert!(check(wrong, &ring(), now).is_err(), "{wrong}");
        }
    }
}
