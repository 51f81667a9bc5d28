//! What we ask of every release, beyond what the schemas of Kubernetes do.

mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::text;

pub(crate) type Rule = fn(&Release<'_>) -> Vec<String>;

/// By name, so that each can be broken on purpose.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("restricted", restricted),
    ("probes", probes),
    ("resources", resources),
    ("images", images),
    ("secrets by name", secrets_by_name),
    ("secrets in the docs", secrets_in_the_docs),
    ("selectors", selectors),
    ("disruption", disruption),
    ("policies", policies),
    ("backends", backends),
    ("time to end", time_to_end),
];

/// The documents of one case.
pub(crate) struct Release<'a> {
    documents: &'a [Value],
    pub(crate) pods: Vec<Pod<'a>>,
}

/// A pod, and what makes it.
pub(crate) struct Pod<'a> {
    pub(crate) name: String,
    kind: &'a str,
    replicas: u64,
    labels: BTreeMap<&'a str, &'a str>,
    spec: &'a Value,
}

impl<'a> Release<'a> {
    pub(crate) fn new(documents: &'a [Value]) -> Self {
        Self { documents, pods: documents.iter().filter_map(Pod::of).collect() }
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &'a Value> {
        self.documents.iter().filter(move |it| it["kind"] == kind)
    }
}

impl<'a> Pod<'a> {
    fn of(document: &'a Value) -> Option<Self> {
        let kind = document["kind"].as_str()?;
        let template = match kind {
            "Deployment" | "StatefulSet" | "Job" => &document["spec"]["template"],
            "CronJob" => &document["spec"]["jobTemplate"]["spec"]["template"],
            "Pod" => document,
            _ => return None,
        };
        Some(Self {
            name: format!("{kind} {}", name(document)),
            kind,
            replicas: document["spec"]["replicas"].as_u64().unwrap_or(2),
            labels: labels(&template["metadata"]["labels"]),
            spec: &template["spec"],
        })
    }

    /// Those that run as long as the pod does.
    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        array(&self.spec["containers"])
    }

    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        array(&self.spec["initContainers"]).chain(self.containers())
    }

    fn serves(&self) -> bool {
        matches!(self.kind, "Deployment" | "StatefulSet")
    }
}

pub(crate) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn name(value: &Value) -> &str {
    value["metadata"]["name"].as_str().or(value["name"].as_str()).unwrap_or_default()
}

fn labels(value: &Value) -> BTreeMap<&str, &str> {
    let labels = value.as_object().into_iter().flatten();
    labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())).collect()
}

/// Whether a `LabelSelector` means these labels.
fn selects(selector: &Value, of: &BTreeMap<&str, &str>) -> bool {
    let all =
        labels(&selector["matchLabels"]).iter().all(|(key, value)| of.get(key) == Some(value));
    let every = array(&selector["matchExpressions"]).all(|expression| {
        let value = expression["key"].as_str().and_then(|key| of.get(key));
        value.is_some_and(|value| array(&expression["values"]).any(|it| it == value))
    });
    all && every
}

/// The Pod Security Standard `restricted`, and a file system that is only read.
fn restricted(release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in &release.pods {
        let mut ask = |good: bool, what: &str| {
            if !good {
                problems.push(format!("{}: {what}", pod.name));
            }
        };
        let of_pod = &pod.spec["securityContext"];
        ask(of_pod["runAsNonRoot"] == true, "runAsNonRoot is not set");
        ask(
            of_pod["runAsUser"].as_u64().is_some_and(|user| user > 0),
            "runAsUser is root or unsaid",
        );
        ask(of_pod["seccompProfile"]["type"] == "RuntimeDefault", "no seccomp profile");
        ask(pod.spec["automountServiceAccountToken"] == false, "gets a token of Kubernetes");
        ask(pod.spec["enableServiceLinks"] == false, "gets variables of every Service");
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            ask(pod.spec[host].is_null(), host);
        }
        let of_machine = array(&pod.spec["volumes"]).any(|volume| !volume["hostPath"].is_null());
        ask(!of_machine, "mounts a folder of the machine");
        for container in pod.all_containers() {
            let context = &container["securityContext"];
            ask(context["allowPrivilegeEscalation"] == false, "may gain privileges");
            ask(context["readOnlyRootFilesystem"] == true, "may write to its file system");
            ask(context["capabilities"]["drop"][0] == "ALL", "keeps capabilities");
            ask(context["capabilities"]["add"].is_null(), "gains capabilities");
            ask(context["privileged"].is_null(), "is privileged");
        }
    }
    problems
}

