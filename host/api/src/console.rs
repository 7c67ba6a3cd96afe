//! The console: pages for people, out of the binary.
//!
//! One page and the files it is made of, written by hand and served as they are, packed with gzip for who takes that. A file's path
//! has the hash of all of them in it, so it may be kept for ever, and a page never runs with files of another build. Paths are
//! relative throughout: a proxy may put the console wherever it likes.
//!
//! What a page shows it asks of `/api/v1`, like anybody. So what is served here tells nothing of a deployment, and needs no token.

mod files;

use std::io::Write;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::document::{tag_of, tagged};
use crate::problem::Problem;
use files::{FILES, File, PAGE};

/// Stands in the page for the hash of all files.
const VERSION: &str = "{version}";

/// Digits of that hash: enough that no two builds share one.
const VERSION_DIGITS: usize = 16;

/// What a browser is told about whatever comes from here. Nothing is fetched from elsewhere, nothing runs that is not a file of the
/// console, nobody shows it in a frame of theirs, and no text is taken for something that runs.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A file as it is sent.
struct Packed {
    name: &'static str,
    kind: &'static str,
    plain: Bytes,
    gzip: Option<Bytes>,
}

/// All of it, packed when somebody first asks.
struct Console {
    version: String,
    page: Packed,
    files: Vec<Packed>,
}

static CONSOLE: LazyLock<Console> = LazyLock::new(|| {
    let mut hash = blake3::Hasher::new();
    for file in [PAGE].iter().chain(FILES) {
        hash.update(file.name.as_bytes()).update(file.bytes);
    }
    let version: String = hash.finalize().to_hex().chars().take(VERSION_DIGITS).collect();
    let page = String::from_utf8_lossy(PAGE.bytes).replace(VERSION, &version);
    Console {
        page: Packed::new(PAGE.name, page.into()),
        files: FILES.iter().map(|File { name, bytes }| Packed::new(name, Bytes::from_static(bytes))).collect(),
        version,
    }
});

impl Packed {
    fn new(name: &'static str, plain: Bytes) -> Self {
        Self { name, kind: kind_of(name), gzip: gzip(&plain).ok().map(Bytes::from), plain }
    }

    /// As who asks can take it.
    fn answer(&self, asked: &HeaderMap, keep: &'static str) -> Response {
        let head = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.kind)),
            (header::CACHE_CONTROL, HeaderValue::from_static(keep)),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        match &self.gzip {
            Some(gzip) if takes_gzip(asked) => {
                let packed = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (head, [packed], gzip.clone()).into_response()
            }
            _ => (head, self.plain.clone()).into_response(),
        }
    }
}

/// `GET /`: the console is what people look for.
pub(crate) async fn lead_there() -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "console/")]).into_response()
}

/// `GET /console/`
pub(crate) async fn page(headers: HeaderMap) -> Response {
    let page = &CONSOLE.page;
    tagged(page.answer(&headers, "no-cache"), tag_of(&page.plain))
}

/// `GET /console/{version}/{name}`
pub(crate) async fn file(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let found = CONSOLE.files.iter().find(|file| file.name == name && version == CONSOLE.version);
    match found {
        Some(file) => file.answer(&headers, "public, max-age=31536000, immutable"),
        None => Problem::no_such_path().await.into_response(),
    }
}

/// Says to browsers what they may do with any answer.
pub(crate) async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let Some(taken) = headers.get(header::ACCEPT_ENCODING).and_then(|taken| taken.to_str().ok()) else { return false };
    taken.split(',').any(|one| {
        let (name, rest) = one.split_once(';').unwrap_or((one, ""));
        // `q=0` refuses it.
        name.trim() == "gzip" && !matches!(rest.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What all of the console may take on the way, packed.
    const MAX_GZIP_BYTES: usize = 300 * 1024;

    fn names(folder: &std::path::Path, before: &str) -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let of = |entry: std::fs::DirEntry| {
            let name = format!("{before}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() { names(&entry.path(), &format!("{name}/")) } else { BTreeSet::from([name]) }
        };
        entries.flat_map(of).collect()
    }

    #[test]
    fn every_file_of_the_folder_is_served_and_no_other() {
        let served: BTreeSet<String> = [PAGE].iter().chain(FILES).map(|file| file.name.to_owned()).collect();
        assert_eq!(served, names(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("console"), ""));
    }

    #[test]
    fn all_of_it_is_small() {
        let console = &*CONSOLE;
        let bytes: usize = console.files.iter().chain([&console.page]).map(|it| it.gzip.as_ref().unwrap().len()).sum();
        println!("the console has {bytes} bytes, packed");
        assert!(bytes <= MAX_GZIP_BYTES, "{bytes}");
    }

    /// The policy of contents would not let it run; but then the page would lack what it was there for.
    #[test]
    fn nothing_in_it_runs_inline_or_comes_from_elsewhere_and_no_text_becomes_markup() {
        for file in [PAGE].iter().chain(FILES) {
            let text = std::str::from_utf8(file.bytes).unwrap().replace("http://www.w3.org/2000/svg", "");
            for forbidden in
                ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"]
            {
                assert!(!text.contains(forbidden), "{}: {forbidden}", file.name);
            }
        }
        let page = std::str::from_utf8(PAGE.bytes).unwrap();
        for forbidden in ["<script>", "<style", " style=", " onclick=", "=\"/"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn every_file_that_the_page_names_is_there_under_the_hash_of_all() {
        let console = &*CONSOLE;
        let page = std::str::from_utf8(&console.page.plain).unwrap();
        let named: Vec<&str> =
            page.split('"').filter_map(|it| it.strip_prefix(&format!("{}/", console.version))).collect();
        assert!(named.contains(&"main.js") && named.contains(&"app.css"), "{page}");
        for name in named {
            assert!(console.files.iter().any(|file| file.name == name), "{name}");
        }
    }

    #[test]
    fn who_takes_gzip_is_told_apart() {
        let takes = |text: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]))
        };
        for yes in ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8"] {
            assert!(takes(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "xgzip"] {
            assert!(!takes(no), "{no}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
