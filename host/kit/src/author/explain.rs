//! What keeps a component from being a plugin, in words: its world beside that of the contract.

use orion_model::Kind;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind, WorldId, WorldItem};

use crate::toolchain::world;

/// All differences that matter, each a line. Nothing for bytes that are no component: admission has said so.
pub fn differences(component: &[u8], kind: Kind) -> Vec<String> {
    let Ok(DecodedWasm::Component(found, found_world)) = decode(component) else { return Vec::new() };
    let mut wanted = Resolve::default();
    let Ok(package) = wanted.push_str("orion.wit", orion_componentize::CONTRACT_WIT) else { return Vec::new() };
    let Ok(wanted_world) = wanted.select_world(&[package], Some(world(kind))) else { return Vec::new() };
    let mut lines = imports(&found, found_world, &wanted, wanted_world);
    lines.extend(exports(&found, found_world, &wanted, wanted_world));
    lines
}

fn imports(found: &Resolve, found_world: WorldId, wanted: &Resolve, wanted_world: WorldId) -> Vec<String> {
    let allowed = interfaces(wanted, wanted_world, Side::Import);
    let mut lines = Vec::new();
    for (name, functions) in interfaces(found, found_world, Side::Import) {
        match allowed.iter().find(|(allowed, _)| *allowed == name) {
            None => lines.push(format!("imports {name}: {}", way_out(&name))),
            Some((_, allowed)) => lines.extend(compared(&name, found, &functions, wanted, allowed, "imports")),
        }
    }
    lines
}

fn exports(found: &Resolve, found_world: WorldId, wanted: &Resolve, wanted_world: WorldId) -> Vec<String> {
    let there = interfaces(found, found_world, Side::Export);
    let mut lines = Vec::new();
    for (name, functions) in interfaces(wanted, wanted_world, Side::Export) {
        match there.iter().find(|(there, _)| *there == name) {
            None => lines.push(format!("export {name} is missing")),
            Some((_, there)) => lines.extend(compared(&name, found, there, wanted, &functions, "exports")),
        }
    }
    lines
}

/// How to build without an import that no plugin may have.
fn way_out(name: &str) -> &'static str {
    match name.split_once('/').map_or(name, |(package, _)| package) {
        "wasi:filesystem" | "wasi:cli" | "wasi:io" | "wasi:clocks" | "wasi:random" | "wasi:sockets" => {
            "a plugin has no system behind it. Build for WASI preview 1 (wasm32-wasip1, GOOS=wasip1) or without WASI \
             (wasm32-unknown-unknown, wasm32-freestanding) and let `orion-kit build` make the component; with componentize-py use \
             --stub-wasi, with componentize-js --disable all"
        }
        "wasi:http" => {
            "a plugin cannot speak to anything. Data comes to it as frames and events; leave out what asks for more"
        }
        _ => "a plugin can do one thing, emit; leave out what needs more",
    }
}

#[derive(Clone, Copy)]
enum Side {
    Import,
    Export,
}

/// The interfaces on one side of a world with their functions; a function that stands alone is an interface of its own.
fn interfaces(resolve: &Resolve, world: WorldId, side: Side) -> Vec<(String, Vec<&Function>)> {
    let Some(world) = resolve.worlds.get(world) else { return Vec::new() };
    let items = match side {
        Side::Import => &world.imports,
        Side::Export => &world.exports,
    };
    let functions = items.iter().filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
    functions.map(|(key, item)| (resolve.name_world_key(key), functions_of(resolve, item))).collect()
}

fn functions_of<'r>(resolve: &'r Resolve, item: &'r WorldItem) -> Vec<&'r Function> {
    match item {
        WorldItem::Interface { id, .. } => {
            resolve.interfaces.get(*id).map(|interface| interface.functions.values().collect()).unwrap_or_default()
        }
        WorldItem::Function(function) => vec![function],
        WorldItem::Type { .. } => Vec::new(),
    }
}