fn probes(release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in release.pods.iter().filter(|pod| pod.serves()) {
        for container in pod.containers() {
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                let of = &container[probe];
                let port = [&of["httpGet"]["port"], &of["tcpSocket"]["port"]];
                let known = array(&container["ports"])
                    .any(|it| port.contains(&&it["name"]) || port.contains(&&it["containerPort"]));
                if !known {
                    problems.push(format!(
                        "{}: {probe} asks no port of {}",
                        pod.name,
                        name(container)
                    ));
                }
            }
        }
    }
    problems
}

/// What it needs is said, so that it gets it; and memory has an end. The processor has none: to be
/// held back in the middle of a request helps nobody.
fn resources(release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in &release.pods {
        for container in pod.all_containers() {
            let resources = &container["resources"];
            for (kind, what) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")]
            {
                if !resources[kind][what].is_string() {
                    problems.push(format!("{}: no {kind} of {what}", pod.name));
                }
            }
        }
    }
    problems
}

fn images(release: &Release<'_>) -> Vec<String> {
    let images = release.pods.iter().flat_map(Pod::all_containers).map(|it| &it["image"]);
    let moves = |image: &Value| {
        let image = image.as_str().unwrap_or_default();
        let last = image.rsplit('/').next().unwrap_or_default();
        let tag = last.split_once(':').map(|(_, tag)| tag);
        tag.is_none_or(|tag| tag.is_empty() || tag == "latest") && !last.contains("@sha256:")
    };
    images.filter(|image| moves(image)).map(|image| format!("{image} may be any image")).collect()
}

/// Every variable that is secret comes from a Secret, or is put together from such.
fn secrets_by_name(release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let secret = ["KEY", "KEYS", "PASSWORD", "SECRET", "TOKEN"];
    let address = ["URL", "URI"];
    for pod in &release.pods {
        for variable in pod.all_containers().flat_map(|it| array(&it["env"])) {
            let variable_name = name(variable);
            let last = variable_name.rsplit('_').next().unwrap_or_default();
            let value = variable["value"].as_str().unwrap_or_default();
            let in_clear = !value.is_empty() && secret.contains(&last) && !value.starts_with('/');
            let password = address.contains(&last)
                && value.split_once('@').is_some_and(|(before, _)| !before.contains("$("));
            if in_clear || password {
                problems.push(format!("{}: {variable_name} holds a secret in clear", pod.name));
            }
        }
    }
    if release.of_kind("Secret").next().is_some() {
        problems.push("a Secret is made by the chart".to_owned());
    }
    problems
}

/// Whoever installs it finds every Secret and key in docs/deploy.md, unless the cluster makes it.
fn secrets_in_the_docs(release: &Release<'_>) -> Vec<String> {
    let page = text("docs/deploy.md");
    let made: BTreeSet<&str> =
        release.of_kind("Certificate").filter_map(|it| it["spec"]["secretName"].as_str()).collect();
    let by_operator =
        |secret: &str| release.of_kind("Cluster").any(|it| secret.starts_with(name(it)));
    let mut problems = Vec::new();
    for pod in &release.pods {
        for variable in pod.all_containers().flat_map(|it| array(&it["env"])) {
            let from = &variable["valueFrom"]["secretKeyRef"];
            let (Some(secret), Some(key)) = (from["name"].as_str(), from["key"].as_str()) else {
                continue;
            };
            let row = |line: &str| {
                line.starts_with(&format!("| `{secret}` ")) && line.contains(&format!("`{key}`"))
            };
            let known = made.contains(secret) || by_operator(secret) || page.lines().any(row);
            if !known {
                problems.push(format!("docs/deploy.md does not know {key} of Secret {secret}"));
            }
        }
    }
    problems
}

