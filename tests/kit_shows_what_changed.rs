//! What an author sees at work: `orion-kit dev` shows what a save changed, and `orion-kit run --source` what a Prometheus answers now.
#![expect(clippy::disallowed_types, reason = "these tests start the binary; none of it is deployed")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that meets what it does not expect has failed")]

#[path = "support/toolchains.rs"]
mod toolchains;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use orion_lab::{Prometheus, ScrapeConfig};
use orion_standard_plugins::STANDARD;
use tempfile::TempDir;

/// How long a build may take, beside other tests, before it is taken for hung.
const PATIENCE: Duration = Duration::from_secs(120);

fn kit(desk: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orion-kit"));
    command.args(arguments).current_dir(desk);
    toolchains::give(&mut command);
    command
}

/// `orion-kit dev` at work; killed when dropped.
struct Dev {
    child: Child,
    lines: Receiver<String>,
}

impl Dev {
    fn start(desk: &Path, arguments: &[&str]) -> Self {
        let mut command = kit(desk, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (heard, lines) = channel();
        hear(child.stdout.take().unwrap(), heard.clone());
        // What a compiler says goes by there.
        hear(child.stderr.take().unwrap(), heard);
        Self { child, lines }
    }

    /// All lines up to the first that has this in it.
    fn until(&self, wanted: &str) -> Vec<String> {
        let (mut lines, until) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("{wanted} was not said: {lines:#?}") };
            lines.push(line);
            if lines.last().is_some_and(|line| line.contains(wanted)) {
                return lines;
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It goes on until it is ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn hear(stream: impl Read + Send + 'static, heard: Sender<String>) {
    std::thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.for_each(|line| drop(heard.send(line)));
    });
}

/// The lines that say what is gone and what is new.
fn changes(lines: &[String]) -> Vec<&String> {
    lines.iter().filter(|line| line.starts_with("- ") || line.starts_with("+ ")).collect()
}

/// Saves as editors do: a file that is written beside its place and moved into it.
fn save(desk: &Path, file: &str, text: &str) {
    let partial: PathBuf = desk.join("partial");
    std::fs::write(&partial, text).unwrap();
    std::fs::rename(partial, desk.join(file)).unwrap();
}

#[test]
fn a_save_is_built_at_once_and_only_what_is_found_otherwise_is_shown() {
    let desk = TempDir::new().unwrap();
    let desk = desk.path();
    assert!(kit(desk, &["new", "mine", "--lang", "c"]).status().unwrap().success());
    std::fs::create_dir(desk.join("plugins")).unwrap();
    let dev = Dev::start(desk, &["dev", "mine", "--into", "plugins"]);
    let first = dev.until("2 findings in");
    assert!(first.iter().any(|line| line.starts_with("mine/mine.wasm is the detector mine")), "{first:#?}");
    assert_eq!(changes(&first).len(), 2, "{first:#?}");

    let source = std::fs::read_to_string(desk.join("mine/src/plugin.c")).unwrap();
    let edited = source.replace("is far above its mean", "is much too high");
    save(desk, "mine/src/plugin.c", &edited);
    let second = dev.until("2 findings in");
    let said = |sign: &str, what: &str| {
        changes(&second).iter().filter(|line| line.starts_with(sign) && line.contains(what)).count()
    };
    assert_eq!((said("-", "is far above its mean"), said("+", "is much too high")), (2, 2), "{second:#?}");
    assert_eq!(changes(&second).len(), 4, "{second:#?}");

    let built = std::fs::read(desk.join("plugins/mine.wasm")).unwrap();
    save(desk, "mine/src/plugin.c", &edited.replace("#include <math.h>", "#include <maths.h>"));
    let mut broken = dev.until("stays as it was");
    // Two streams: what the compiler says may be heard later.
    if !broken.iter().any(|line| line.contains("'maths.h' file not found")) {
        broken.extend(dev.until("'maths.h' file not found"));
    }
    assert!(changes(&broken).is_empty(), "{broken:#?}");
    assert_eq!(std::fs::read(desk.join("plugins/mine.wasm")).unwrap(), built, "what runs is the last that was built");

    save(desk, "mine/src/plugin.c", &edited);
    let mended = dev.until("2 findings in");
    assert!(changes(&mended).is_empty(), "what was found before the break is found again: {mended:#?}");

    std::fs::rename(desk.join("mine"), desk.join("away")).unwrap();
    let away = dev.until("stays as it was");
    assert!(away.iter().any(|line| line.contains("mine cannot be read: No such file")), "{away:#?}");
    std::fs::rename(desk.join("away"), desk.join("mine")).unwrap();
    let back = dev.until("2 findings in");
    assert!(changes(&back).is_empty(), "{back:#?}");
}

#[test]
fn a_plugin_is_shown_what_a_prometheus_answers_now() {
    let desk = TempDir::new().unwrap();
    let prometheus = Prometheus::start(&ScrapeConfig::every(Duration::from_secs(60))).unwrap();
    let threshold = STANDARD.iter().find(|plugin| plugin.name == "threshold").unwrap();
    std::fs::write(desk.path().join("threshold.wasm"), threshold.component).unwrap();
    let url = prometheus.url();
    let run = |expr: &str, more: &[&str]| {
        let arguments = ["run", "threshold.wasm", "--source", &url, "--expr", expr, "--with", "above=4"];
        let arguments: Vec<_> = arguments.into_iter().chain(more.iter().copied()).collect();
        let output = kit(desk.path(), &arguments).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code(), said)
    };
    let labelled = r#"label_replace(vector(5), "host", "a", "", "")"#;
    let (code, said) = run(labelled, &["--output", "json"]);
    let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"));
    assert_eq!((code, found["findings"].as_array().unwrap().len()), (Some(0), 1), "{said}");
    assert_eq!(found["findings"][0]["series"]["host"], "a");
    assert_eq!(found["findings"][0]["value"], 5.0);
    assert!(run("vector(4)", &[]).1.contains("0 findings in 1 frames, 1 samples"));
    // What Prometheus says of a query that it does not understand is said.
    let (code, said) = run("rate(", &[]);
    assert!(code == Some(3) && said.contains("parse error"), "{said}");
}
