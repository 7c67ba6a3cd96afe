//! One rule file: text in, a [`RuleFile`] or everything that is wrong with it out.

use std::collections::BTreeSet;

use orion_model::Digest;
use sha2::{Digest as _, Sha256};

use crate::catalog::PluginCatalog;
use crate::checker::Checker;
use crate::diagnostic::Diagnostic;
use crate::key::{Form, Key, key, names_of};
use crate::keys::{Fields, nearest, text_of};
use crate::log_entry::LogEntry;
use crate::rule::{Correlation, Group, RuleFile};
use crate::tree::{self, Node};
use crate::{correlation, group, log, sigma};

/// The Kubernetes resource that holds rules under `spec`.
pub(crate) const PROMETHEUS_RULE: &str = "PrometheusRule";

/// What a rule file may have.
pub(crate) const KEYS: [Key; 3] = [
    key("groups", Form::ListOf("group"), "Groups of alerting rules, as Prometheus has them."),
    key("correlations", Form::ListOf("correlation"), "Which events make which incidents."),
    key("logs", Form::ListOf("log"), "Which lines of which logs are events."),
];

/// What a Kubernetes resource of rules may have.
pub(crate) const RESOURCE_KEYS: [Key; 5] = [
    key("apiVersion", Form::Text, "Of the resource."),
    key("kind", Form::Text, "`PrometheusRule` holds rules."),
    key("metadata", Form::Anything, "Of the resource; not looked at."),
    key("spec", Form::Defined("spec"), "The rules."),
    key("status", Form::Anything, "Of the resource; not looked at."),
];

/// What the `spec` of one may have.
pub(crate) const SPEC_KEYS: [Key; 1] = [key("groups", Form::ListOf("group"), "Groups of alerting rules.")];

const RULES_ARE_READ_FROM: &str = "rules are read from kind: PrometheusRule";

/// What `kubectl get -o yaml` prints several resources as: the first for any kind, the second for this one alone.
pub(crate) const LISTS: [&str; 2] = ["List", "PrometheusRuleList"];

/// What became of a text.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The file; `None` when there is any error.
    pub file: Option<RuleFile>,
    /// Everything there is to say, in file order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks one rule file. Never panics; does a bounded amount of work whatever the text.
pub fn parse_file(name: &str, text: &str, catalog: &dyn PluginCatalog) -> Parsed {
    let (documents, syntax_error) = tree::parse(text);
    let mut checker = Checker::new(name, text, catalog);
    let mut contents = Contents::default();
    let mut sigma = sigma::Documents::default();
    for document in documents.iter().filter(|document| sigma::is_document(document)) {
        sigma.add(document, sigma::is_correlation(document));
    }
    for document in &documents {
        contents.read_document(&mut checker, document, &sigma);
    }
    log_rules(&mut checker, &documents);
    if let Some(error) = syntax_error {
        checker.report.error(&error.bytes, error.message).maybe_help(error.help);
    } else if contents.is_empty() && !documents.iter().any(sigma::is_document) && !checker.report.has_errors() {
        checker.report.note(&(0..0), "this file holds no rules");
    }
    let accepted = !checker.report.has_errors();
    let file = accepted.then(|| RuleFile {
        name: name.to_owned(),
        digest: Digest::from_bytes(Sha256::digest(text.as_bytes()).into()),
        groups: contents.groups,
        correlations: contents.correlations,
        logs: contents.logs,
        recording_rules: checker.recording_rules,
    });
    Parsed { file, diagnostics: checker.report.finish() }
}

/// One sentence a file, as for recording rules.
fn log_rules(checker: &mut Checker<'_, '_>, documents: &[Node]) {
    let is_log_rule = |document: &&Node| sigma::is_document(document) && !sigma::is_correlation(document);
    let mut rules = documents.iter().filter(is_log_rule);
    let Some(first) = rules.next() else { return };
    let message = match rules.count() {
        0 => "this Sigma rule is not evaluated: Orion reads logs by entries of `logs`".to_owned(),
        more => {
            format!("{} Sigma rules of this file are not evaluated: Orion reads logs by entries of `logs`", more + 1)
        }
    };
    let help = "an alert whose `event_type` is the name of the rule takes its place in correlations";
    let first_line = checker.report.source.line_bytes(checker.report.source.line(first.bytes.start));
    checker.report.note(&first_line, message).help(help);
}