fn selectors(release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut ask = |document: &Value, selector: &Value| {
        if !release.pods.iter().any(|pod| selects(selector, &pod.labels)) {
            problems.push(format!("{} {} selects no pod", document["kind"], name(document)));
        }
    };
    for service in release.of_kind("Service") {
        ask(service, &serde_json::json!({ "matchLabels": service["spec"]["selector"] }));
    }
    for budget in release.of_kind("PodDisruptionBudget") {
        ask(budget, &budget["spec"]["selector"]);
    }
    let services: Vec<_> =
        release.of_kind("Service").map(|it| labels(&it["metadata"]["labels"])).collect();
    for monitor in release.of_kind("ServiceMonitor") {
        if !services.iter().any(|service| selects(&monitor["spec"]["selector"], service)) {
            problems.push(format!("ServiceMonitor {} selects no Service", name(monitor)));
        }
    }
    problems
}

/// Whatever has replicas keeps all but one of them while machines are emptied, and does not put
/// them all on one machine.
fn disruption(release: &Release<'_>) -> Vec<String> {
    let budgets: Vec<_> = release.of_kind("PodDisruptionBudget").collect();
    let several = release.pods.iter().filter(|pod| pod.serves() && pod.replicas > 1);
    let mut problems = Vec::new();
    for pod in several {
        if !budgets.iter().any(|budget| selects(&budget["spec"]["selector"], &pod.labels)) {
            problems.push(format!("{} has no PodDisruptionBudget", pod.name));
        }
        if pod.spec["affinity"]["podAntiAffinity"].is_null() {
            problems.push(format!("{} may lie on one machine only", pod.name));
        }
    }
    problems
}

/// If there are policies at all, there is one for each pod, in both directions.
fn policies(release: &Release<'_>) -> Vec<String> {
    let policies: Vec<_> = release.of_kind("NetworkPolicy").collect();
    let mut problems = Vec::new();
    if policies.is_empty() {
        return problems;
    }
    for pod in &release.pods {
        for direction in ["Ingress", "Egress"] {
            let held = policies.iter().any(|policy| {
                let of = array(&policy["spec"]["policyTypes"]).any(|it| it == direction);
                of && selects(&policy["spec"]["podSelector"], &pod.labels)
            });
            if !held {
                problems.push(format!(
                    "no policy for {} of {}",
                    direction.to_lowercase(),
                    pod.name
                ));
            }
        }
    }
    problems
}

/// Routes lead to Services and ports that are there.
fn backends(release: &Release<'_>) -> Vec<String> {
    let there = |service: &Value, port: &Value| {
        release.of_kind("Service").filter(|it| name(it) == service).any(|it| {
            array(&it["spec"]["ports"]).any(|at| &at["port"] == port || &at["name"] == port)
        })
    };
    let mut problems = Vec::new();
    let rules =
        |kind: &'static str| release.of_kind(kind).flat_map(|it| array(&it["spec"]["rules"]));
    for backend in rules("HTTPRoute").flat_map(|rule| array(&rule["backendRefs"])) {
        if !there(&backend["name"], &backend["port"]) {
            problems.push(format!("HTTPRoute leads to {}, which is not there", backend["name"]));
        }
    }
    for path in rules("Ingress").flat_map(|rule| array(&rule["http"]["paths"])) {
        let service = &path["backend"]["service"];
        if !there(&service["name"], &service["port"]["name"]) {
            problems.push(format!("Ingress leads to {}, which is not there", service["name"]));
        }
    }
    problems
}

/// The server drains for ten seconds once it is told to end, after the kubelet has slept.
fn time_to_end(release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in release.pods.iter().filter(|pod| pod.serves()) {
        let slept = pod.containers().map(|it| &it["lifecycle"]["preStop"]["sleep"]["seconds"]);
        let slept = slept.filter_map(Value::as_u64).max().unwrap_or(0);
        let given = pod.spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(0);
        if given < slept + 30 {
            problems.push(format!("{} is killed while it drains", pod.name));
        }
    }
    problems
}
