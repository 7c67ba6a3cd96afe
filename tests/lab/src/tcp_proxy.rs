//! A network link that tests make slow, silent, one-way or broken.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::LabError;
use crate::http::lock;

/// How much passes at once.
const PIECE_BYTES: usize = 16 * 1024;

/// How often a silent link looks whether it has been healed.
const SILENCE_POLL: Duration = Duration::from_millis(2);

/// What the link does to bytes. The default is a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Each piece of up to 16 KiB comes this much later.
    pub delay: Duration,
    /// No more than this passes, each way of each connection.
    pub bytes_per_second: Option<u64>,
    /// Bytes wait, and connections stay open: nobody learns that nothing passes.
    pub is_silent: bool,
    /// What the server says is lost, and what the client says arrives. A connection that lost something breaks at the next
    /// answer after that has ended, because what follows could not be understood.
    pub loses_answers: bool,
}

/// A proxy before a server that speaks any protocol over TCP.
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<Listening>,
}

struct Listening {
    is_stopping: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    link: Mutex<Link>,
    open: Mutex<Connections>,
}

/// Both ends of what is open, by number.
#[derive(Default)]
struct Connections {
    next: u64,
    ends: BTreeMap<u64, [TcpStream; 2]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

impl TcpProxy {
    /// A good link to `upstream`, on a free port.
    pub fn start(upstream: SocketAddr) -> Result<Self, LabError> {
        let (link, open) = (Mutex::default(), Mutex::default());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut proxy =
            Self { address, shared: Arc::new(Shared { upstream: Mutex::new(upstream), link, open }), listening: None };
        proxy.accept()?;
        Ok(proxy)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the link, for connections that are open and for later ones.
    pub fn set(&self, link: Link) {
        *lock(&self.shared.link) = link;
    }

    /// Leads to another server from now on; what is open is broken.
    pub fn redirect(&self, upstream: SocketAddr) {
        *lock(&self.shared.upstream) = upstream;
        self.cut();
    }

    /// Breaks every connection; new ones are taken.
    pub fn cut(&self) {
        for ends in std::mem::take(&mut lock(&self.shared.open).ends).into_values() {
            close(&ends);
        }
    }

    /// Breaks every connection and refuses new ones.
    pub fn refuse(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.is_stopping.store(true, Ordering::SeqCst);
            // The thread waits in accept(); a connection wakes it. If none can be made, it is not waiting.
            drop(TcpStream::connect(self.address));
            drop(listening.accepting.join());
        }
        self.cut();
    }

    /// Takes connections again, on the same port; nothing to do while it does.
    pub fn accept(&mut self) -> Result<(), LabError> {
        if self.listening.is_some() {
            return Ok(());
        }
        let listener =
            TcpListener::bind(self.address).map_err(LabError::io(format!("cannot listen on {}", self.address)))?;
        self.address = listener.local_addr().map_err(LabError::io("cannot learn the port"))?;
        let is_stopping = Arc::new(AtomicBool::new(false));
        let accepting = std::thread::spawn({
            let (is_stopping, shared) = (is_stopping.clone(), self.shared.clone());
            move || take_connections(&listener, &is_stopping, &shared)
        });
        self.listening = Some(Listening { is_stopping, accepting });
        Ok(())
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        // A link that stays silent would keep its threads.
        self.set(Link::default());
        self.refuse();
    }
}

fn take_connections(listener: &TcpListener, is_stopping: &AtomicBool, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if is_stopping.load(Ordering::SeqCst) {
            return;
        }
        // One that cannot be passed on is closed by dropping it: to the client the server went away.
        let Ok(client) = client else { continue };
        let upstream = *lock(&shared.upstream);
        let Ok(server) = TcpStream::connect(upstream) else { continue };
        drop(pass(client, server, shared));
    }
}

fn pass(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    // Whatever delay there is, the test asked for.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = {
        let mut open = lock(&shared.open);
        open.next += 1;
        let number = open.next;
        open.ends.insert(number, [client.try_clone()?, server.try_clone()?]);
        number
    };
    let ways = [(client.try_clone()?, server.try_clone()?, Direction::ToServer), (server, client, Direction::ToClient)];
    for (from, to, direction) in ways {
        let shared = shared.clone();
        std::thread::spawn(move || {
            drop(pump(&from, &to, direction, &shared));
            close(&[from, to]);
            lock(&shared.open).ends.remove(&number);
        });
    }
    Ok(())
}

