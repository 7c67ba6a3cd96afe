//! `orion top`: what a running Orion does, live in a terminal.
//!
//! Everything shown comes from its HTTP interface, so it shows a host elsewhere as well as one of this machine, and asks nothing
//! that the console could not ask. Without a terminal, or with `--once`, it is shown once.

mod board;
mod look;
mod page;
mod terminal;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::MissedTickBehavior;

use self::board::Board;
use self::look::Look;
use self::page::page;
use self::terminal::{Key, Terminal};
use crate::arguments::{ListenArgs, Output, duration};
use crate::cli::Failure;
use crate::output::{form, print_value};
use crate::remote::{Remote, RemoteArgs};
use crate::setup::{self, Signals};

/// Said while nothing is asked.
const PAUSED: &str = "paused: space goes on";

/// Arguments of `orion top`.
#[derive(Args)]
pub struct TopArgs {
    #[command(flatten)]
    pub remote: RemoteArgs,
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Time between two looks
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub every: i64,
    /// Look once and end
    #[arg(long)]
    pub once: bool,
    /// How one look is printed; looking once is understood [default: table]
    #[arg(long, value_enum)]
    pub output: Option<Output>,
}

/// Shows until `q` or a signal, or once.
pub fn top(args: &TopArgs) -> Result<ExitCode, Failure> {
    let remote = Remote::of(&args.remote, &args.listen)?;
    let is_live = !args.once && args.output.is_none() && std::io::stdout().is_terminal();
    let every = Duration::from_millis(u64::try_from(args.every).unwrap_or(u64::MAX));
    setup::runtime()?.block_on(async {
        // The first look before anything is drawn: who cannot be reached at all is an error, and not an empty page.
        let first = Look::at(&remote).await.map_err(Failure::Configuration)?;
        match is_live {
            true => live(&remote, every, first).await,
            false => once(&first, remote.address(), args.output),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn once(look: &Look, address: &str, output: Option<Output>) -> Result<(), Failure> {
    let form = match output {
        None => form(None),
        Some(asked) => asked,
    };
    let board = Board::of(look, None);
    print_value(form, &look.value(), || lines(&page(&board, address, &[], page::WHOLE)))
}

fn lines(page: &[page::Line]) -> String {
    page.iter().map(|line| format!("{}\n", line.text)).collect()
}

/// Looks again and again, and draws whenever something is new: a look, a size, a key.
async fn live(remote: &Remote, every: Duration, first: Look) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let mut terminal = Terminal::take()?;
    let mut board = Board::of(&first, None);
    let (mut last, mut looked, mut trouble, mut is_paused) = (first, Instant::now(), None::<String>, false);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        let notes: Vec<&str> = trouble.as_deref().into_iter().chain(is_paused.then_some(PAUSED)).collect();
        terminal.draw(&page(&board, remote.address(), &notes, terminal.size()))?;
        tokio::select! {
            () = signals.received() => return Ok(()),
            key = terminal.key() => match key {
                Key::Quit => return Ok(()),
                Key::Pause => is_paused = !is_paused,
                Key::Other | Key::Resized => {}
            },
            _ = ticks.tick(), if !is_paused => match Look::at(remote).await {
                Ok(look) => {
                    let now = Instant::now();
                    board = Board::of(&look, Some((&last, now.duration_since(looked))));
                    (last, looked, trouble) = (look, now, None);
                }
                Err(why) => trouble = Some(format!("{why}; what is shown is from before")),
            },
        }
    }
}
