//! The Dockerfile, as the parser that image builders use reads it.

use serde_json::{Value, json};

use super::{repository, taken, tool};

/// Its instructions: name, flags, words.
fn instructions() -> Vec<(String, Vec<String>, Vec<String>)> {
    let parse = "import dockerfile, json, sys; print(json.dumps([[c.cmd, c.flags, c.value] for c in dockerfile.parse_file(sys.argv[1])]))";
    let printed = taken(tool("python3").args(["-c", parse]).arg(repository("deploy/docker/Dockerfile")));
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn the_image_holds_the_static_binary_alone_and_runs_as_a_user_without_rights() {
    let all = instructions();
    let last_stage = all.iter().rposition(|(name, ..)| name.eq_ignore_ascii_case("from")).unwrap();
    assert_eq!(all[last_stage].2, ["scratch"], "no shell, no package, no library");
    let of = |name: &str| -> Vec<&Vec<String>> {
        let stage = all[last_stage..].iter().filter(|it| it.0.eq_ignore_ascii_case(name));
        stage.map(|(_, _, words)| words).collect()
    };
    assert_eq!(of("user"), [&["65532:65532"]]);
    assert_eq!(of("volume"), [&["/var/lib/orion"]], "the one place that is written to");
    assert_eq!(of("entrypoint"), [&["/usr/bin/orion"]]);
    // There is no shell that could take it apart.
    assert_eq!(of("healthcheck"), [&["CMD", "/usr/bin/orion", "healthcheck"]]);
    assert!(of("run").is_empty());
    let built = all[..last_stage].iter().any(|(name, _, words)| {
        name.eq_ignore_ascii_case("run")
            && words.iter().any(|word| word.contains("cargo xtask static /out/usr/bin/orion"))
    });
    assert!(built, "what is checked is what is built: {}", Value::from_iter(all.iter().map(|(name, ..)| json!(name))));
}
