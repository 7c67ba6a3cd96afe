//! The lab as something to look at: it runs until it is ended, and containers die and come back at a word.

use std::io::BufRead;

use orion_lab::{CONTAINERS, MediaStack, Prometheus};
use tokio::sync::mpsc;

use crate::{Failure, SCRAPE_INTERVAL};

/// Runs for ever; whoever awaits it ends it by letting go.
pub(crate) async fn run() -> Result<(), Failure> {
    let mut stack = MediaStack::start()?;
    let prometheus = Prometheus::start(&stack.scrape_config(SCRAPE_INTERVAL))?;
    println!("Prometheus: {}", prometheus.url());
    println!("containers: {}", CONTAINERS.join(", "));
    println!("`kill NAME` and `revive NAME` move them; Ctrl-C ends");
    let mut lines = standard_input();
    while let Some(line) = lines.recv().await {
        println!("{}", obey(&line, &mut stack));
    }
    // Standard input has ended, as it does at once without a terminal; the lab stays.
    std::future::pending().await
}

/// A thread of its own, that ends with the process: reading from a terminal cannot be interrupted.
fn standard_input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn obey(line: &str, stack: &mut MediaStack) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (done, container) = match words.as_slice() {
        ["kill", container] => (Ok(stack.kill(container)), container),
        ["revive", container] => (stack.revive(container), container),
        _ => return "say `kill NAME` or `revive NAME`".to_owned(),
    };
    match done {
        Ok(true) => "done".to_owned(),
        Ok(false) => format!("there is no container `{container}`"),
        Err(why) => why.to_string(),
    }
}
