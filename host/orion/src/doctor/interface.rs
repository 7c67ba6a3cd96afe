//! The HTTP interface: whether its address can be had, or who has it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use orion_api::{Listen, ListenError};
use orion_bus::{Ownership, ownership};
use serde_json::json;

use crate::finding::{Check, Fault};
use crate::itself::Itself;

const NAME: &str = "interface";

/// How long an Orion that runs has to answer; a supervisor has no more patience.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Whether a start could serve there. To find out it serves there for a moment, and answers nobody.
pub fn check(listen: Listen, certificate: Option<&Path>, memory: &Path) -> Check {
    let Listen::At(address) = listen else {
        return Check::not_seen(NAME, "nothing is served: --listen none".to_owned(), json!({}));
    };
    let facts = json!({ "address": address.to_string() });
    let runs = !matches!(ownership(memory), Ok(Ownership::Nobody) | Err(_));
    match listen.open() {
        Ok(_) if runs => {
            let said = format!("{address} is free: the Orion that runs serves elsewhere, or nothing");
            Check::not_seen(NAME, said, facts)
        }
        Ok(_) => Check::of(NAME, format!("{address} is free"), Vec::new(), facts),
        Err(ListenError::InUse { .. }) if runs => running(address, certificate),
        Err(why) => {
            let mend = "a start would end here with the same words";
            Check::of(NAME, String::new(), vec![Fault::new(why.to_string(), mend)], facts)
        }
    }
}

/// What the Orion that runs says of itself.
fn running(address: SocketAddr, certificate: Option<&Path>) -> Check {
    let facts = json!({ "address": address.to_string() });
    let orion = match Itself::at(address, certificate, ANSWERS_WITHIN) {
        Ok(orion) => orion,
        // What is wrong with the certificate is said where secrets are looked at.
        Err(why) => return Check::not_seen(NAME, format!("what has {address} is not asked: {why}"), facts),
    };
    match orion.ask("/-/ready") {
        Ok((true, _)) => Check::of(NAME, format!("Orion answers at {address} and is ready"), Vec::new(), facts),
        Ok((false, said)) if said.trim().is_empty() => {
            let why = format!("what has {address} answers nothing that can be read here, as one that speaks TLS does");
            Check::not_seen(NAME, why, facts)
        }
        Ok((false, said)) => {
            let words: Vec<&str> = said.split_whitespace().collect();
            let mend = "the check of that part, in this list, says what to do; `/health` tells of all parts";
            Check::of(
                NAME,
                String::new(),
                vec![Fault::new(format!("{address} says: {}", words.join(" ")), mend)],
                facts,
            )
        }
        Err(why) => {
            let mend = "if it stays so: `systemctl restart orion`, or what restarts its container; its log says what it waits for";
            let what = format!("what has {address} does not answer: {why}");
            Check::of(NAME, String::new(), vec![Fault::new(what, mend)], facts)
        }
    }
}
