//! The chart: rendered in every case of `deploy/checks/cases.yaml`.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::rules::{RULES, Release};
use crate::{install, metrics, path, settings, text};

/// Cases that name no file which only a pod has.
const ASKED_OF_THE_PROGRAM: &[&str] =
    &["everything external and no way in", "the embedded log without TLS", "every setting"];

/// What `render.py` says.
#[derive(Deserialize)]
struct Rendered {
    /// Every document of every case.
    documents: BTreeMap<String, Vec<Value>>,
    problems: Vec<String>,
}

#[tokio::test]
async fn the_chart_is_sound_in_every_mode() {
    let rendered = match rendered().await {
        Ok(rendered) => rendered,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let mut problems = rendered.problems;
    let reference = settings::reference();
    let mut releases = Vec::new();
    for (case, documents) in &rendered.documents {
        let release = Release::new(documents);
        let mut found: Vec<_> = RULES.iter().flat_map(|(_, rule)| rule(&release)).collect();
        found.extend(settings::problems(&reference, &release));
        if ASKED_OF_THE_PROGRAM.contains(&case.as_str()) {
            found.extend(settings::problems_by_the_program(&reference, &release));
        }
        problems.extend(found.into_iter().map(|problem| format!("{case}: {problem}")));
        releases.push(release);
    }
    problems.extend(settings::never_set(&reference, &releases));
    let all: Vec<&Value> = rendered.documents.values().flatten().collect();
    problems.extend(metrics::problems_of_alerts(&all));
    match install::asked_of_node(&json!({ "documents": all, "workflows": {} })).await {
        Ok(found) => problems.extend(found),
        Err(why) => println!("the kinds that Kubernetes does not know go unchecked: {why}"),
    }
    problems.sort();
    problems.dedup();
    assert!(problems.is_empty(), "{problems:#?}");
}

async fn rendered() -> Result<Rendered, String> {
    let python = install::python().await?.join("python");
    let ended = Command::new(python).arg(path("deploy/checks/render.py")).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "render.py: {told}");
    Ok(serde_json::from_slice(&ended.stdout).unwrap())
}

/// What the models of other groups are asked with is strict at every depth.
#[tokio::test]
async fn a_field_that_no_model_knows_is_refused() {
    let cluster = |spec: Value| {
        let (version, kind) = ("postgresql.cnpg.io/v1", "Cluster");
        json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "a" }, "spec": spec })
    };
    let instances = json!({ "instances": 3, "storage": { "size": "1Gi" } });
    let deep = json!({ "instances": 3, "bootstrap": { "initdb": { "dataChecksum": true } } });
    let wrong = json!({ "instances": 3, "postgresql": { "synchronous": { "method": "some" } } });
    let strange =
        json!({ "apiVersion": "example.com/v1", "kind": "A", "metadata": { "name": "a" } });
    let documents = [cluster(instances), cluster(deep), cluster(wrong), strange];
    match install::asked_of_node(&json!({ "documents": documents, "workflows": {} })).await {
        Ok(found) => {
            let expected = ["spec/bootstrap/initdb/dataChecksum is unknown", "method", "no model"];
            assert_eq!(found.len(), expected.len(), "{found:#?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{expected}: {found}");
            }
        }
        Err(why) => println!("skipped: {why}"),
    }
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let chart = text("deploy/helm/ticketing/Chart.yaml");
    let line = format!("appVersion: {}", env!("CARGO_PKG_VERSION"));
    assert!(chart.lines().any(|it| it == line), "no {line:?} in Chart.yaml");
}
