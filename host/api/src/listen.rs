//! Where the interface is served. The socket is opened before the process confines itself: afterwards it can open none.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::str::FromStr;

/// Where it is served when nothing is said: this machine alone.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:9600";

/// In the place of an address.
const NOWHERE: &str = "none";

/// Where to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Not at all.
    Nowhere,
    /// At this address. Port 0 is one that is free.
    At(SocketAddr),
}

/// A text that says no place.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no place to serve at: write an address with its port, as {DEFAULT_LISTEN} or [::1]:9600, or `none`")]
pub struct InvalidListen(String);

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        if text == NOWHERE {
            return Ok(Self::Nowhere);
        }
        text.parse().map(Self::At).map_err(|_| InvalidListen(text.to_owned()))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str(NOWHERE),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// Why nothing can be served there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process serves there.
    #[error(
        "{address} is in use: `ss -tlnp 'sport = :{port}'` shows by whom. Stop that, or serve elsewhere with --listen or \
         ORION_API__LISTEN; `none` serves nothing",
        port = address.port()
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system does not let this user.
    #[error(
        "{address} may not be served by this user ({detail}): ports below 1024 need privileges; take a higher one with --listen or \
         ORION_API__LISTEN"
    )]
    NotPermitted {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// Anything else, of which an address that this machine does not have is the usual.
    #[error(
        "{address} cannot be served at ({detail}): give an address of this machine with --listen or ORION_API__LISTEN"
    )]
    Unusable {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
}

/// An open socket, on which nobody is answered yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listen {
    /// Opens the socket.
    pub fn open(self) -> Result<Option<Listener>, ListenError> {
        let Self::At(address) = self else { return Ok(None) };
        let open = || {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Some(Listener { socket, address }))
        };
        open().map_err(|error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AddrInUse => ListenError::InUse { address },
            std::io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address, detail: error.to_string() },
            _ => ListenError::Unusable { address, detail: error.to_string() },
        })
    }
}

impl Listener {
    /// Where it is, with the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn into_socket(self) -> TcpListener {
        self.socket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_its_port_is_a_place_and_a_port_alone_is_none() {
        for text in ["127.0.0.1:9600", "[::1]:9600", "0.0.0.0:0", "none"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "9600", ":9600", "localhost:9600", "127.0.0.1", "None"] {
            assert!(text.parse::<Listen>().unwrap_err().to_string().contains("127.0.0.1:9600"), "{text}");
        }
    }

    #[test]
    fn a_port_in_use_is_said_with_who_to_ask_and_what_to_do() {
        let first = Listen::At("127.0.0.1:0".parse().unwrap()).open().unwrap().unwrap();
        let error = Listen::At(first.address()).open().unwrap_err().to_string();
        let port = first.address().port();
        assert!(error.contains(&format!("ss -tlnp 'sport = :{port}'")) && error.contains("--listen"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_said() {
        let error = Listen::At("192.0.2.1:0".parse().unwrap()).open().unwrap_err();
        assert!(matches!(error, ListenError::Unusable { .. }), "{error}");
    }
}
