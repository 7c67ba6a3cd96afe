//! How `orion-kit key`, `sign`, `lock` and `token` behave: what they write, what they refuse, and what they say.
#![expect(clippy::disallowed_types, reason = "these tests start the binary; none of it is deployed")]
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/toolchains.rs"]
mod toolchains;

use std::os::unix::fs::PermissionsExt;

use desk::Desk;
use orion_trust::{Gate, PublicKey};
use serde_json::Value;

impl Desk {
    fn plugin(&self, file: &str, standard: &str) {
        let plugin = orion_standard_plugins::STANDARD.iter().find(|plugin| plugin.name == standard).unwrap();
        self.write(&format!("plugins/{file}"), plugin.component);
    }

    /// What the command says, on both streams.
    fn kit(&self, arguments: &[&str], code: i32) -> String {
        self.said(arguments, code).concat()
    }

    fn passes(&self, file: &str) -> Result<bool, String> {
        let gate = Gate::read(&self.path("plugins"), Some(&self.path("keys")));
        let digest = orion_pipeline::library::digest_of(&std::fs::read(self.path("plugins").join(file)).unwrap());
        gate.vet(file, digest, None).map(|proof| proof.locked)
    }
}

/// Runs of hexadecimal digits that are as long as a digest.
fn steady(text: &str) -> String {
    const DIGITS: usize = 64;
    let mut steady = String::new();
    let mut run = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_hexdigit() {
            run.push(character);
            continue;
        }
        steady.push_str(if run.len() == DIGITS { "HEX" } else { &run });
        run.clear();
        steady.push(character);
    }
    steady
}

