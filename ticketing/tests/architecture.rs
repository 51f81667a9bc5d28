//! Who may import whom, and which library is entered only through which crate. The same tables are
//! explained in docs/ARCHITECTURE.md; `deny.toml` keeps the doors through transitive dependencies.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The whole import table; `ticketing` wires everything together and may import all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("embedded-log", &[]),
    ("bench", &["domain", "embedded-log", "eventlog", "local-services", "projectors", "relay"]),
    ("stripe-sandbox", &[]),
    ("consumer-example", &[]),
    ("local-services", &[]),
    ("mutants", &[]),
    ("trace-context", &[]),
    ("eventlog", &["domain", "mutants", "trace-context"]),
    ("web", &["domain", "trace-context"]),
    ("command-api", &["web", "eventlog", "domain"]),
    ("process-managers", &["eventlog", "domain", "mutants", "trace-context"]),
    ("projectors", &["eventlog", "domain"]),
    ("relay", &["eventlog", "domain", "mutants"]),
    // Of eventlog only the half that reads: see the_query_side_cannot_append.
    ("query-api", &["web", "eventlog", "domain"]),
];

/// A library and the crates that may use it. `ticketing` opens the pool of connections and hands
/// it on, so it is named where that needs the library.
const DOORS: &[(&str, &[&str])] = &[
    ("kurrentdb", &["eventlog", "bench"]),
    ("tonic", &["embedded-log"]),
    ("fjall", &["embedded-log"]),
    ("async-nats", &["relay", "consumer-example", "bench"]),
    ("async-graphql", &["query-api"]),
    ("async-graphql-axum", &["query-api"]),
    ("async-stripe", &["process-managers"]),
    ("async-stripe-core", &["process-managers"]),
    (
        "sqlx",
        &[
            "eventlog",
            "projectors",
            "process-managers",
            "query-api",
            "relay",
            "local-services",
            "ticketing",
            "bench",
        ],
    ),
];

struct Package {
    /// Name of the dependency, and whether only tests use it.
    dependencies: Vec<(String, bool)>,
}

fn workspace() -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let dependencies = dependencies
                .map(|it| (it["name"].as_str().unwrap().to_owned(), it["kind"] == "dev"))
                .collect();
            (package["name"].as_str().unwrap().to_owned(), Package { dependencies })
        })
        .collect()
}

#[test]
fn crates_import_only_what_the_table_allows() {
    let workspace = workspace();
    let table: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut offences = Vec::new();
    for (name, package) in workspace.iter().filter(|(name, _)| *name != "ticketing") {
        let Some(allowed) = table.get(name.as_str()) else {
            offences.push(format!("{name} is not in the import table"));
            continue;
        };
        for (dependency, only_tests) in &package.dependencies {
            let ours = workspace.contains_key(dependency);
            if ours && !only_tests && !allowed.contains(&dependency.as_str()) {
                offences.push(format!("{name} -> {dependency}"));
            }
        }
    }
    assert!(offences.is_empty(), "forbidden imports: {offences:#?}");
}

/// A type that can only read is all that the query side knows of the log.
#[test]
fn the_query_side_cannot_append() {
    const MAY_USE: [&str; 3] = ["LogReader", "LogError", "Loaded"];
    let mut files = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/../query-api/src").into()];
    let mut offences = Vec::new();
    let mut used = 0;
    while let Some(path) = files.pop() {
        let path: std::path::PathBuf = path;
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for after in text.split("eventlog::").skip(1) {
            let names = after.split(';').next().unwrap();
            let names = names.strip_prefix('{').and_then(|list| list.split('}').next());
            let names = names
                .unwrap_or_else(|| after.split(|c: char| !c.is_alphanumeric()).next().unwrap());
            for name in names.split(',').map(str::trim) {
                used += 1;
                if !MAY_USE.contains(&name) {
                    offences.push(format!("{}: eventlog::{name}", path.display()));
                }
            }
        }
    }
    assert!(used > 0, "the test looks at nothing");
    assert!(offences.is_empty(), "the query side uses more of the log: {offences:#?}");
}

#[test]
fn libraries_are_entered_only_through_their_doors() {
    let mut offences = Vec::new();
    for (name, package) in workspace() {
        for (dependency, only_tests) in &package.dependencies {
            let door = DOORS.iter().find(|(library, _)| library == dependency);
            if let Some((library, doors)) = door
                && !only_tests
                && !doors.contains(&name.as_str())
            {
                offences.push(format!("{name} -> {library}"));
            }
        }
    }
    assert!(offences.is_empty(), "entered past the door: {offences:#?}");
}

#[test]
fn every_library_is_named_with_its_reason() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dependencies.md");
    let page = fs::read_to_string(page).unwrap();
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let named: BTreeSet<_> =
        first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let workspace = workspace();
    let used: BTreeSet<_> = workspace
        .values()
        .flat_map(|package| &package.dependencies)
        .map(|(name, _)| name.as_str())
        .filter(|name| !workspace.contains_key(*name))
        .collect();
    assert_eq!(named, used, "docs/dependencies.md (left) names what the manifests use (right)");
}

#[test]
fn every_metric_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/metrics.md")).unwrap();
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let explained: BTreeSet<String> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    // The log explains its own; the benchmark and the example for consumers have none.
    let elsewhere = ["embedded-log", "bench", "consumer-example"];
    let mut recorded = BTreeSet::new();
    for name in workspace().into_keys().filter(|name| !elsewhere.contains(&name.as_str())) {
        metrics_in(&root.join(name).join("src"), &mut recorded);
    }
    assert_eq!(explained, recorded, "docs/metrics.md (left) and the code (right)");
}

/// The names that follow the macros which record.
fn metrics_in(folder: &Path, recorded: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            metrics_in(&path, recorded);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(path).unwrap();
            for record in ["counter!(", "gauge!(", "histogram!("] {
                let names = text.split(record).skip(1);
                let names = names.filter_map(|rest| rest.trim_start().strip_prefix('"'));
                recorded.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }
}
