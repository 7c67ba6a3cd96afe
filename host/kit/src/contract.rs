//! The plugin contract as a page to read: every function and type of the WIT with what its comments say, and the name and type that
//! each function has in a core module, for whoever brings a toolchain of their own.

use orion_componentize::{CONTRACT_WIT, core_type};
use orion_model::Kind;
use wit_parser::abi::AbiVariant;
use wit_parser::{Docs, Function, Interface, Resolve, Type, TypeDefKind, WorldItem, WorldKey};

use crate::toolchain::world;

const HEAD: &str = "\
# The plugin contract

Version `v1`, made of [wit/v1/orion.wit](../wit/v1/orion.wit) by `orion-kit contract`. What the host promises beyond names and types,
and the limits that calls live under, are in [plugins.md](plugins.md). Authors do not meet any of this: the SDK of their language turns
it into what is usual there.
";

const CORE: &str = "\
## In a core module

A module exports the functions of its kind under the names below, its memory as `memory`, and
`cabi_realloc (i32, i32, i32, i32) -> i32`, with which the host makes room for lists and texts: old address, old size, alignment, new
size. Lists and texts are two numbers, address and length; a result that is more than one number is the address of where it lies. This
is the canonical ABI of the component model. `orion-kit build` makes the component.
";

/// The page, in Markdown.
pub fn reference() -> Result<String, String> {
    let mut resolve = Resolve::default();
    let failed = |why: &dyn std::fmt::Display| format!("the contract cannot be read: {why:#}");
    let package = resolve.push_str("orion.wit", CONTRACT_WIT).map_err(|why| failed(&why))?;
    let mut page = HEAD.to_owned();
    if let Some(package) = resolve.packages.get(package) {
        page.push_str(&said(&package.docs));
    }
    page.push('\n');
    page.push_str(CORE);
    for kind in [Kind::Detector, Kind::Correlator] {
        let world = resolve.select_world(&[package], Some(world(kind))).map_err(|why| failed(&why))?;
        let Some(world) = resolve.worlds.get(world) else { continue };
        for (key, item) in &world.exports {
            let title = format!("A {}: what the host calls", kind.as_str());
            page.push_str(&section(&resolve, &title, key, item, AbiVariant::GuestExport));
        }
        for (key, item) in &world.imports {
            let title = format!("A {}: what it can call", kind.as_str());
            page.push_str(&section(&resolve, &title, key, item, AbiVariant::GuestImport));
        }
    }
    Ok(page)
}

/// What an interface has.
fn section(resolve: &Resolve, title: &str, key: &WorldKey, item: &WorldItem, side: AbiVariant) -> String {
    let WorldItem::Interface { id, .. } = item else { return String::new() };
    let Some(interface) = resolve.interfaces.get(*id) else { return String::new() };
    let name = resolve.name_world_key(key);
    let mut text = format!("\n## {title}\n\n`{name}`\n{}", said(&interface.docs));
    for function in interface.functions.values() {
        text.push_str(&call(resolve, &name, function, side));
    }
    text.push_str(&types(resolve, interface));
    text
}

fn call(resolve: &Resolve, interface: &str, function: &Function, side: AbiVariant) -> String {
    let of = |parameter: &wit_parser::Param| format!("{}: {}", parameter.name, written(resolve, &parameter.ty));
    let parameters = function.params.iter().map(of).collect::<Vec<_>>().join(", ");
    let result = function.result.as_ref().map(|result| format!(" -> {}", written(resolve, result)));
    let core = core_type(resolve, side, function);
    let core = match side {
        AbiVariant::GuestImport => format!("import `{}` of `{interface}`, `{core}`", function.name),
        _ => format!("export `{interface}#{}`, `{core}`", function.name),
    };
    format!(
        "\n### {}\n\n```wit\n{}({parameters}){}\n```\n{}\nCore module: {core}\n",
        function.name,
        function.name,
        result.unwrap_or_default(),
        said(&function.docs),
    )
}

/// The types of an interface, each a table of its parts.
fn types(resolve: &Resolve, interface: &Interface) -> String {
    let mut text = String::new();
    for (name, id) in &interface.types {
        let Some(definition) = resolve.types.get(*id) else { continue };
        let maybe =
            |of: &Option<Type>| of.as_ref().map_or_else(String::new, |of| format!("`{}`", written(resolve, of)));
        let parts: Vec<(&str, String, &Docs)> = match &definition.kind {
            TypeDefKind::Record(record) => {
                record.fields.iter().map(|field| (&*field.name, maybe(&Some(field.ty)), &field.docs)).collect()
            }
            TypeDefKind::Variant(variant) => {
                variant.cases.iter().map(|case| (&*case.name, maybe(&case.ty), &case.docs)).collect()
            }
            TypeDefKind::Enum(all) => all.cases.iter().map(|case| (&*case.name, String::new(), &case.docs)).collect(),
            _ => Vec::new(),
        };
        let head = format!("\n### {} {name}\n{}", definition.kind.as_str(), said(&definition.docs));
        text.push_str(&head);
        text.push_str("\n| | | |\n|---|---|---|\n");
        for (part, of, docs) in parts {
            text.push_str(&format!("| `{part}` | {of} | {} |\n", line(docs)));
        }
    }
    text
}

/// A type as the WIT writes it.
fn written(resolve: &Resolve, of: &Type) -> String {
    let Type::Id(id) = of else { return format!("{of:?}").to_lowercase() };
    let Some(definition) = resolve.types.get(*id) else { return "?".to_owned() };
    if let Some(name) = &definition.name {
        return name.clone();
    }
    let maybe = |inner: &Option<Type>| inner.as_ref().map_or_else(|| "_".to_owned(), |inner| written(resolve, inner));
    match &definition.kind {
        TypeDefKind::List(item) => format!("list<{}>", written(resolve, item)),
        TypeDefKind::Option(item) => format!("option<{}>", written(resolve, item)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", maybe(&result.ok), maybe(&result.err)),
        other => other.as_str().to_owned(),
    }
}

/// A comment as a paragraph.
fn said(docs: &Docs) -> String {
    docs.contents.as_ref().map_or_else(String::new, |text| format!("\n{}\n", text.trim()))
}

/// A comment on one line.
fn line(docs: &Docs) -> String {
    docs.contents.as_ref().map_or_else(String::new, |text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../docs/contract.md");

    #[test]
    fn the_page_of_the_contract_is_what_the_wit_says() {
        let now = reference().unwrap();
        assert!(PAGE == now, "`orion-kit contract > docs/contract.md` writes it anew");
    }

    #[test]
    fn every_function_and_every_comment_of_the_wit_is_on_the_page() {
        let page = reference().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        for comment in CONTRACT_WIT.lines().filter_map(|line| line.trim().strip_prefix("/// ")) {
            assert!(page.contains(&comment.split_whitespace().collect::<Vec<_>>().join(" ")), "{comment}");
        }
        let observe = "export `orion:plugin/detector@1.0.0#observe`, `(i64, i32, i32, i32, i32, i32, i32)`";
        assert!(page.contains(observe) && page.contains("import `emit` of `orion:plugin/incidents@1.0.0`"), "{page}");
    }
}
