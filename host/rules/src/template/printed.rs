//! Which labels a template prints whenever it is rendered: what its author counts on.
//!
//! Labels that are only asked for (`{{ if $labels.a }}`, `or $labels.a $labels.b`), or printed in a branch, may well be
//! missing, and are left out.

use std::collections::BTreeSet;

use super::tree::{Node, Operand, Pipeline, Tree};

/// Functions that choose between what they are given.
const CHOOSE: [&str; 2] = ["and", "or"];

/// Names of the labels that are printed outside of every branch.
pub(super) fn labels(tree: &Tree) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for node in &tree.nodes {
        if let Node::Output(pipeline) = node {
            // From here on `$labels` may be something else.
            if pipeline.variables.iter().any(|name| name == "labels") {
                break;
            }
            collect(pipeline, &mut names);
        }
    }
    names
}

fn collect<'t>(pipeline: &'t Pipeline, names: &mut BTreeSet<&'t str>) {
    let chooses = |operand: &Operand| matches!(operand, Operand::Function(function) if CHOOSE.contains(&function.name));
    for command in pipeline.commands.iter().filter(|command| !command.iter().any(chooses)) {
        for operand in command {
            match operand {
                Operand::Variable(variable, fields) if variable == "labels" => {
                    names.extend(fields.first().map(String::as_str))
                }
                Operand::Field(fields) => {
                    if let [root, name, ..] = fields.as_slice()
                        && root == "Labels"
                    {
                        names.insert(name);
                    }
                }
                Operand::Nested(pipeline, _) => collect(pipeline, names),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;

    fn printed(text: &str) -> Vec<String> {
        let template = Template::parse(text).unwrap();
        template.printed_labels().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_printed_for_certain_is_found() {
        assert_eq!(
            printed("{{ $labels.b }} {{ .Labels.a | toUpper }} {{ printf \"%s\" ($labels.c) }}"),
            ["a", "b", "c"]
        );
        assert_eq!(printed("{{ $value }} {{ .Value }} {{ $labels }} plain"), [""; 0]);
    }

    #[test]
    fn what_may_be_missing_is_left_out() {
        for text in [
            "{{ if $labels.a }}{{ $labels.a }}{{ end }}",
            "{{ with $labels.a }}{{ .b }}{{ end }}",
            "{{ or $labels.a $labels.b }}",
            "{{ range $k, $v := $labels }}{{ $v }}{{ end }}",
            "{{ $labels := 1 }}{{ $labels }}",
            "{{ define \"x\" }}{{ .Labels.a }}{{ end }}",
        ] {
            assert_eq!(printed(text), [""; 0], "{text}");
        }
    }
}
