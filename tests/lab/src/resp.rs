//! As much of Redis' protocol as the lab needs: one command on a connection of its own, and its reply as text.
//!
//! Orion's own client is what the tests are about, so what they look with is something else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a command of a test may take. A server that a test has stopped answers nothing, and is not waited for.
const REPLY_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes of one string and items of one array of a reply; more is no reply to what tests ask.
const MAX_REPLY_LENGTH: u64 = 64 * 1024 * 1024;

/// Sends one command, behind `AUTH` when there is a password. Strings come as they are, numbers in digits, arrays with an
/// item a line, and nothing as the empty text.
pub(crate) fn ask(address: SocketAddr, password: Option<&str>, words: &[&str]) -> std::io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, REPLY_WITHIN)?;
    connection.set_read_timeout(Some(REPLY_WITHIN))?;
    let mut reader = BufReader::new(connection.try_clone()?);
    if let Some(password) = password {
        connection.write_all(&command(&["AUTH", password]))?;
        read_reply(&mut reader)?;
    }
    connection.write_all(&command(words))?;
    read_reply(&mut reader)
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

fn read_reply(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+" | ":", text)) => Ok(text.to_owned()),
        Some(("-", error)) => Err(std::io::Error::other(error.to_owned())),
        Some(("$", length)) => read_string(reader, length),
        Some(("*", length)) => {
            let items = 0..parse_length(length)?.unwrap_or(0);
            Ok(items.map(|_| read_reply(reader)).collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        _ => Err(not_understood(line)),
    }
}

fn read_string(reader: &mut impl BufRead, length: &str) -> std::io::Result<String> {
    let Some(length) = parse_length(length)? else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    reader.take(length + 2).read_to_end(&mut bytes)?;
    bytes.truncate(bytes.len().saturating_sub(2));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `None` for the length -1, which means that there is nothing.
fn parse_length(text: &str) -> std::io::Result<Option<u64>> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(length) => match u64::try_from(length) {
            Ok(length) if length <= MAX_REPLY_LENGTH => Ok(Some(length)),
            _ => Err(not_understood(text)),
        },
        Err(_) => Err(not_understood(text)),
    }
}

fn not_understood(text: &str) -> std::io::Error {
    std::io::Error::other(format!("a reply of Redis that is none: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Option<String> {
        read_reply(&mut bytes.as_bytes()).ok()
    }

    #[test]
    fn each_form_of_reply_is_read() {
        assert_eq!(command(&["GET", "ü"]), "*2\r\n$3\r\nGET\r\n$2\r\nü\r\n".as_bytes());
        assert_eq!(read("+PONG\r\n").unwrap(), "PONG");
        assert_eq!(read(":-7\r\n").unwrap(), "-7");
        assert_eq!(read("$4\r\na\r\nb\r\n").unwrap(), "a\r\nb");
        assert_eq!(read("*2\r\n$-1\r\n*2\r\n:1\r\n$1\r\nx\r\n").unwrap(), "\n1\nx");
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        assert_eq!(
            read_reply(&mut "-NOAUTH who are you\r\n".as_bytes()).unwrap_err().to_string(),
            "NOAUTH who are you"
        );
        for bytes in ["", "\r\n", "é\r\n", "HTTP/1.1 400\r\n", "$-2\r\n", "$67108865\r\n", "*x\r\n"] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
