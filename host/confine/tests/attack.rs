//! What a confined process cannot do any more, tried one by one by a process that confines itself as `orion run` does.
#![expect(clippy::disallowed_types, reason = "these tests start the attacker; none of this is deployed")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::Value;
use tempfile::TempDir;

/// Folders and a server for the attacker.
struct Ground {
    folder: TempDir,
    server: TcpListener,
}

/// What one attack came to.
struct Outcomes {
    attestation: Value,
    said: String,
    failed: BTreeMap<String, String>,
    needed: BTreeMap<String, String>,
    in_order: Vec<String>,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["readable", "writable", "elsewhere"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("file"), "untouched").unwrap();
        }
        Self { folder, server: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn start(&self, mode: &str, host: &str, env: &[(&str, &str)]) -> Output {
        self.start_with_port(self.server.local_addr().unwrap().port(), mode, host, env)
    }

    fn start_with_port(&self, port: u16, mode: &str, host: &str, env: &[(&str, &str)]) -> Output {
        self.command(port, mode, host).envs(env.iter().copied()).output().unwrap()
    }

    /// As one that has opened a socket and answers whoever connects there.
    fn start_serving(&self) -> Output {
        let port = self.server.local_addr().unwrap().port();
        self.command(port, "require", "127.0.0.1").arg("serving").output().unwrap()
    }

    fn command(&self, port: u16, mode: &str, host: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orion-attack"));
        let arguments = [mode, self.folder.path().to_str().unwrap(), host, &port.to_string()];
        command.args(arguments).env_remove("RES_OPTIONS");
        command
    }

    fn attack(&self, mode: &str, host: &str, env: &[(&str, &str)]) -> Outcomes {
        let output = self.start(mode, host, env);
        assert!(output.status.success(), "{:?} {}", output.status, String::from_utf8_lossy(&output.stderr));
        outcomes(&output)
    }

    fn file(&self, name: &str) -> std::io::Result<String> {
        std::fs::read_to_string(self.folder.path().join(name))
    }
}

fn outcomes(output: &Output) -> Outcomes {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = lines.next().unwrap();
    let mut outcomes = Outcomes {
        attestation: first["attestation"].clone(),
        said: first["said"].as_str().unwrap().to_owned(),
        failed: BTreeMap::new(),
        needed: BTreeMap::new(),
        in_order: Vec::new(),
    };
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let of_kind = if line["kind"] == "must fail" { &mut outcomes.failed } else { &mut outcomes.needed };
        of_kind.insert(text("attempt"), text("outcome"));
        outcomes.in_order.push(format!("{:16} {}", text("outcome"), text("attempt")));
    }
    outcomes
}

#[test]
fn everything_that_is_forbidden_is_refused_each_with_its_errno_and_everything_needed_works() {
    let ground = Ground::new();
    let outcomes = ground.attack("require", "127.0.0.1", &[]);
    assert_eq!(outcomes.attestation["level"], "full");
    for (attempt, outcome) in &outcomes.failed {
        assert!(["EPERM", "EACCES", "ENOSYS", "EXDEV"].contains(&outcome.as_str()), "{attempt}: {outcome}");
    }
    for (attempt, outcome) in &outcomes.needed {
        assert_eq!(outcome, "succeeded", "{attempt}");
    }
    assert_eq!(ground.file("elsewhere/file").unwrap(), "untouched");
    assert_eq!(ground.file("readable/file").unwrap(), "untouched");
    assert_eq!(ground.file("writable/file").unwrap(), "mine");
    #[cfg(target_arch = "x86_64")]
    insta::assert_snapshot!(outcomes.in_order.join("\n"));
}

/// Without this the refusals above could be those of any process.
#[test]
fn a_process_that_is_not_confined_is_refused_none_of_it_in_that_way() {
    let (ground, other) = (Ground::new(), Ground::new());
    let free = ground.attack("off", "127.0.0.1", &[]);
    let confined = other.attack("require", "127.0.0.1", &[]);
    assert_eq!(free.attestation["level"], "none");
    assert_eq!(free.said, "this process is NOT confined (off): everything: the confinement is turned off");
    // Whoever is not root may not do these anyway, and hears so in the same words.
    let privileged = |attempt: &str| !is_root() && free.failed[attempt] == "EPERM";
    let same: Vec<_> =
        free.failed.iter().filter(|(attempt, it)| confined.failed[*attempt] == **it && !privileged(attempt)).collect();
    assert!(same.is_empty(), "{same:?}");
    assert!(free.failed.len() > 60, "{}", free.failed.len());
    assert!(ground.file("elsewhere/file").is_err(), "it could be removed");
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t"))
}

