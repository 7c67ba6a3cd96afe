//! `orion doctor`: what keeps `orion run` from working with these settings, found by somebody who changes nothing.
//!
//! Each check is about one thing that a start needs or that a running Orion may lack. It goes through all of them, also where one
//! fails: a person who mends a deployment wants to hear everything at once.

mod folders;
mod interface;
mod servers;
mod store;

use orion_confine::Kernel;
use orion_model::Timestamp;
use serde_json::json;

use crate::arguments::Confinement;
use crate::cli::{Failure, RunArgs};
use crate::finding::{Check, Fault, Verdict, counted};
use crate::settings::Settings;

/// Looks at everything.
pub fn examine(args: &RunArgs, settings: &Settings, now: Timestamp) -> Result<Vec<Check>, Failure> {
    let memory = args.data.memory_dir();
    let mut checks = vec![files(settings), secrets(args), confinement(args.confinement.confinement)];
    checks.extend([folders::plugins(args), folders::rules(args), folders::memory(&memory), folders::room(&memory)]);
    checks.extend([servers::prometheus(args)?, servers::loki(args)?, servers::redis(args)?]);
    checks.push(interface::check(args.listen.listen, args.access.tls_certificate.as_deref(), &memory));
    checks.extend(store::checks(&memory, now));
    Ok(checks)
}

/// What was found, for a person.
pub fn text(checks: &[Check]) -> String {
    let lines: String = checks.iter().map(Check::lines).collect();
    let wrong = checks.iter().filter(|check| check.verdict == Verdict::Fails).count();
    let verdict = match wrong {
        0 => "Nothing is wrong.".to_owned(),
        wrong => format!("{wrong} of {} fail.", counted(checks.len(), "check")),
    };
    format!("{lines}\n{verdict}\n")
}

/// The settings files; one with a mistake stops every command, so they are right when this is reached.
fn files(settings: &Settings) -> Check {
    let files: Vec<String> = settings.files.iter().map(|file| file.path.display().to_string()).collect();
    let said = match files.as_slice() {
        [] => "no settings file; flags, variables and defaults count".to_owned(),
        files => format!("read from {}; `orion config show` has each", files.join(", ")),
    };
    Check::of("settings", said, Vec::new(), json!({ "files": files }))
}

/// The files that hold secrets.
fn secrets(args: &RunArgs) -> Check {
    let of_prometheus = args.watch.prometheus.source(args.watch.prometheus_timeout).err();
    let of_loki = args.watch.loki.source(args.watch.loki_timeout).err();
    let of_redis = args.deployment.settings(&args.data.data).err();
    let of_trail = args.keep.settings(args.agent.agent).err();
    let of_interface = args.access.check(args.listen.listen).err();
    let of_hooks = args.hooks.read(args.listen.listen).err();
    let of_agent = args.agent.check(&args.deployment, args.access.allow_plaintext).err();
    let failures: Vec<Fault> = [of_agent, of_prometheus, of_loki, of_redis, of_trail, of_interface, of_hooks]
        .into_iter()
        .flatten()
        .map(|failure| Fault::new(failure.to_string(), "a start would end here with the same words"))
        .collect();
    Check::of("secrets", "what addresses and files of secrets say can be used".to_owned(), failures, json!({}))
}

fn confinement(asked: Confinement) -> Check {
    const NAME: &str = "confinement";
    let kernel = Kernel::ask();
    let missing: Vec<String> = kernel.missing().iter().map(ToString::to_string).collect();
    let facts = json!({ "landlock_abi": kernel.landlock_abi(), "missing": missing });
    match asked {
        Confinement::Off => Check::not_seen(NAME, "turned off: --confinement off".to_owned(), facts),
        Confinement::Auto if !missing.is_empty() => {
            Check::of(NAME, format!("less than all of it: {}", missing.join("; ")), Vec::new(), facts)
        }
        Confinement::Auto | Confinement::Require => {
            let mend = "a newer kernel, or --confinement auto, which takes what there is and says what is missing";
            let failures = missing.iter().map(|what| Fault::new(what.clone(), mend)).collect();
            Check::of(NAME, "the kernel can all of it".to_owned(), failures, facts)
        }
    }
}
