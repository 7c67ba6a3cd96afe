//! Data as text, for all binaries: columns for people, YAML for people and programs.

use serde_json::Value;

/// Columns as wide as their widest cell, two spaces apart; the last one as long as it is.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut header.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// Block YAML of a JSON value. Texts are always quoted as JSON does it, which is YAML too and leaves no text to be
/// mistaken for a number or a truth value.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(&mut text, value, 0);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn write_yaml(text: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut nested = String::new();
                write_yaml(&mut nested, item, indent + 2);
                text.push_str(&format!("{pad}- {}", nested.trim_start()));
                end_line(text);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let name = Value::from(name.as_str());
                match member {
                    Value::Array(inner) if !inner.is_empty() => text.push_str(&format!("{pad}{name}:\n")),
                    Value::Object(inner) if !inner.is_empty() => text.push_str(&format!("{pad}{name}:\n")),
                    scalar => {
                        text.push_str(&format!("{pad}{name}: {scalar}\n"));
                        continue;
                    }
                }
                write_yaml(text, member, indent + 2);
                end_line(text);
            }
        }
        scalar => text.push_str(&format!("{pad}{scalar}")),
    }
}

fn end_line(text: &mut String) {
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_block_style_with_quoted_texts() {
        let value = serde_json::json!({"id": "1", "labels": {"a": "yes"}, "list": [1, {"b": [], "c": [true]}]});
        let want =
            "\"id\": \"1\"\n\"labels\":\n  \"a\": \"yes\"\n\"list\":\n  - 1\n  - \"b\": []\n    \"c\":\n      - true\n";
        assert_eq!(yaml(&value), want);
    }

    #[test]
    fn columns_line_up_and_trail_no_spaces() {
        let rows = vec![vec!["a".to_owned(), "long text".to_owned()], vec!["bbb".to_owned(), String::new()]];
        assert_eq!(columns(&["ID", "WHAT"], &rows), "ID   WHAT\na    long text\nbbb\n");
    }
}
