//! A task of this program while another one is at work: at the lowest priority, and with what it prints in a file, because two at a time
//! cannot be read.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::program::{Failure, root};
use crate::target;

/// The task at work.
pub struct Beside {
    task: &'static str,
    child: Child,
    log: PathBuf,
}

impl Beside {
    /// Starts it.
    pub fn start(task: &'static str) -> Result<Self, Failure> {
        let me = std::env::current_exe().map_err(|error| Failure::NotStarted(task.to_owned(), error))?;
        let folder = target::folder()?;
        let log = folder.join(format!("{task}.log"));
        let not_written = |error| Failure::NotWritten(log.display().to_string(), error);
        std::fs::create_dir_all(&folder).map_err(not_written)?;
        let printed = File::create(&log).map_err(not_written)?;
        let said = printed.try_clone().map_err(not_written)?;
        eprintln!("$ cargo xtask {task}   (beside what follows; it prints into {})", log.display());
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(me).arg(task).current_dir(root()).stdin(Stdio::null());
        let child = command.stdout(printed).stderr(said).spawn();
        let child = child.map_err(|error| Failure::NotStarted(format!("nice cargo xtask {task}"), error))?;
        Ok(Self { task, child, log })
    }

    /// Waits for its end. Says what it printed only when that is needed to see what went wrong.
    pub fn finish(mut self) -> Result<(), Failure> {
        let line = format!("cargo xtask {}", self.task);
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => {
                let printed = std::fs::read(&self.log).unwrap_or_default();
                eprintln!("$ {line}\n{}", String::from_utf8_lossy(&printed));
                Err(Failure::Failed(line))
            }
            Err(error) => Err(Failure::NotStarted(line, error)),
        }
    }
}
