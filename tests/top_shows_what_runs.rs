//! `orion top` shows what a running Orion does: once as a page or a document, or live in a terminal, which it gives back as it was.
#![expect(clippy::disallowed_types, reason = "it is started in a terminal of its own; none of this is deployed")]

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use orion_lab::{Exporter, Prometheus, ScrapeConfig};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::support::asked::get;
use crate::support::{self, Deployment, TARGETS, wait_until};

#[test]
fn one_look_is_a_page_for_people_and_a_document_for_programs() {
    let exporter = Exporter::start("jellyfin").unwrap();
    let targets = ScrapeConfig::every(std::time::Duration::from_secs(1)).target("jellyfin", exporter.address());
    let prometheus = Prometheus::start(&targets).unwrap();
    prometheus.wait_for("sum(up)", "\"1\"", support::PATIENCE).unwrap();
    let deployment = Deployment::new(&prometheus.url()).serving();
    deployment.rule("targets.yaml", TARGETS);
    let _orion = deployment.start();
    let address = deployment.served_ready_at();
    drop(exporter);
    deployment.wait_until("the incident", |_| get(address, "/api/v1/incidents?state=open").body.contains("jellyfin"));
    let page = top(&deployment, &["--url", &url(address), "--once", "--output", "table"]);
    for shown in
        ["open incidents: 1 critical", "service_outage", "targets.yaml/targets/TargetDown", "breach", "threshold"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let document: serde_json::Value =
        serde_json::from_str(&top(&deployment, &["--url", &url(address), "--output", "json"])).unwrap();
    assert_eq!(document["summary"]["autonomy_level"], "N0");
    assert_eq!(document["incidents"][0]["incident_type"], "service_outage");
    assert_eq!(document["rules"][0]["firing"], 1);
}

#[test]
fn a_terminal_is_drawn_on_and_given_back_as_it_was() {
    let deployment = Deployment::new("http://127.0.0.1:9").serving();
    deployment.rule("targets.yaml", TARGETS);
    let orion = deployment.start();
    let address = deployment.served_at();
    deployment.wait_until("it to tell", |_| get(address, "/api/v1/rules").status == 200);
    let terminal = Terminal::open();
    let before = terminal.modes();
    let mut top = terminal.run(&deployment, &["top", "--url", &url(address), "--every", "200ms"]);
    terminal.wait_for("\x1b[?1049h");
    terminal.wait_for("targets.yaml/targets/TargetDown");
    assert_ne!(terminal.modes().local_modes, before.local_modes);
    // Orion is gone and comes back: the page stays, says so, and goes on.
    assert!(orion.terminate().success());
    terminal.wait_for("does not answer");
    terminal.press(b" ");
    terminal.wait_for("paused");
    terminal.press(b"q");
    assert!(top.wait().unwrap().success());
    terminal.wait_for("\x1b[?1049l");
    assert_eq!(terminal.modes().local_modes, before.local_modes);
}

#[test]
fn who_does_not_answer_is_named() {
    let deployment = Deployment::new("http://127.0.0.1:9");
    for (url, why) in [
        ("http://127.0.0.1:9", "http://127.0.0.1:9 does not answer: "),
        ("ftp://host", "it is no http:// or https:// address; write it like http://host:9600"),
    ] {
        let output = deployment.orion(&["top", "--once", "--url", url]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(3) && said.contains(why), "{said}");
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn top(deployment: &Deployment, arguments: &[&str]) -> String {
    let output = deployment.orion(&[&["top"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A terminal as a window has one: what is drawn comes out at this end.
struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    drawn: mpsc::Receiver<Vec<u8>>,
}

impl Terminal {
    fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let (sender, drawn) = mpsc::channel();
        let mut reader = std::fs::File::from(master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut part = [0; 4_096];
            while let Ok(count) = reader.read(&mut part)
                && count > 0
                && sender.send(part[..count].to_vec()).is_ok()
            {}
        });
        Self { master, slave, drawn }
    }

    fn run(&self, deployment: &Deployment, arguments: &[&str]) -> Child {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        Command::new(env!("CARGO_BIN_EXE_orion"))
            .args(arguments)
            .current_dir(deployment.path(""))
            .env("XDG_CONFIG_HOME", deployment.path("config"))
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap()
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    fn press(&self, keys: &[u8]) {
        std::fs::File::from(self.master.try_clone().unwrap()).write_all(keys).unwrap();
    }

    /// What is drawn from now on has this in it.
    fn wait_for(&self, text: &str) {
        let drawn = std::cell::RefCell::new(String::new());
        wait_until(
            "the page",
            || {
                for part in self.drawn.try_iter() {
                    drawn.borrow_mut().push_str(&String::from_utf8_lossy(&part));
                }
                drawn.borrow().contains(text)
            },
            || format!("{text:?} in {:?}", drawn.borrow()),
        );
    }
}
