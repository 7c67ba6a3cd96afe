//! `orion-kit token`: issues a token for the HTTP interface of a host that knows the key's public part.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orion_model::Clock;
use orion_pipeline::clock::SystemClock;
use serde_json::{Value, json};

use super::key::read_secret;
use crate::cli::{Failure, TokenArgs};
use crate::command::print;

/// Prints one token, and nothing else: it is a secret until it expires.
pub fn token(args: &TokenArgs) -> Result<ExitCode, Failure> {
    let key = read_secret(&args.key)?;
    let now_seconds = SystemClock.now().as_millis().div_euclid(1_000);
    let claims = json!({
        "sub": args.subject,
        "aud": "orion",
        "role": args.role.as_str(),
        "iat": now_seconds,
        "exp": now_seconds.saturating_add(args.valid_for / 1_000),
    });
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": key.public().id() });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    print(&format!("{signed}.{signature}\n"))?;
    Ok(ExitCode::SUCCESS)
}
