//! `orion-kit contract`: what a plugin is made for, to be read.

use std::process::ExitCode;

use crate::cli::Failure;
use crate::command::print;
use crate::contract::reference;

/// Prints the contract.
pub fn contract() -> Result<ExitCode, Failure> {
    print(&reference().map_err(Failure::Configuration)?)?;
    Ok(ExitCode::SUCCESS)
}
