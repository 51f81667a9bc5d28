//! What Prometheus reads of a role, and what alerts and the dashboard ask it for.

#![allow(clippy::float_arithmetic, reason = "Prometheus knows no other numbers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Labels that Prometheus adds, by the chart's `ServiceMonitors`.
const ADDED: [&str; 3] = ["namespace", "pod", "service"];
/// Metrics of Prometheus itself and of the machines.
const NOT_OURS: [&str; 3] =
    ["up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"];

type Labels = BTreeMap<String, String>;

/// All that some roles serve.
#[derive(Default)]
pub(crate) struct Exported {
    types: BTreeMap<String, String>,
    series: Vec<(String, Labels, f64)>,
}

/// A metric that an expression names, with the labels and the type that it takes for granted.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    name: String,
    labels: BTreeSet<String>,
    of_type: &'static str,
}

impl Exported {
    pub(crate) async fn by(addresses: &[String]) -> Self {
        let mut all = Self::default();
        for address in addresses {
            let answer = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
            all.read(&answer.text().await.unwrap());
        }
        all
    }

    fn read(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(of_type) = line.strip_prefix("# TYPE ") {
                let (name, of_type) = of_type.split_once(' ').unwrap();
                self.types.insert(name.to_owned(), of_type.to_owned());
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, inner) = series.split_once('{').unwrap_or((series, ""));
                let labels = matchers(inner).map(|(key, value)| (key.to_owned(), value.to_owned()));
                self.series.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
            }
        }
    }

    /// The sum of what has these labels; none when nothing has.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |of: &Labels| {
            labels.iter().all(|(key, value)| of.get(*key).is_some_and(|it| it == value))
        };
        let found = self.series.iter().filter(|(it, of, _)| it == name && fits(of));
        found.map(|(.., value)| *value).reduce(|sum, value| sum + value)
    }

    /// Where the alerts and the dashboard ask for what is not there.
    pub(crate) fn problems(&self) -> Vec<String> {
        let expressions = expressions();
        assert!(expressions.len() > 40, "{expressions:#?}");
        let asked =
            expressions.iter().flat_map(|it| asked(it)).filter(|it| !NOT_OURS.contains(&&*it.name));
        asked.filter_map(|it| self.problem(&it)).collect()
    }

    fn problem(&self, asked: &Asked) -> Option<String> {
        let Asked { name, labels, of_type } = asked;
        let found = self.types.get(name);
        if found.is_none_or(|found| found != of_type) {
            return Some(format!("{name} is asked for as a {of_type}, and is {found:?}"));
        }
        let has_all = |of: &Labels| labels.iter().all(|label| of.contains_key(label));
        let there = self.series.iter().any(|(it, of, _)| it == name && has_all(of));
        (!there).then(|| format!("{name} is asked for by {labels:?}, and has no such labels"))
    }
}

fn expressions() -> Vec<String> {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/helm/ticketing/files");
    let alerts = fs::read_to_string(files.join("alerts.yaml")).unwrap();
    let alerts = alerts.split("- alert:").skip(1).map(|alert| {
        let expression = alert.split_once("expr:").unwrap().1;
        let ends =
            ["\n        for:", "\n        labels:"].iter().filter_map(|end| expression.find(end));
        expression[..ends.min().unwrap()].to_owned()
    });
    let dashboard = fs::read_to_string(files.join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let targets =
        dashboard["panels"].as_array().unwrap().iter().filter_map(|it| it["targets"].as_array());
    let shown = targets.flatten().map(|it| it["expr"].as_str().unwrap().to_owned());
    alerts.chain(shown).collect()
}

fn asked(expression: &str) -> Vec<Asked> {
    let grouped = expression.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
    let grouped: BTreeSet<&str> = grouped.flat_map(|(labels, _)| labels.split(", ")).collect();
    let mut asked = Vec::new();
    for (at, _) in expression.match_indices('{') {
        let before = &expression[..at];
        let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let start = before.rfind(|it| !is_word(it)).map_or(0, |at| at + 1);
        let matched = matchers(&expression[at + 1..]).map(|(label, _)| label);
        let labels: BTreeSet<&str> = matched.chain(grouped.iter().copied()).collect();
        let of_type = if ["rate(", "increase("].iter().any(|it| before[..start].ends_with(it)) {
            "counter"
        } else if labels.contains("quantile") {
            "summary"
        } else {
            "gauge"
        };
        let labels = labels.into_iter().filter(|it| !ADDED.contains(it)).map(str::to_owned);
        asked.push(Asked { name: before[start..].to_owned(), labels: labels.collect(), of_type });
    }
    asked
}

/// The labels up to the closing brace, with what they are compared with.
fn matchers(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (label, after) = rest.split_once('"').filter(|(label, _)| !label.contains('}'))?;
        let (value, after) = after.split_once('"')?;
        rest = after;
        let label = label.trim_matches(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        Some((label, value))
    })
}

#[test]
fn what_an_expression_asks_for_is_found() {
    let expression = "max by (a) (x{n=\"1\", q=~\"b.*\"}) > sum(rate(y_total{n=\"2\"}[5m]))";
    let asks = |name: &str, labels: &[&str], of_type| Asked {
        name: name.to_owned(),
        labels: labels.iter().map(|it| (*it).to_owned()).collect(),
        of_type,
    };
    let found = asked(expression);
    assert_eq!(
        found,
        [asks("x", &["a", "n", "q"], "gauge"), asks("y_total", &["a", "n"], "counter")]
    );
}
