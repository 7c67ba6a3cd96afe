//! `orion schema`: the JSON Schema of rule files, for editors that complete and check while one writes.

use std::process::ExitCode;

use orion_rules::schema as schema_of;

use crate::cli::{Failure, SchemaArgs};
use crate::output::print;
use crate::rule_set::shelf;

/// Prints it. Knows the standard plugins and those of the folder.
pub fn schema(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let shelf = shelf(&args.plugins)?;
    let schema = schema_of(shelf.manifests());
    print(&format!("{schema:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}