fn compared(
    interface: &str,
    found: &Resolve,
    there: &[&Function],
    wanted: &Resolve,
    functions: &[&Function],
    verb: &str,
) -> Vec<String> {
    let mut lines = Vec::new();
    for function in functions {
        let name = format!("{interface}#{}", function.name);
        let Some(same) = there.iter().find(|other| other.name == function.name) else {
            // What it does not call is no fault of it.
            if verb == "exports" {
                lines.push(format!("export {name} is missing"));
            }
            continue;
        };
        let (have, want) = (signature(found, same), signature(wanted, function));
        if have != want {
            lines.push(format!("{verb} {name} with the type {have}; the contract wants {want}"));
        }
    }
    lines
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters =
        function.params.iter().map(|parameter| shape(resolve, &parameter.ty)).collect::<Vec<_>>().join(", ");
    match &function.result {
        Some(result) => format!("({parameters}) -> {}", shape(resolve, result)),
        None => format!("({parameters})"),
    }
}

/// A type as it is made up, whatever it is called: that is what has to agree.
fn shape(resolve: &Resolve, of: &Type) -> String {
    let Type::Id(id) = of else { return format!("{of:?}").to_lowercase() };
    let Some(definition) = resolve.types.get(*id) else { return "?".to_owned() };
    let inner = |inner: &Type| shape(resolve, inner);
    let maybe = |inner: &Option<Type>| inner.as_ref().map_or_else(|| "_".to_owned(), |inner| shape(resolve, inner));
    let list = |open: &str, items: Vec<String>| format!("{open}{{{}}}", items.join(", "));
    match &definition.kind {
        TypeDefKind::Type(alias) => inner(alias),
        TypeDefKind::List(item) => format!("list<{}>", inner(item)),
        TypeDefKind::Option(item) => format!("option<{}>", inner(item)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", maybe(&result.ok), maybe(&result.err)),
        TypeDefKind::Record(record) => {
            list("record", record.fields.iter().map(|field| format!("{}: {}", field.name, inner(&field.ty))).collect())
        }
        TypeDefKind::Variant(variant) => {
            let case = |name: &str, of: &Option<Type>| {
                of.as_ref().map_or_else(|| name.to_owned(), |of| format!("{name}({})", inner(of)))
            };
            list("variant", variant.cases.iter().map(|one| case(&one.name, &one.ty)).collect())
        }
        TypeDefKind::Enum(all) => list("enum", all.cases.iter().map(|case| case.name.clone()).collect()),
        TypeDefKind::Flags(all) => list("flags", all.flags.iter().map(|flag| flag.name.clone()).collect()),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(inner).collect::<Vec<_>>().join(", ")),
        TypeDefKind::Handle(Handle::Own(_)) => "own<resource>".to_owned(),
        TypeDefKind::Handle(Handle::Borrow(_)) => "borrow<resource>".to_owned(),
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_told_what_to_do_without_what_is_missing_and_which_types_are_wanted() {
        let component = wat::parse_str(
            r#"(component
                (import "wasi:filesystem/preopens@0.2.0" (instance (export "directories" (func))))
                (import "orion:plugin/findings@1.0.0" (instance $findings (export "emit" (func (param "f" u32)))))
                (alias export $findings "emit" (func $emit))
                (instance $detector (export "observe" (func $emit)))
                (export "orion:plugin/detector@1.0.0" (instance $detector)))"#,
        );
        let said = differences(&component.unwrap(), Kind::Detector);
        assert!(
            said[0].starts_with("imports wasi:filesystem/preopens@0.2.0: a plugin has no system behind it. Build for")
        );
        assert!(
            said[1].starts_with(
                "imports orion:plugin/findings@1.0.0#emit with the type (u32); the contract wants (record{"
            )
        );
        assert!(said.contains(&"export orion:plugin/detector@1.0.0#configure is missing".to_owned()), "{said:?}");
        let observe = "exports orion:plugin/detector@1.0.0#observe with the type (u32); the contract wants (s64, list<u32>, \
                       list<s64>, list<f64>)";
        assert!(said.contains(&observe.to_owned()), "{said:?}");
        assert!(differences(b"no component", Kind::Detector).is_empty());
    }
}
