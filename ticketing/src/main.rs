//! `ticketing`: one binary, a subcommand for each role, `up` for all of them at once.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to its user"
)]
#![allow(clippy::doc_markdown, reason = "what is written at a setting is what --help prints")]

mod config;
mod data_directory;
mod demo;
mod machine;
mod roles;
mod secrets;
mod shutdown;
mod telemetry;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The allocator of the C library took a fifth of the processor time of a command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sell tickets: people list them, others reserve them for a limited time and pay.
///
/// Every change is an event in the log, and the log is the only truth; read models, payments and
/// messages to the outside follow it. `ticketing up` runs everything on this machine.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    role: Role,
    #[command(flatten)]
    telemetry: telemetry::Settings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Run everything on this machine, with data in .ticketing/; Ctrl-C ends it.
    Up(up::Settings),
    /// Take commands over HTTP: sign up, list, order, pay.
    CommandApi(roles::command_api::Settings),
    /// Answer queries over HTTP: GraphQL and REST.
    QueryApi(roles::query_api::Settings),
    /// The read models in Postgres: build them from the log, watch, prove and rebuild them.
    #[command(subcommand)]
    Projectors(roles::projectors::Command),
    /// Act on events: expire reservations, take payments, mend what was left half done.
    #[command(subcommand)]
    ProcessManagers(roles::process_managers::Command),
    /// Forward the public events to NATS JetStream, and look after that.
    #[command(subcommand)]
    Relay(roles::relay::Command),
    /// Consume the public events from NATS: follow, read again, share among several.
    #[command(subcommand)]
    Events(roles::events::Command),
    /// The books: every movement of money as double entry.
    #[command(subcommand)]
    Ledger(roles::ledger::Command),
    /// The embedded event log, for those without a KurrentDB cluster.
    #[command(subcommand)]
    Log(roles::log::Command),
    /// Do something for a person, as an operator.
    #[command(subcommand)]
    Account(roles::account::Command),
    /// The keys of personal data: change the one that wraps the others.
    #[command(subcommand)]
    Vault(roles::vault::Command),
    /// Ask every part that the settings name whether it is there and can be used.
    Doctor(roles::doctor::Settings),
    /// The settings: check those of a command, or print all of them.
    #[command(subcommand)]
    Config(roles::config::Command),
    /// Print what lets a shell complete commands and options.
    Completions(roles::handbook::Completions),
    /// Write the manual pages, one for each command.
    Man(roles::handbook::Man),
    /// A local double of Stripe, for trying things out without an account there.
    StripeSandbox(roles::stripe_sandbox::Settings),
    /// Let buyers compete for tickets of a running `ticketing up`, then check the books.
    Demo(demo::Settings),
}

impl Role {
    /// As its traces name it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Up(_) => "up",
            Self::CommandApi(_) => "command-api",
            Self::QueryApi(_) => "query-api",
            Self::Projectors(_) => "projectors",
            Self::ProcessManagers(_) => "process-managers",
            Self::Relay(_) => "relay",
            Self::Ledger(_) => "ledger",
            Self::Log(_) => "log",
            Self::Account(_) => "account",
            Self::Vault(_) => "vault",
            Self::Config(_) => "config",
            Self::Events(_) => "events",
            Self::Doctor(_) => "doctor",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
            Self::StripeSandbox(_) => "stripe-sandbox",
            Self::Demo(_) => "demo",
        }
    }
}

fn main() -> ExitCode {
    machine::prepare();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ticketing: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // Two TLS providers are linked in; whoever comes first must find one chosen.
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let telemetry = telemetry::start(&cli.telemetry, cli.role.name())?;
    let outcome = carry_out(cli.role).await;
    telemetry.end().await;
    outcome
}

async fn carry_out(role: Role) -> anyhow::Result<ExitCode> {
    match role {
        Role::Up(settings) => up::run(settings).await?,
        Role::CommandApi(settings) => roles::command_api::run(settings).await?,
        Role::QueryApi(settings) => roles::query_api::run(settings).await?,
        Role::Projectors(command) => return roles::projectors::run(command).await,
        Role::ProcessManagers(command) => roles::process_managers::run(command).await?,
        Role::Relay(command) => return roles::relay::run(command).await,
        Role::Events(command) => roles::events::run(command).await?,
        Role::Ledger(command) => return roles::ledger::run(command).await,
        Role::Log(command) => roles::log::run(command).await?,
        Role::Account(command) => roles::account::run(command).await?,
        Role::Vault(command) => roles::vault::run(command).await?,
        Role::Config(command) => roles::config::run(command)?,
        Role::Doctor(settings) => return roles::doctor::run(settings).await,
        Role::Completions(settings) => roles::handbook::completions(&settings),
        Role::Man(settings) => roles::handbook::man(&settings)?,
        Role::StripeSandbox(settings) => roles::stripe_sandbox::run(settings).await?,
        Role::Demo(settings) => return demo::run(settings).await,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
