//! The lab as something to look at: it runs until Ctrl-C, and containers die and come back at a word.

use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};

use orion_lab::{CONTAINERS, LabError, MediaStack, Prometheus};

use crate::{Failure, SCRAPE_INTERVAL};

/// Runs until a signal ends it; then everything it started ends too.
pub(crate) fn run() -> Result<(), Failure> {
    let stack = MediaStack::start()?;
    let prometheus = Prometheus::start(&stack.scrape_config(SCRAPE_INTERVAL))?;
    println!("Prometheus: {}", prometheus.url());
    println!("containers: {}", CONTAINERS.join(", "));
    println!("`kill NAME` and `revive NAME` move them; Ctrl-C ends");
    let stack = Arc::new(Mutex::new(Some(stack)));
    let moved = stack.clone();
    // It ends with the process: a thread that waits for standard input cannot be woken.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if let Some(stack) = moved.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                println!("{}", obey(&line, stack));
            }
        }
    });
    let ended = wait_for_signal();
    // The thread holds on to the stack; taken out of its hands, its processes end.
    drop(stack.lock().unwrap_or_else(PoisonError::into_inner).take());
    drop(prometheus);
    Ok(ended.map_err(|why| LabError::Io { what: "cannot wait for a signal".into(), why })?)
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

fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended,
            _ = terminate.recv() => Ok(()),
        }
    })
}
