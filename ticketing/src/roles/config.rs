//! `ticketing config`: the settings, checked and described.

mod check;
mod reference;

use clap::{Args, Subcommand};

use crate::config::is_known_beside;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the settings of a command without running it.
    Check(Checked),
    /// Print every setting of every command: its variable, its default, what it means.
    Reference(Reference),
}

/// Put it before the command that you mean to run:
///
///   ticketing config check command-api --listen 0.0.0.0:8080
///
/// Options and variables are read as the command would read them, addresses and keys are parsed,
/// files are opened. Nothing is connected to: `ticketing doctor` does that. Exit code 0 when the
/// command would start, 1 when it would end at once, 2 when an option is wrong or missing.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Checked {
    /// The command with its options.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Reference {
    /// Print JSON, for programs, instead of Markdown.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check(checked) => {
            let known = reference::variables();
            for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
                if name.starts_with("TICKETING_")
                    && !known.contains(&name)
                    && !is_known_beside(&name)
                {
                    eprintln!("warning: {name} is set, and is no setting of ticketing");
                }
            }
            check::check(&checked.command)
        }
        Command::Reference(Reference { json: true }) => reference::print_json(),
        Command::Reference(Reference { json: false }) => {
            print!("{}", reference::markdown());
            Ok(())
        }
    }
}
