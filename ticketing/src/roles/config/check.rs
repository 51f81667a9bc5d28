use clap::Parser;

use crate::roles::{log, process_managers, projectors, relay};
use crate::{Cli, Role};

/// Reads a command line as its command would.
///
/// # Errors
/// What the command would end with at once.
pub(super) fn check(command: &[String]) -> anyhow::Result<()> {
    let words = std::iter::once("ticketing").chain(command.iter().map(String::as_str));
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        // It says which option, and how to ask for help, and ends with the exit code of that.
        Err(error) => error.exit(),
    };
    cli.telemetry.check()?;
    match cli.role {
        Role::Up(settings) => settings.check()?,
        Role::CommandApi(settings) => settings.check()?,
        Role::QueryApi(settings) => settings.check()?,
        Role::Projectors(projectors::Command::Run(settings)) => settings.check()?,
        Role::ProcessManagers(process_managers::Command::Run(settings)) => settings.check()?,
        Role::Relay(relay::Command::Run(settings)) => settings.check()?,
        Role::Log(log::Command::Serve(settings)) => settings.check()?,
        // Of these nothing but the command line itself can be wrong before they begin.
        Role::Projectors(_)
        | Role::ProcessManagers(_)
        | Role::Relay(_)
        | Role::Events(_)
        | Role::Log(_)
        | Role::Ledger(_)
        | Role::Account(_)
        | Role::Vault(_)
        | Role::StripeSandbox(_)
        | Role::Demo(_)
        | Role::Doctor(_)
        | Role::Completions(_)
        | Role::Man(_)
        | Role::Config(_) => {}
    }
    println!("the settings of `ticketing {}` are good", command.join(" "));
    Ok(())
}