#[test]
fn udp_is_there_only_where_a_name_has_to_be_resolved_over_it() {
    let udp = "open a UDP socket";
    let of = |host: &str, env: &[(&str, &str)]| {
        let outcomes = Ground::new().attack("require", host, env);
        // Never anything but UDP itself.
        assert_eq!(outcomes.failed["ping without a raw socket"], "EACCES");
        assert_eq!(outcomes.failed["ask the kernel about the network (AF_NETLINK)"], "EACCES");
        assert_eq!(outcomes.needed["ask for a name that does not exist"], "succeeded");
        (outcomes.attestation["name_resolution"].as_str().unwrap().to_owned(), outcomes.failed[udp].clone())
    };
    let answer = |resolution: &str, udp: &str| (resolution.to_owned(), udp.to_owned());
    assert_eq!(of("127.0.0.1", &[]), answer("none", "EACCES"));
    assert_eq!(of("localhost", &[]), answer("files", "EACCES"));
    assert_eq!(of("orion.invalid", &[("RES_OPTIONS", "use-vc")]), answer("tcp", "EACCES"));
    let (resolution, outcome) = of("orion.invalid", &[]);
    // A machine whose resolver is told to use TCP is one where none of this needs UDP.
    assert_eq!(outcome, if resolution == "udp" { "succeeded" } else { "EACCES" });
}

#[test]
fn localhost_is_found_without_asking_anybody() {
    let outcomes = Ground::new().attack("require", "localhost", &[]);
    assert_eq!(outcomes.needed["connect to its port"], "succeeded");
}

#[test]
fn a_process_that_speaks_to_nobody_has_no_socket() {
    let outcomes = outcomes(&Ground::new().start_with_port(0, "require", "127.0.0.1", &[]));
    for attempt in ["connect to another port", "open a UDP socket", "speak to a program of this machine (AF_UNIX)"] {
        assert_eq!(outcomes.failed[attempt], "EACCES", "{attempt}");
    }
    assert_eq!(outcomes.needed["connect to its port"], "EACCES");
    assert_eq!(outcomes.needed["a pair of sockets for itself"], "succeeded");
    assert!(outcomes.attestation["refused"].to_string().contains("use a socket of any kind"));
}

#[test]
fn one_that_serves_answers_at_its_own_address_and_opens_no_other() {
    let outcomes = outcomes(&Ground::new().start_serving());
    assert_eq!(outcomes.attestation["level"], "full");
    assert!(outcomes.attestation["serves"].as_str().unwrap().starts_with("127.0.0.1:"), "{}", outcomes.attestation);
    assert_eq!(outcomes.needed["answer at the address where it serves"], "succeeded");
    for attempt in
        ["serve a port", "serve a port nobody chose (listen)", "connect to another port", "open a UDP socket"]
    {
        assert_eq!(outcomes.failed[attempt], "EACCES", "{attempt}");
    }
    assert!(outcomes.attestation["refused"].to_string().contains("serve at another address"));
}

/// What a container runtime or a service manager with an old list of calls does to its processes.
fn hiding(calls: &[i64]) -> BpfProgram {
    let refused = calls.iter().map(|call| (*call, Vec::new())).collect();
    let action = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    SeccompFilter::new(refused, SeccompAction::Allow, action, arch).unwrap().try_into().unwrap()
}

