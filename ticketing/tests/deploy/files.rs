//! Files that others read: the image's recipe, compose, workflows, scripts, pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::{install, path, text};

fn in_folder(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<_> =
        entries.filter(|it| it.extension().is_some_and(|it| it == extension)).collect();
    assert!(!found.is_empty(), "nothing of {extension} in {folder}");
    found
}

/// Runs a checker that prints what is wrong and ends badly then.
fn checked(command: &mut Command) {
    let ended = command.output().unwrap();
    let told = [ended.stdout, ended.stderr].concat();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&told));
}

#[tokio::test]
async fn workflows_and_compose_are_what_their_readers_expect() {
    let tools = match install::python().await {
        Ok(tools) => tools,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let workflows = in_folder(".github/workflows", "yml");
    let schema = |name: &str| {
        let mut command = Command::new(tools.join("check-jsonschema"));
        command.args(["--builtin-schema", name]);
        command
    };
    checked(schema("vendor.github-workflows").args(&workflows));
    checked(schema("vendor.compose-spec").arg(path("compose.yaml")));
    // What an attacker could do with them: permissions, credentials that stay, text that is run.
    let mut audit = Command::new(tools.join("zizmor"));
    checked(
        audit
            .args(["--offline", "--quiet", "--no-progress", "--min-severity", "medium"])
            .args(&workflows),
    );
    let texts: Map<String, Value> = workflows
        .iter()
        .map(|it| (it.display().to_string(), fs::read_to_string(it).unwrap().into()))
        .collect();
    match install::asked_of_node(&json!({ "documents": [], "workflows": texts })).await {
        Ok(problems) => assert!(problems.is_empty(), "{problems:#?}"),
        Err(why) => println!("actionlint is not asked: {why}"),
    }
}

#[tokio::test]
async fn scripts_are_sound() {
    match install::python().await {
        Ok(tools) => {
            let scripts = in_folder("deploy", "sh");
            checked(
                Command::new(tools.join("shellcheck"))
                    .args(["--external-sources", "--source-path", "SCRIPTDIR"])
                    .args(&scripts),
            );
        }
        Err(why) => println!("skipped: {why}"),
    }
}

/// A tag can be moved to something else by whoever owns the action; a commit cannot.
#[test]
fn actions_are_pinned_by_commit_and_say_which_version_that_is() {
    let mut problems = Vec::new();
    for workflow in in_folder(".github/workflows", "yml") {
        let text = fs::read_to_string(&workflow).unwrap();
        for line in text.lines().filter(|line| line.contains("uses:")) {
            let used = line.split("uses:").nth(1).unwrap().trim();
            let (action, comment) = used.split_once(" # ").unwrap_or((used, ""));
            let commit = action.split_once('@').map(|(_, commit)| commit).unwrap_or_default();
            let pinned = commit.len() == 40 && commit.chars().all(|it| it.is_ascii_hexdigit());
            let local = action.starts_with("./");
            let fixed = pinned && comment.starts_with('v');
            if !local && !fixed {
                problems.push(format!("{}: {used}", workflow.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_image_is_not_of_root_and_its_bases_are_arguments() {
    let recipe = text("deploy/Dockerfile");
    let last = recipe.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("${RUNTIME_BASE}\n"));
    assert!(last.contains("\nUSER 65532:65532\n"));
    let bases = recipe.lines().filter_map(|line| line.strip_prefix("ARG ")?.split_once("_BASE="));
    let bases: Vec<_> = bases.collect();
    assert_eq!(bases.len(), 2, "{bases:?}");
    assert!(bases.iter().all(|(_, image)| image.contains(':') && !image.ends_with(":latest")));
    let toolchain = text("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).unwrap();
    assert!(recipe.contains(&format!("rust:{version}-")), "built by another Rust than {version}");
}

/// Pages name files that are there.
#[test]
fn pages_lead_somewhere() {
    let mut problems = Vec::new();
    for page in ["deploy", "operations", "sizing", "security"] {
        let page = PathBuf::from(format!("docs/{page}.md"));
        let text = text(page.to_str().unwrap());
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let file = target.0.split('#').next().unwrap_or_default();
            let elsewhere = file.is_empty() || file.starts_with("http");
            let at = path(Path::new("docs").join(file).to_str().unwrap());
            if !elsewhere && !at.exists() {
                problems.push(format!("{}: {file}", page.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}
