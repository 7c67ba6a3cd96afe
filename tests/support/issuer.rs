//! Somebody who issues tokens, and deployments that know the public key.

use serde_json::{Value, json};

use super::Deployment;

/// The year 2100, in seconds.
const FAR_AWAY: i64 = 4_102_444_800;

fn key() -> orion_trust::SecretKey {
    orion_trust::SecretKey::from_seed(&[7; 32], "issuer")
}

/// Puts the issuer's keys into a deployment: the public one into `token-keys`, the secret one beside it.
pub fn known_to(deployment: &Deployment) {
    std::fs::create_dir(deployment.path("token-keys")).unwrap();
    std::fs::write(deployment.path("issuer.key"), key().to_pem()).unwrap();
    std::fs::write(deployment.path("token-keys/issuer.pub"), key().public().to_pem()).unwrap();
}

/// A token as an issuer signs it.
pub fn token(claims: &Value) -> String {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(br#"{"alg":"EdDSA"}"#), encode(claims.to_string().as_bytes()));
    format!("{signed}.{}", encode(&key().sign(signed.as_bytes())))
}

/// A token of somebody with a role.
pub fn token_of(subject: &str, role: &str) -> String {
    token(&json!({ "sub": subject, "aud": "orion", "role": role, "exp": FAR_AWAY }))
}
