//! `ticketing config`: settings checked before anything runs, and described.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn config(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ticketing"));
    command.arg("config").args(arguments).env_clear();
    command.envs(variables.iter().copied()).output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Everything that the command side is told.
fn good() -> Vec<(&'static str, &'static str)> {
    const KEY: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
    vec![
        ("KURRENTDB_URL", "kurrentdb://ann:hunter2@log.example:2113?tls=false"),
        ("DATABASE_URL", "postgres://ann:hunter2@db.example/tickets"),
        ("TICKETING_SESSION_KEY", KEY),
        ("TICKETING_VAULT_KEY", KEY),
        ("TICKETING_TOKEN_KEYS", KEY),
    ]
}

fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut variables = good();
    variables.retain(|(known, _)| *known != name);
    variables.push((name, value));
    variables
}

#[test]
fn the_committed_reference_is_that_of_the_command_line() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let reference = printed(&config(&["reference"], &[]));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &reference).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == reference,
        "docs/configuration.md is not what the command line says; if it is meant, write it anew: \
         UPDATE_SNAPSHOTS=1 cargo test -p ticketing --test it config"
    );
}

#[test]
fn programs_read_the_reference_as_json() {
    // What is set where it is printed is not part of it.
    let output = config(&["reference", "--json"], &with("KURRENTDB_URL", "kurrentdb://set"));
    let reference: Value = serde_json::from_str(&printed(&output)).unwrap();
    let commands = reference["commands"].as_array().unwrap();
    let relay = commands.iter().find(|command| command["command"] == "relay run").unwrap();
    let settings = relay["settings"].as_array().unwrap();
    let find = |env: &str| settings.iter().find(|setting| setting["env"] == env).unwrap();
    let nats = find("NATS_URL");
    assert_eq!((&nats["option"], &nats["required"]), (&"--nats-url".into(), &true.into()));
    assert_eq!((&nats["secret"], &nats["default"]), (&true.into(), &Value::Null));
    assert_eq!(find("TICKETING_NATS_REPLICAS")["default"], "1");
    assert_eq!(find("KURRENTDB_URL")["default"], Value::Null);
}

#[test]
fn good_settings_are_said_to_be_good_and_nothing_needs_to_run() {
    let said = printed(&config(&["check", "command-api", "--listen", "0.0.0.0:80"], &good()));
    assert!(said.contains("good"), "{said}");
    printed(&config(&["check", "projectors", "run"], &good()));
}

#[test]
fn a_bad_setting_is_named_without_its_value() {
    for (name, value, code) in [
        ("KURRENTDB_URL", "http://ann:hunter2@log.example", 1),
        ("DATABASE_URL", "mysql://ann:hunter2@db.example", 1),
        ("TICKETING_SESSION_KEY", "hunter2", 1),
        ("TICKETING_RESERVATION_SECONDS", "0", 2),
        ("TICKETING_LISTEN", "everywhere", 2),
        ("RUST_LOG", "=:=", 1),
    ] {
        let output = config(&["check", "command-api"], &with(name, value));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        let option =
            format!("--{}", name.trim_start_matches("TICKETING_").to_lowercase()).replace('_', "-");
        assert!(
            said.contains(name) || said.contains(&option) || name == "RUST_LOG",
            "{name}: {said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn what_is_missing_or_misspelt_is_said() {
    let missing = config(&["check", "relay", "run"], &good());
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("--nats-url"));

    let misspelt = config(&["check", "command-api"], &with("TICKETING_PROXYS", "1"));
    let warned = String::from_utf8_lossy(&misspelt.stderr).into_owned();
    assert!(warned.contains("TICKETING_PROXYS is set"), "{warned}");
    let of_kubernetes = with("TICKETING_COMMAND_API_PORT_8080_TCP_ADDR", "10.0.0.1");
    assert!(config(&["check", "command-api"], &of_kubernetes).stderr.is_empty());
}
