//! The Kubernetes base: as kustomize builds it, against the schemas of Kubernetes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{repository, taken, text, tool};

const BASE: &str = "deploy/kubernetes/base";

/// Every resource that the base makes.
fn built() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("built.yaml");
    let yaml = taken(tool("kubectl").arg("kustomize").arg(repository(BASE)));
    std::fs::write(&file, &yaml).unwrap();
    // Strict: a key that Kubernetes does not know, it would pass over in silence.
    taken(tool("kubernetes-validate").args(["--strict", "--quiet"]).arg(&file));
    let as_json = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    serde_json::from_str(&taken(tool("python3").args(["-c", as_json]).arg(&file))).unwrap()
}

fn of_kind<'a>(resources: &'a [Value], kind: &str) -> &'a Value {
    resources.iter().find(|resource| resource["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn the_base_is_what_kubernetes_takes_and_runs_with_the_least() {
    let resources = built();
    let kinds: BTreeSet<&str> = resources.iter().map(|resource| resource["kind"].as_str().unwrap()).collect();
    let expected =
        ["ConfigMap", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "StatefulSet"];
    assert_eq!(kinds, BTreeSet::from(expected), "and no rights of any kind");
    let hosts = &of_kind(&resources, "StatefulSet")["spec"];
    assert!(hosts["replicas"].as_u64().unwrap() > 1);
    let pod = &hosts["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let security = &pod["securityContext"];
    assert_eq!((&security["runAsNonRoot"], &security["runAsUser"]), (&true.into(), &65532.into()));
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["capabilities"]["drop"][0], "ALL");
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert!(container[probe]["httpGet"]["path"].is_string(), "{probe}");
    }
    assert_eq!(
        container["livenessProbe"]["httpGet"]["path"], "/-/healthy",
        "a source that is down is no reason to restart"
    );
    assert!(container["resources"]["limits"]["memory"].is_string());
    let namespace = of_kind(&resources, "Namespace");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
}

#[test]
fn an_edit_of_the_rules_is_a_change_of_the_folder_and_not_a_new_pod() {
    let resources = built();
    let rules = of_kind(&resources, "ConfigMap");
    // With a hash of the content in its name every edit would start all hosts anew.
    assert_eq!(rules["metadata"]["name"], "orion-rules");
    for (name, rule_file) in rules["data"].as_object().unwrap() {
        assert_eq!(rule_file.as_str().unwrap(), text(&format!("rules/{name}")), "{name}");
    }
    let in_folder = std::fs::read_dir(repository("rules")).unwrap().map(|entry| entry.unwrap().file_name());
    let files: BTreeSet<String> = in_folder.map(|name| name.into_string().unwrap()).collect();
    let shipped = files.iter().filter(|name| name.ends_with(".yaml") && *name != "orion.yaml");
    assert!(shipped.eq(rules["data"].as_object().unwrap().keys()), "every rule file that ships, and those alone");
    let mounts = &of_kind(&resources, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"];
    let mount = mounts.as_array().unwrap().iter().find(|mount| mount["name"] == "rules").unwrap();
    assert_eq!((&mount["mountPath"], &mount["subPath"]), (&"/etc/orion/rules".into(), &Value::Null));
}

#[test]
fn secrets_come_as_files_that_somebody_else_makes() {
    let resources = built();
    assert!(resources.iter().all(|resource| resource["kind"] != "Secret"));
    let container = &of_kind(&resources, "StatefulSet")["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array().unwrap();
    let password = variables.iter().find(|variable| variable["name"] == "ORION_REDIS__PASSWORD_FILE").unwrap();
    assert_eq!(password["value"], "/run/secrets/redis/password");
    assert!(variables.iter().all(|variable| variable["valueFrom"].is_null()), "a variable is seen by whoever looks");
}