/// A filter is inherited from the thread, so what is started from one that hides calls does not have them.
fn on_a_kernel_without<T: Send>(calls: &[i64], act: impl FnOnce() -> T + Send) -> T {
    let filter = hiding(calls);
    let run = || {
        seccompiler::apply_filter(&filter).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

const LANDLOCK: [i64; 3] =
    [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];

#[test]
fn without_landlock_require_does_not_start_and_says_what_to_do() {
    let ground = Ground::new();
    let output = on_a_kernel_without(&LANDLOCK, || ground.start("require", "127.0.0.1", &[]));
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    this process cannot be confined here, and `--confinement require` starts it in no other way:
      - files and TCP ports are not limited: the kernel has no landlock, or a filter hides it
    It needs Linux 6.7 or newer that boots with landlock, and a container or service that lets landlock_* and seccomp
    through. `--confinement auto` starts with what can be had and says what cannot.
    ");
}

#[test]
fn without_landlock_auto_does_the_rest_and_says_what_it_could_not() {
    let ground = Ground::new();
    let outcomes = on_a_kernel_without(&LANDLOCK, || ground.attack("auto", "127.0.0.1", &[]));
    assert_eq!(outcomes.attestation["level"], "partial");
    assert_eq!(outcomes.attestation["landlock_abi"], 0);
    assert_eq!(outcomes.attestation["may_read"], serde_json::json!([]));
    insta::assert_snapshot!(
        outcomes.said,
        @"this process is confined in part (auto): files and TCP ports are not limited: the kernel has no landlock, or a filter hides it"
    );
    assert_eq!(outcomes.failed["write another file"], "succeeded");
    assert_eq!(outcomes.failed["start /bin/true"], "EPERM");
    assert_eq!(outcomes.failed["open a UDP socket"], "EACCES");
    assert!(!outcomes.attestation["refused"].to_string().contains("other files"));
}

#[test]
fn without_seccomp_require_does_not_start_and_auto_limits_files_and_ports() {
    let ground = Ground::new();
    let (refused, outcomes) = on_a_kernel_without(&[libc::SYS_seccomp], || {
        (ground.start("require", "127.0.0.1", &[]), ground.attack("auto", "127.0.0.1", &[]))
    });
    assert_eq!(refused.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8(refused.stderr).unwrap(), @"
    this process cannot be confined here, and `--confinement require` starts it in no other way:
      - system calls are not limited: seccomp refused: Error calling `seccomp`: Function not implemented (os error 38)
    It needs Linux 6.7 or newer that boots with landlock, and a container or service that lets landlock_* and seccomp
    through. `--confinement auto` starts with what can be had and says what cannot.
    ");
    assert_eq!(outcomes.attestation["level"], "partial");
    assert_eq!(outcomes.failed["write another file"], "EACCES");
    assert_eq!(outcomes.failed["connect to another port"], "EACCES");
}

#[test]
fn the_attestation_says_what_is_left_and_what_is_refused() {
    let ground = Ground::new();
    let attestation = ground.attack("require", "127.0.0.1", &[]).attestation;
    let port = ground.server.local_addr().unwrap().port();
    assert_eq!(attestation["may_connect"], serde_json::json!([port]));
    let folder = ground.folder.path().canonicalize().unwrap();
    let inside = |path: &Value| Path::new(path.as_str().unwrap()).strip_prefix(&folder).unwrap().display().to_string();
    let written: Vec<String> = attestation["may_write"].as_array().unwrap().iter().map(inside).collect();
    assert_eq!(written, ["writable"]);
    let refused = attestation["refused"].as_array().unwrap().iter();
    let text = |refusal: &Value, name: &str| refusal[name].as_str().unwrap().to_owned();
    let line = |it: &Value| format!("{:6} {:12} {}", text(it, "errno"), text(it, "by"), text(it, "what"));
    insta::assert_snapshot!(refused.map(line).collect::<Vec<_>>().join("\n"), @"
    EPERM  capabilities what only root may, but for files
    EACCES landlock     read other files
    EACCES landlock     write other files
    EACCES landlock     connect to other TCP ports
    EPERM  seccomp      start a program
    EPERM  seccomp      start a process
    EPERM  seccomp      see, signal or change another process, or type into its terminal
    EPERM  seccomp      mount, or change its namespaces
    EPERM  seccomp      change the kernel or the machine
    EPERM  seccomp      use io_uring
    EPERM  seccomp      change the owner, mode, times or attributes of a file, or make a device
    EACCES seccomp      serve anybody (bind, listen, accept)
    EACCES seccomp      use a socket that is not TCP over IPv4 or IPv6, or TCP's way around `connect`
    EACCES seccomp      send UDP
    ENOSYS seccomp      make system calls that are newer than this list or of another calling convention
    ");
}
