//! The files of the console, as they are in the binary.

/// A file.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) bytes: &'static [u8],
}

macro_rules! file {
    ($name:literal) => {
        File { name: $name, bytes: include_bytes!(concat!("../../console/", $name)) }
    };
}

/// The one page.
pub(super) const PAGE: File = file!("index.html");

/// What it is made of.
pub(super) const FILES: &[File] = &[
    file!("api.js"),
    file!("app.css"),
    file!("chart.js"),
    file!("dialog.js"),
    file!("diff.js"),
    file!("dom.js"),
    file!("filters.js"),
    file!("help.js"),
    file!("icon.svg"),
    file!("incidents.js"),
    file!("keys.js"),
    file!("list.js"),
    file!("main.js"),
    file!("pages.css"),
    file!("pages/audit.js"),
    file!("pages/feed.js"),
    file!("pages/incident.js"),
    file!("pages/plugins.js"),
    file!("pages/proof.js"),
    file!("pages/rule.js"),
    file!("pages/rules.js"),
    file!("pages/series.js"),
    file!("pages/source.js"),
    file!("pages/system.js"),
    file!("pages/why.js"),
    file!("palette.js"),
    file!("severity.js"),
    file!("sparks.js"),
    file!("standing.js"),
    file!("stream.js"),
    file!("time.js"),
    file!("token.js"),
];