/// What the documents of a file held so far.
#[derive(Default)]
struct Contents<'n> {
    groups: Vec<Group>,
    correlations: Vec<Correlation>,
    logs: Vec<LogEntry>,
    group_names: BTreeSet<&'n str>,
    correlation_names: BTreeSet<&'n str>,
    log_ids: BTreeSet<&'n str>,
}

impl<'n> Contents<'n> {
    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.correlations.is_empty() && self.logs.is_empty()
    }

    /// Only Kubernetes resources have a `kind`.
    fn read_document(&mut self, checker: &mut Checker<'_, '_>, document: &'n Node, sigma: &sigma::Documents<'n>) {
        if document.is_null() {
            return;
        }
        if sigma::is_document(document) {
            if sigma::is_correlation(document) {
                self.correlations.extend(sigma::read(checker, document, sigma, &mut self.correlation_names));
            }
            return;
        }
        match document.entry("kind") {
            None => {
                let mut group_names = std::mem::take(&mut self.group_names);
                self.read_groups(checker, document, "a rule file", &names_of(&KEYS), &mut group_names);
                self.group_names = group_names;
            }
            Some(kind) => self.read_resource(checker, document, kind),
        }
    }

    fn read_groups(
        &mut self,
        checker: &mut Checker<'_, '_>,
        node: &'n Node,
        what: &str,
        known: &[&str],
        group_names: &mut BTreeSet<&'n str>,
    ) {
        let Some(fields) = Fields::known(&mut checker.report, node, what, known) else { return };
        for group in fields.list(&mut checker.report, "groups") {
            self.groups.extend(group::read(checker, group, group_names));
        }
        for correlation in fields.list(&mut checker.report, "correlations") {
            self.correlations.extend(correlation::read(checker, correlation, &mut self.correlation_names));
        }
        for entry in fields.list(&mut checker.report, "logs") {
            self.logs.extend(log::read(checker, entry, &mut self.log_ids));
        }
    }

    fn read_resource(&mut self, checker: &mut Checker<'_, '_>, resource: &'n Node, kind: &Node) {
        let Some(word) = text_of(&mut checker.report, kind, "`kind`") else { return };
        match word.as_str() {
            PROMETHEUS_RULE => self.read_prometheus_rule(checker, resource, kind),
            list if LISTS.contains(&list) => self.read_list(checker, resource, list),
            other => {
                let message = format!("a `{other}` holds no rules and is skipped");
                match nearest(other, LISTS.into_iter().chain([PROMETHEUS_RULE])) {
                    Some(near) => checker.report.warning(word.bytes(), message).help(format!("did you mean `{near}`?")),
                    None => checker.report.note(word.bytes(), message).help(RULES_ARE_READ_FROM),
                };
            }
        }
    }

    fn read_list(&mut self, checker: &mut Checker<'_, '_>, list: &'n Node, what: &str) {
        let known = ["apiVersion", "kind", "metadata", "items"];
        let Some(fields) = Fields::known(&mut checker.report, list, &format!("a {what}"), &known) else { return };
        for item in fields.list(&mut checker.report, "items") {
            match item.entry("kind") {
                Some(kind) => self.read_resource(checker, item, kind),
                None => {
                    checker.report.error(&item.bytes, format!("an item of a {what} needs `kind`")).label("no `kind`");
                }
            }
        }
    }

    fn read_prometheus_rule(&mut self, checker: &mut Checker<'_, '_>, resource: &'n Node, kind: &Node) {
        let known = names_of(&RESOURCE_KEYS);
        let Some(fields) = Fields::known(&mut checker.report, resource, "a PrometheusRule", &known) else { return };
        match fields.get("spec") {
            // Each resource is a file of its own to whoever loads it, so names of groups are unique within it only.
            Some(spec) => self.read_groups(checker, spec, "`spec`", &names_of(&SPEC_KEYS), &mut BTreeSet::new()),
            None => {
                checker.report.error(&kind.bytes, "a PrometheusRule needs `spec`");
            }
        }
    }
}
