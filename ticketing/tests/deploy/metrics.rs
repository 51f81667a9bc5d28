//! Alerts and dashboards name only metrics that the program has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use local_services::testing::TestFolder;
use serde_json::Value;

use crate::rules::array;
use crate::{path, text};

/// Metrics of others: Prometheus itself, and the machines of Kubernetes.
const NOT_OURS: &[&str] =
    &["up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"];

/// Names in a file of ours that are metrics for sure: they follow the words that use them.
fn recorded(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let at = entry.unwrap().path();
        if at.is_dir() {
            recorded(&at, found);
        } else if at.extension().is_some_and(|it| it == "rs") {
            let code = fs::read_to_string(&at).unwrap();
            let literals = code.split('"').skip(1).step_by(2);
            found.extend(literals.filter(|it| is_name(it)).map(str::to_owned));
        }
    }
}

fn is_name(text: &str) -> bool {
    text.contains('_')
        && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

fn ours() -> BTreeSet<String> {
    let crates = [
        "command-api",
        "domain",
        "embedded-log",
        "eventlog",
        "process-managers",
        "projectors",
        "query-api",
        "relay",
        "ticketing",
        "web",
    ];
    let mut found = BTreeSet::new();
    for name in crates {
        recorded(&path(name).join("src"), &mut found);
    }
    found
}

/// The metrics that an expression names: words before a brace, or alone in a pair of parentheses.
fn named(expression: &str) -> BTreeSet<&str> {
    let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let mut names = BTreeSet::new();
    for (at, _) in expression.match_indices('{') {
        let before = &expression[..at];
        let start = before.rfind(|it| !is_word(it)).map_or(0, |at| at + 1);
        names.insert(&before[start..]);
    }
    names.remove("");
    names
}

fn unknown(expression: &str, ours: &BTreeSet<String>) -> Vec<String> {
    let plain = |name: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        let base = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        ours.contains(name) || ours.contains(base) || NOT_OURS.contains(&name)
    };
    let names = named(expression).into_iter().filter(|name| !plain(name));
    names.map(|name| format!("nothing records {name}, which is in {expression:?}")).collect()
}

#[test]
fn the_names_of_an_expression_are_found() {
    let expression = "sum by (a) (rate(x_total{n=\"1\"}[5m])) > 0.1 * max(y_seconds{n=\"2\"})";
    assert_eq!(named(expression), BTreeSet::from(["x_total", "y_seconds"]));
    assert_eq!(unknown(expression, &BTreeSet::from(["y_seconds".to_owned()])).len(), 1);
}

#[test]
fn the_dashboard_names_only_what_is_recorded() {
    let ours = ours();
    let dashboard: Value =
        serde_json::from_str(&text("deploy/helm/ticketing/files/dashboard.json")).unwrap();
    let targets = array(&dashboard["panels"]).flat_map(|panel| array(&panel["targets"]));
    let expressions: Vec<_> = targets.filter_map(|it| it["expr"].as_str()).collect();
    assert!(expressions.len() > 10);
    let problems: Vec<_> = expressions.iter().flat_map(|it| unknown(it, &ours)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Alerts are YAML, so they are read from what the chart renders.
pub(crate) fn problems_of_alerts(documents: &[&Value]) -> Vec<String> {
    let (ours, runbook) = (ours(), text("docs/operations.md"));
    let sections: BTreeSet<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(anchor).collect();
    let rules = documents.iter().filter(|it| it["kind"] == "PrometheusRule");
    let rules: Vec<_> = rules
        .flat_map(|it| array(&it["spec"]["groups"]))
        .flat_map(|it| array(&it["rules"]))
        .collect();
    let mut problems = Vec::new();
    for rule in rules {
        problems.extend(unknown(rule["expr"].as_str().unwrap_or_default(), &ours));
        let page = rule["annotations"]["runbook_url"].as_str().unwrap_or_default();
        let section = page.rsplit_once('#').map(|(_, section)| section).unwrap_or_default();
        if !sections.contains(section) {
            problems
                .push(format!("{}: docs/operations.md has no section #{section}", rule["alert"]));
        }
    }
    problems
}

/// Prometheus' own tool reads the rules, and asks of some whether they come when they should. It is not
/// installed for this: where it is, as by Debian's package `prometheus`, it is used.
#[test]
fn alerts_come_when_they_should() {
    let folder = TestFolder::new();
    let rules = text("deploy/helm/ticketing/files/alerts.yaml")
        .replace("RUNBOOK", "https://runbook")
        .replace("NAMESPACE", "tickets")
        .replace("RELEASE", "shop");
    fs::write(folder.path().join("alerts.yaml"), rules).unwrap();
    fs::copy(path("deploy/checks/alerts.test.yaml"), folder.path().join("test.yaml")).unwrap();
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "test.yaml"]] {
        match Command::new("promtool").args(arguments).current_dir(folder.path()).output() {
            Ok(ended) => {
                let told = [ended.stdout, ended.stderr].concat();
                assert!(ended.status.success(), "{}", String::from_utf8_lossy(&told));
            }
            Err(why) => println!("skipped: promtool is not there: {why}"),
        }
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = |it: &char| it.is_alphanumeric() || matches!(it, ' ' | '-');
    heading.to_lowercase().chars().filter(kept).map(|it| if it == ' ' { '-' } else { it }).collect()
}
