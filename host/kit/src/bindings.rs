//! The bindings of Rust as text. A project that had them made by a macro would compile the generator first, which is most of a
//! minute before a first detector runs.

use orion_model::Kind;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

use crate::toolchain::world;

/// How the macro begins that the SDK has them made with, and how it ends.
const MACRO_BEGINS: &str = "    wit_bindgen::generate!({";
const MACRO_ENDS: &str = "    });";

/// The source of the SDK with the bindings in the place of the macro.
pub fn written_out(source: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = source;
    while let Some((before, call)) = rest.split_once(MACRO_BEGINS) {
        let (arguments, after) = call.split_once(MACRO_ENDS).ok_or("a call of the generator does not end")?;
        let kind = if arguments.contains(world(Kind::Detector)) { Kind::Detector } else { Kind::Correlator };
        text.push_str(before);
        text.push_str(&bindings(kind)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// What the macro would have made.
fn bindings(kind: Kind) -> Result<String, String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("orion.wit", orion_componentize::CONTRACT_WIT).map_err(|why| format!("{why:#}"))?;
    let world = resolve.select_world(&[package], Some(world(kind))).map_err(|why| format!("{why:#}"))?;
    let options = wit_bindgen_rust::Opts {
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{}", kind.as_str())),
        ..wit_bindgen_rust::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).map_err(|why| format!("{why:#}"))?;
    let (_, source) = files.iter().next().ok_or("the generator made nothing")?;
    String::from_utf8(source.to_vec()).map_err(|why| why.to_string())
}
