//! The terminal while a page is drawn on it, and as it was afterwards.
//!
//! With the few sequences that every terminal of today knows. Libraries for terminals start programs to ask for what a terminal does
//! not say by itself, and nothing in this binary may.

use std::fmt::Write as _;
use std::io::{Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::page::{Line, Size, Tone};
use crate::cli::Failure;

/// To a screen of its own, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";

/// Back, with the cursor.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Where a page begins, and where it ends: nothing stays of a longer one before it.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
const RESET: &str = "\x1b[0m";

/// Of a terminal that does not say how large it is.
const USUAL: Size = Size { columns: 80, lines: 24 };

/// A special character that is turned off.
const NO_CHARACTER: u8 = 0;

/// What was pressed, or happened to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Quit,
    Pause,
    Resized,
    Other,
}

/// The terminal of this process.
pub struct Terminal {
    before: Option<Termios>,
    is_colored: bool,
    keys: mpsc::UnboundedReceiver<Key>,
    resized: Signal,
}

impl Terminal {
    /// Takes it over until this is dropped. Needs a runtime.
    pub fn take() -> Result<Self, Failure> {
        let resized = signal(SignalKind::window_change()).map_err(Failure::configuration)?;
        let stdin = std::io::stdin();
        // Input that is no terminal has no keys, and the page is shown all the same.
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // Stopped by Ctrl-Z it would leave its page and its mode to the shell.
            quiet.special_codes[SpecialCodeIndex::VSUSP] = NO_CHARACTER;
            tcsetattr(&stdin, OptionalActions::Now, &quiet).map_err(Failure::configuration)?;
        }
        let is_colored = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = Self { before, is_colored, keys: keys(), resized };
        write(ENTER)?;
        Ok(terminal)
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        match tcgetwinsize(std::io::stdout()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
                Size { columns: size.ws_col.into(), lines: size.ws_row.into() }
            }
            _ => USUAL,
        }
    }

    /// Draws a page over the one before.
    pub fn draw(&self, page: &[Line]) -> Result<(), Failure> {
        let mut text = HOME.to_owned();
        for (at, line) in page.iter().enumerate() {
            // A line's end behind the last line would scroll.
            let end = if at + 1 < page.len() { "\r\n" } else { "" };
            // A text cannot fail to take more.
            let _ = write!(text, "{}{}{RESET}{CLEAR_LINE}{end}", self.begins(line.tone), line.text);
        }
        text.push_str(CLEAR_BELOW);
        write(&text)
    }

    fn begins(&self, tone: Tone) -> &'static str {
        match (tone, self.is_colored) {
            (Tone::Plain, _) => "",
            (Tone::Heading, _) | (Tone::Bad, false) => "\x1b[1m",
            (Tone::Worrying, false) => "",
            (Tone::Bad, true) => "\x1b[1;31m",
            (Tone::Worrying, true) => "\x1b[33m",
        }
    }

    /// Waits for a key, or for another size.
    pub async fn key(&mut self) -> Key {
        tokio::select! {
            Some(key) = self.keys.recv() => key,
            Some(()) = self.resized.recv() => Key::Resized,
            else => std::future::pending().await,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nobody left to tell that it cannot be given back.
        let _ = write(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Keys, read by a thread that ends with the process: a read of a terminal cannot be called off.
fn keys() -> mpsc::UnboundedReceiver<Key> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut pressed = [0; 16];
        while let Ok(count) = std::io::stdin().read(&mut pressed)
            && count > 0
            && sender.send(meaning(pressed.get(..count).unwrap_or_default())).is_ok()
        {}
    });
    receiver
}

/// A lone Escape is the key; with more behind it, it is an arrow or the like.
fn meaning(pressed: &[u8]) -> Key {
    match pressed {
        [b'q' | b'Q' | 0x1b] => Key::Quit,
        [b' '] => Key::Pause,
        _ => Key::Other,
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::configuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_a_lone_escape_end_it_and_an_arrow_does_not() {
        assert_eq!([meaning(b"q"), meaning(b"\x1b"), meaning(b" ")], [Key::Quit, Key::Quit, Key::Pause]);
        assert_eq!([meaning(b"\x1b[A"), meaning(b"x")], [Key::Other, Key::Other]);
    }
}
