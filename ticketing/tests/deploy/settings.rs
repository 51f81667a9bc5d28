//! The program's own list of its settings, and what the chart sets.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::rules::{Pod, Release, array, name};

/// Settings that a pod of ours has no use for.
const LEFT_OUT: &[(&str, &str)] = &[
    ("TICKETING_DATA", "the keys come from a Secret"),
    ("TICKETING_NATS_CERTIFICATE", "the relay shows who it is by password, credentials or nkey"),
    ("TICKETING_NATS_KEY", "goes with the certificate"),
    ("TICKETING_LOG_USERS_FILE", "one user is enough, and comes from a Secret"),
];

/// What `ticketing config reference --json` prints.
#[derive(Deserialize)]
pub(crate) struct Reference {
    global: Vec<Setting>,
    commands: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    command: String,
    settings: Vec<Setting>,
}

#[derive(Deserialize)]
struct Setting {
    option: Option<String>,
    env: Option<String>,
    values: Vec<String>,
    required: bool,
}

pub(crate) fn reference() -> Reference {
    let program = env!("CARGO_BIN_EXE_ticketing");
    let told = Command::new(program).args(["config", "reference", "--json"]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

/// A container that runs the program.
struct Ours<'a> {
    pod: &'a str,
    arguments: Vec<&'a str>,
    env: BTreeMap<&'a str, Option<&'a str>>,
    command: &'a Described,
}

impl<'a> Ours<'a> {
    /// Those of a release; an error is one that calls no command there is.
    fn of(
        release: &'a Release<'_>,
        reference: &'a Reference,
    ) -> impl Iterator<Item = Result<Self, String>> {
        let containers = release.pods.iter().flat_map(|pod| {
            let of_program = |it: &&Value| is_ours(it["image"].as_str().unwrap_or_default());
            pod.all_containers().filter(of_program).map(move |container| (pod, container))
        });
        containers.map(|(pod, container)| Self::one(pod, container, reference))
    }

    fn one(
        pod: &'a Pod<'_>,
        container: &'a Value,
        reference: &'a Reference,
    ) -> Result<Self, String> {
        let arguments: Vec<_> = array(&container["args"]).filter_map(Value::as_str).collect();
        let line = arguments.join(" ");
        let called =
            |it: &&Described| line == it.command || line.starts_with(&format!("{} ", it.command));
        let command = reference.commands.iter().find(called);
        let command =
            command.ok_or_else(|| format!("{}: there is no `ticketing {line}`", pod.name))?;
        let env = array(&container["env"]).map(|it| (name(it), it["value"].as_str())).collect();
        Ok(Self { pod: &pod.name, arguments, env, command })
    }

    fn settings(&self, reference: &'a Reference) -> impl Iterator<Item = &'a Setting> + use<'a> {
        self.command.settings.iter().chain(&reference.global)
    }
}

fn is_ours(image: &str) -> bool {
    image.split(['@', ':']).next().is_some_and(|name| name.ends_with("/ticketing"))
}

/// Where the release says something that the program does not understand, or leaves out what it needs.
pub(crate) fn problems(reference: &Reference, release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for ours in Ours::of(release, reference) {
        match ours {
            Ok(ours) => problems.extend(problems_of(&ours, reference)),
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

fn problems_of(ours: &Ours<'_>, reference: &Reference) -> Vec<String> {
    let mut problems = Vec::new();
    let settings: BTreeMap<_, _> =
        ours.settings(reference).filter_map(|it| Some((it.env.as_deref()?, it))).collect();
    for (variable, value) in &ours.env {
        let put_into_another =
            ours.arguments.iter().copied().chain(ours.env.values().copied().flatten());
        let only_part =
            put_into_another.into_iter().any(|it| it.contains(&format!("$({variable})")));
        match settings.get(variable) {
            None if only_part => {}
            None => problems.push(format!("{}: {variable} is no setting of it", ours.pod)),
            Some(setting) => {
                let known = |value: &str| setting.values.iter().any(|it| it == value);
                if !setting.values.is_empty() && value.is_some_and(|value| !known(value)) {
                    problems.push(format!("{}: {variable} cannot be {value:?}", ours.pod));
                }
            }
        }
    }
    let given = |it: &Setting| {
        it.env.as_deref().is_some_and(|env| ours.env.contains_key(env))
            || it.option.as_deref().is_none_or(|option| ours.arguments.contains(&option))
    };
    for setting in ours.settings(reference).filter(|it| it.required && !given(it)) {
        problems.push(format!("{}: {:?} is not given", ours.pod, setting.env));
    }
    let options = ours.arguments.iter().filter(|it| it.starts_with("--"));
    for option in options {
        if !ours.settings(reference).any(|it| it.option.as_deref() == Some(option)) {
            problems.push(format!("{}: {option} is no option of it", ours.pod));
        }
    }
    problems
}

/// Settings of the roles that no case of the chart sets, though nothing says why.
pub(crate) fn never_set(reference: &Reference, releases: &[Release<'_>]) -> Vec<String> {
    let mut set: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut commands = BTreeMap::new();
    for ours in releases.iter().flat_map(|it| Ours::of(it, reference)).flatten() {
        // What runs once and ends is told only what it needs.
        if ours.pod.starts_with("Deployment") || ours.pod.starts_with("StatefulSet") {
            set.entry(&ours.command.command).or_default().extend(ours.env.keys());
            commands.insert(&ours.command.command, ours.command);
        }
    }
    let mut problems = Vec::new();
    for (command, described) in commands {
        for variable in described.settings.iter().filter_map(|it| it.env.as_deref()) {
            let left_out = LEFT_OUT.iter().any(|(name, _)| *name == variable);
            if !left_out && !set[command.as_str()].contains(variable) {
                problems.push(format!("the chart never sets {variable} of `{command}`"));
            }
        }
    }
    problems
}

/// Lets the program look at what its containers are told, with Secrets that are like real ones.
pub(crate) fn problems_by_the_program(reference: &Reference, release: &Release<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for ours in Ours::of(release, reference).flatten() {
        if ours.arguments.iter().any(|it| it.contains("$(")) {
            continue;
        }
        let mut check = Command::new(env!("CARGO_BIN_EXE_ticketing"));
        check.env_clear().stdin(Stdio::null()).args(["config", "check"]).args(&ours.arguments);
        check.envs(ours.env.iter().map(|(name, value)| (name, expanded(name, *value))));
        let told = check.output().unwrap();
        if !told.status.success() {
            let why = String::from_utf8_lossy(&told.stderr);
            problems.push(format!("{}: {}", ours.pod, why.trim()));
        }
    }
    problems
}

/// As the kubelet would: a reference is replaced by what it names.
fn expanded(name: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return sample(name).to_owned() };
    let mut text = value.to_owned();
    while let Some((before, rest)) = text.split_once("$(") {
        let (inner, after) = rest.split_once(')').unwrap();
        text = format!("{before}{}{after}", sample(inner));
    }
    text
}

fn sample(variable: &str) -> &'static str {
    match variable {
        "KURRENTDB_URL" => "kurrentdb://log.example:2113?tls=false",
        "DATABASE_URL" | "DATABASE_URI" | "TICKETING_READ_DATABASE_URL" => {
            "postgresql://shop:pw@db.example:25060/shop"
        }
        "NATS_URL" => "nats://relay:pw@nats.example:4222",
        "STRIPE_SECRET_KEY" => "sk_test_1",
        key if key.starts_with("TICKETING_") => {
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        }
        _ => "p0123456789abcdef",
    }
}