#[test]
fn a_new_pair_is_for_its_owner_alone_and_is_not_written_over() {
    let desk = Desk::new();
    insta::assert_snapshot!(steady(&desk.kit(&["key", "new", "operator", "--comment", "the operator's"], 0)), @r"
    key      HEX
    secret   operator.key (keep it to yourself; it signs)
    public   operator.pub (goes into the folder that --trusted-keys names)
    ");
    let secret = std::fs::read_to_string(desk.path("operator.key")).unwrap();
    let mode = std::fs::metadata(desk.path("operator.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(secret.starts_with("the operator's\n-----BEGIN PRIVATE KEY-----\n"), "{}", secret.lines().next().unwrap());
    insta::assert_snapshot!(desk.kit(&["key", "new", "operator"], 3), @"orion-kit: operator.key is there already and is not written over: what it signed could never be signed again; choose another name");
    assert_eq!(std::fs::read_to_string(desk.path("operator.key")).unwrap(), secret);
    std::fs::remove_file(desk.path("operator.key")).unwrap();
    assert!(desk.kit(&["key", "new", "operator"], 3).contains("operator.pub is there already"));
    assert!(!desk.path("operator.key").exists());
}

#[test]
fn both_halves_of_a_pair_show_the_public_one_and_never_the_secret() {
    let desk = Desk::new();
    desk.kit(&["key", "new", "operator"], 0);
    let public = PublicKey::load(&desk.path("operator.pub")).unwrap();
    for (file, kind) in [("operator.key", "secret"), ("operator.pub", "public")] {
        let shown: Value = serde_json::from_str(&desk.kit(&["key", "show", file, "--output", "json"], 0)).unwrap();
        assert_eq!((shown["id"].as_str(), shown["kind"].as_str()), (Some(&*public.id().to_string()), Some(kind)));
        assert_eq!(shown["public"], public.to_pem());
        assert!(!desk.kit(&["key", "show", file], 0).contains("PRIVATE"));
    }
    desk.write("other.pub", "ssh-ed25519 AAAA");
    insta::assert_snapshot!(desk.kit(&["key", "show", "other.pub"], 3), @"orion-kit: the key other.pub cannot be used: it is not a key in PEM form: there is no line `-----BEGIN …-----` in it");
    insta::assert_snapshot!(desk.kit(&["key", "show", "gone.pub"], 3), @"orion-kit: the key gone.pub cannot be used: No such file or directory (os error 2)");
}

#[test]
fn what_is_signed_passes_the_gate_and_another_key_is_added_to_the_first() {
    let desk = Desk::new();
    desk.plugin("mine.wasm", "threshold");
    std::fs::create_dir(desk.path("keys")).unwrap();
    for name in ["one", "two"] {
        desk.kit(&["key", "new", name], 0);
    }
    let trust = |name: &str| std::fs::copy(desk.path(&format!("{name}.pub")), desk.path("keys/trusted.pub")).unwrap();
    let said = desk.kit(&["sign", "plugins/mine.wasm", "--key", "one.key"], 0);
    insta::assert_snapshot!(steady(&said), @r"
    signed   threshold 1.0.0
    digest   sha256:HEX
    imports  orion:plugin/findings@1.0.0#emit
    key      HEX
    written  plugins/mine.wasm.sig
    ");
    trust("one");
    assert_eq!(desk.passes("mine.wasm"), Ok(false));
    trust("two");
    assert!(desk.passes("mine.wasm").is_err());
    desk.kit(&["sign", "plugins/mine.wasm", "--key", "two.key"], 0);
    assert_eq!(desk.passes("mine.wasm"), Ok(false));
    trust("one");
    assert_eq!(desk.passes("mine.wasm"), Ok(false));
    // A new version needs all signatures anew.
    desk.plugin("mine.wasm", "absence");
    desk.kit(&["sign", "plugins/mine.wasm", "--key", "two.key"], 0);
    assert!(desk.passes("mine.wasm").is_err());
}

#[test]
fn what_is_no_plugin_or_no_secret_key_is_not_signed() {
    let desk = Desk::new();
    desk.plugin("mine.wasm", "threshold");
    desk.kit(&["key", "new", "one"], 0);
    insta::assert_snapshot!(desk.kit(&["sign", "plugins/mine.wasm", "--key", "one.pub"], 3), @"orion-kit: the key one.pub cannot be used: it holds a public key, and a secret key belongs here");
    insta::assert_snapshot!(desk.kit(&["sign", "one.key", "--key", "one.key"], 2), @"orion-kit: one.key is no plugin: the file is not WebAssembly");
    insta::assert_snapshot!(desk.kit(&["sign", "gone.wasm", "--key", "one.key"], 3), @"orion-kit: gone.wasm cannot be read: No such file or directory (os error 2)");
}

#[test]
fn a_lock_holds_what_the_folder_holds_and_says_what_has_changed() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("keys")).unwrap();
    desk.plugin("a.wasm", "threshold");
    desk.plugin("b.wasm", "absence");
    insta::assert_snapshot!(steady(&desk.kit(&["lock", "plugins", "--check"], 1)), @r"
    added     a.wasm: threshold 1.0.0 sha256:HEX
    added     b.wasm: absence 1.0.0 sha256:HEX
    checked   plugins/plugins.lock: 2 plugins
    ");
    assert!(!desk.path("plugins/plugins.lock").exists());
    desk.kit(&["lock", "plugins"], 0);
    insta::assert_snapshot!(steady(&std::fs::read_to_string(desk.path("plugins/plugins.lock")).unwrap()), @r#"
    # The plugin files of this folder. Made by orion-kit lock.
    version = 1

    [[plugin]]
    file = "a.wasm"
    name = "threshold"
    version = "1.0.0"
    digest = "sha256:HEX"

    [[plugin]]
    file = "b.wasm"
    name = "absence"
    version = "1.0.0"
    digest = "sha256:HEX"
    "#);
    insta::assert_snapshot!(desk.kit(&["lock", "plugins", "--check"], 0), @"checked   plugins/plugins.lock: 2 plugins");
    std::fs::remove_file(desk.path("plugins/b.wasm")).unwrap();
    desk.plugin("a.wasm", "flatline");
    desk.plugin("c.wasm", "absence");
    insta::assert_snapshot!(steady(&desk.kit(&["lock", "plugins"], 0)), @r"
    changed   a.wasm: threshold 1.0.0 sha256:HEX → flatline 1.0.0 sha256:HEX
    removed   b.wasm: absence 1.0.0 sha256:HEX
    added     c.wasm: absence 1.0.0 sha256:HEX
    written   plugins/plugins.lock: 2 plugins
    ");
    let json: Value = serde_json::from_str(&desk.kit(&["lock", "plugins", "--check", "--output", "json"], 0)).unwrap();
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(0));
    desk.write("plugins/d.wasm", "x");
    insta::assert_snapshot!(desk.kit(&["lock", "plugins"], 2), @"orion-kit: plugins/d.wasm is no plugin: the file is not WebAssembly");
    desk.write("plugins/plugins.lock", "x");
    insta::assert_snapshot!(desk.kit(&["lock", "plugins"], 3), @"orion-kit: plugins/plugins.lock cannot be compared with: it is not as `orion-kit lock` writes it: key with no value, expected `=`; remove it, look at every plugin of the folder, and lock anew");
}

#[test]
fn a_token_says_who_what_and_how_long_and_the_public_key_vouches_for_it() {
    use base64::Engine;
    let decode = |part: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    let desk = Desk::new();
    desk.kit(&["key", "new", "issuer"], 0);
    let token = desk.kit(&["token", "--key", "issuer.key", "--subject", "ada", "--role", "admin", "--for", "1h"], 0);
    let (signed, signature) = token.trim_end().rsplit_once('.').unwrap();
    let key = PublicKey::load(&desk.path("issuer.pub")).unwrap();
    assert!(key.verifies(signed.as_bytes(), &decode(signature).try_into().unwrap()));
    let claims: Value = serde_json::from_slice(&decode(signed.split('.').nth(1).unwrap())).unwrap();
    let lasts = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    let says = [&claims["sub"], &claims["aud"], &claims["role"]].map(|claim| claim.as_str().unwrap());
    assert_eq!((says, lasts), (["ada", "orion", "admin"], 3_600));
    desk.kit(&["token", "--key", "issuer.key", "--subject", "ada", "--for", "0s"], 3);
    desk.kit(&["token", "--key", "issuer.pub", "--subject", "ada", "--for", "1h"], 3);
}
