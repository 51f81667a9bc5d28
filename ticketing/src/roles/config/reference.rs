//! Every setting, from the definitions of the command line themselves.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};
use serde::Serialize;

use crate::Cli;

const HEAD: &str = "\
# Settings

<!-- Made by `ticketing config reference`; a test compares them. -->

Every setting is an option of a command, and most can be given by a variable of the environment
instead; the option wins. `ticketing <command> --help` says the same. `ticketing config check
<command>` tells whether the settings of a command are good, `ticketing doctor` whether what they
name is there. A 🔑 marks what is secret, or may hold a password: give it by the variable, which other
people on the machine cannot see.
";

#[derive(Serialize)]
struct Reference {
    /// Of every command.
    global: Vec<Setting>,
    commands: Vec<CommandSettings>,
}

#[derive(Serialize)]
struct CommandSettings {
    /// Its words after `ticketing`, such as `projectors run`.
    command: String,
    about: String,
    settings: Vec<Setting>,
}

#[derive(Serialize)]
struct Setting {
    /// How it is given on the command line; an argument without an option has none.
    option: Option<String>,
    /// The variable of the environment that gives it too.
    env: Option<String>,
    /// What stands for the value; a switch has none.
    value: Option<String>,
    /// What may be given, when that is one of a few words.
    values: Vec<String>,
    default: Option<String>,
    required: bool,
    /// It is one, or may hold one.
    secret: bool,
    about: String,
}

/// The names of all variables.
pub(super) fn variables() -> BTreeSet<String> {
    let Reference { global, commands } = reference();
    let all = commands.into_iter().flat_map(|command| command.settings).chain(global);
    all.filter_map(|setting| setting.env).collect()
}

pub(super) fn print_json() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&reference())?);
    Ok(())
}

pub(super) fn markdown() -> String {
    let Reference { global, commands } = reference();
    let mut text = HEAD.to_owned();
    section(&mut text, "every command", "These come with each of the commands below.", &global);
    for CommandSettings { command, about, settings } in &commands {
        section(&mut text, &format!("`ticketing {command}`"), about, settings);
    }
    text
}

fn reference() -> Reference {
    let root = Cli::command();
    let mut commands = Vec::new();
    for command in root.get_subcommands() {
        collect(command, "", &mut commands);
    }
    Reference { global: settings(&root), commands }
}

/// Those that do something themselves.
fn collect(command: &Command, before: &str, found: &mut Vec<CommandSettings>) {
    let name = format!("{before}{}", command.get_name());
    if command.has_subcommands() {
        for inner in command.get_subcommands() {
            collect(inner, &format!("{name} "), found);
        }
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    found.push(CommandSettings { command: name, about, settings: settings(command) });
}

fn settings(command: &Command) -> Vec<Setting> {
    command.get_arguments().filter(|argument| !argument.is_hide_set()).map(setting).collect()
}

fn setting(argument: &Arg) -> Setting {
    let takes_value = argument.get_action().takes_values();
    let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let about = argument.get_long_help().or(argument.get_help());
    let values = argument.get_possible_values();
    let default: Vec<_> =
        argument.get_default_values().iter().map(|it| it.to_string_lossy()).collect();
    Setting {
        option: argument.get_long().map(|name| format!("--{name}")),
        env: argument.get_env().map(|name| name.to_string_lossy().into_owned()),
        value: value.filter(|_| takes_value),
        values: values.iter().filter(|_| takes_value).map(|it| it.get_name().to_owned()).collect(),
        default: Some(default.join(",")).filter(|default| takes_value && !default.is_empty()),
        required: argument.is_required_set(),
        secret: argument.is_hide_env_values_set(),
        about: about.map(ToString::to_string).unwrap_or_default(),
    }
}

fn section(text: &mut String, title: &str, about: &str, settings: &[Setting]) {
    let end = if about.ends_with('.') { "" } else { "." };
    // Writing to a String cannot fail.
    let _ = write!(text, "\n## {title}\n\n{about}{end}\n");
    if settings.is_empty() {
        return;
    }
    let _ = write!(text, "\n| Option | Variable | Default | |\n|---|---|---|---|\n");
    for setting in settings {
        let _ = writeln!(text, "{}", row(setting));
    }
}

fn row(setting: &Setting) -> String {
    let Setting { option, env, value, values, default, required, secret, about } = setting;
    let value = if values.is_empty() {
        value.as_ref().map(|value| format!("<{value}>"))
    } else {
        Some(values.join("\\|"))
    };
    let option = match (option, value) {
        (Some(option), Some(value)) => format!("`{option} {value}`"),
        (Some(option), None) => format!("`{option}`"),
        (None, value) => format!("`{}`", value.unwrap_or_default()),
    };
    let key = if *secret { " 🔑" } else { "" };
    let env = env.as_ref().map(|env| format!("`{env}`{key}")).unwrap_or_default();
    let default = match default {
        Some(default) => format!("`{default}`"),
        None if *required => "must be given".to_owned(),
        None => String::new(),
    };
    let about = about.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| {option} | {env} | {default} | {about} |")
}