/// Moves bytes until an end is closed.
fn pump(mut from: &TcpStream, mut to: &TcpStream, direction: Direction, shared: &Shared) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut has_lost_some = false;
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        let link = wait_while_silent(to, shared)?;
        if direction == Direction::ToClient && link.loses_answers {
            has_lost_some = true;
            continue;
        }
        if has_lost_some {
            return Ok(());
        }
        std::thread::sleep(link.delay + time_to_send(length, link.bytes_per_second));
        to.write_all(piece.get(..length).unwrap_or_default())?;
    }
}

/// The link as it is when it lets something pass. An error when the connection was cut in the meantime.
fn wait_while_silent(to: &TcpStream, shared: &Shared) -> std::io::Result<Link> {
    loop {
        let link = *lock(&shared.link);
        if !link.is_silent {
            return Ok(link);
        }
        to.peer_addr()?;
        std::thread::sleep(SILENCE_POLL);
    }
}

fn time_to_send(length: usize, bytes_per_second: Option<u64>) -> Duration {
    let Some(bytes_per_second) = bytes_per_second else { return Duration::ZERO };
    let micros = (length as u64).saturating_mul(1_000_000).checked_div(bytes_per_second);
    Duration::from_micros(micros.unwrap_or(0))
}

fn close(ends: &[TcpStream; 2]) {
    for end in ends {
        drop(end.shutdown(Shutdown::Both));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says everything back in capitals, and counts what it heard.
    struct Echo {
        address: SocketAddr,
        heard: Arc<Mutex<Vec<u8>>>,
    }

    fn echo() -> Echo {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let hears = heard.clone();
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let hears = hears.clone();
                std::thread::spawn(move || {
                    let mut piece = [0; 1024];
                    while let Ok(length @ 1..) = connection.read(&mut piece) {
                        lock(&hears).extend_from_slice(&piece[..length]);
                        connection.write_all(&piece[..length].to_ascii_uppercase()).unwrap_or_default();
                    }
                });
            }
        });
        Echo { address, heard }
    }

    fn client(proxy: &TcpProxy) -> TcpStream {
        let client = TcpStream::connect(proxy.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        client
    }

    fn answer(client: &mut TcpStream, text: &str) -> std::io::Result<String> {
        client.write_all(text.as_bytes())?;
        let mut answer = vec![0; text.len()];
        client.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn a_cut_breaks_what_is_open_and_a_refusal_what_comes() {
        let mut proxy = TcpProxy::start(echo().address).unwrap();
        let mut before = client(&proxy);
        assert_eq!(answer(&mut before, "abc").unwrap(), "ABC");
        proxy.cut();
        assert!(answer(&mut before, "abc").is_err());
        assert_eq!(answer(&mut client(&proxy), "abc").unwrap(), "ABC");
        let address = proxy.address();
        proxy.refuse();
        assert!(TcpStream::connect(address).is_err());
        proxy.accept().unwrap();
        assert_eq!(answer(&mut client(&proxy), "abc").unwrap(), "ABC");
        assert_eq!(proxy.address(), address);
    }

    #[test]
    fn a_silent_link_keeps_what_it_is_given_until_it_is_healed() {
        let echo = echo();
        let proxy = TcpProxy::start(echo.address).unwrap();
        let mut client = client(&proxy);
        assert_eq!(answer(&mut client, "abc").unwrap(), "ABC");
        proxy.set(Link { is_silent: true, ..Link::default() });
        client.write_all(b"def").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(client.read(&mut [0]).is_err());
        assert_eq!(*lock(&echo.heard), b"abc");
        proxy.set(Link { delay: Duration::from_millis(1), bytes_per_second: Some(3_000), ..Link::default() });
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut late = [0; 3];
        client.read_exact(&mut late).unwrap();
        assert_eq!(&late, b"DEF");
    }

    #[test]
    fn a_lost_answer_is_to_something_that_was_heard() {
        let echo = echo();
        let proxy = TcpProxy::start(echo.address).unwrap();
        let mut client = client(&proxy);
        assert_eq!(answer(&mut client, "abc").unwrap(), "ABC");
        proxy.set(Link { loses_answers: true, ..Link::default() });
        client.write_all(b"def").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(client.read(&mut [0]).is_err());
        assert_eq!(*lock(&echo.heard), b"abcdef");
        proxy.set(Link::default());
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert!(answer(&mut client, "ghi").is_err(), "an answer behind a lost one would be taken for it");
    }

    #[test]
    fn a_slow_link_takes_the_time_that_its_bytes_need() {
        assert_eq!(time_to_send(500, Some(1_000)), Duration::from_millis(500));
        assert_eq!(time_to_send(500, None), Duration::ZERO);
        assert_eq!(time_to_send(500, Some(0)), Duration::ZERO);
    }
}
