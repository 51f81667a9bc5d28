//! `ticketing account erase`

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, bail, ensure};
use clap::Args;
use domain::email::Email;
use domain::id::{AccountId, CommandId};
use domain::{Account, Actor, Cause, EmailClaim};
use eventlog::{EventLog, Vault, erasure};
use uuid::Uuid;

use super::Parts;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
ticketing account erase ann@example.com\n  \
ticketing account erase 019a7c9e-0000-7000-8000-000000000001 --yes   without asking\n\n\
The person is signed out everywhere and the address is free for a new account. Tickets and orders \
stay, with nothing personal in them. The key is gone from Postgres at once; old backups of Postgres \
still hold it until they are thrown away. An erasure that broke off is finished by the process \
managers, or by the same command.")]
pub(crate) struct Settings {
    /// The person: an e-mail address, or the id of the account.
    #[arg(value_name = "EMAIL|ID")]
    person: String,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    parts: Parts,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let (log, vault) = settings.parts.open()?;
    let account = find(&log, &vault, &settings.person).await?;
    let known = log.load::<Account>(&account).await?;
    match known.state {
        Account::Unregistered => bail!("there is no account {account}"),
        Account::Erased => {
            println!("account {account} has been erased already");
            return Ok(());
        }
        Account::Registered { .. } if !settings.yes => confirm(account)?,
        Account::Registered { .. } => {}
        Account::Erasing { .. } => println!("an erasure was begun before; finishing it"),
    }
    let erased = erasure::erase(&log, &vault, account, &cause()).await;
    erased.context("not finished; give the same command again, with the id of the account")?;
    println!("account {account} is erased");
    Ok(())
}

async fn find(log: &EventLog, vault: &Vault, person: &str) -> anyhow::Result<AccountId> {
    if !person.contains('@') {
        let id = person.parse().ok();
        return id.context("give the e-mail address of the person, or the id of the account");
    }
    let email = Email::parse(person)?;
    match log.load::<EmailClaim>(&vault.email_claim_id(&email).await?).await?.state {
        EmailClaim::Taken { account } => Ok(account),
        EmailClaim::Free => bail!(
            "nobody is registered with that address (by the keys given; is it the right \
             TICKETING_VAULT_KEY?)"
        ),
    }
}

fn confirm(account: AccountId) -> anyhow::Result<()> {
    let stdin = io::stdin();
    ensure!(stdin.is_terminal(), "nobody is there to confirm it; give --yes if it is meant");
    print!("Erase account {account} for ever? Nothing can bring its data back. [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    let meant = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    ensure!(meant, "nothing was changed");
    Ok(())
}

fn cause() -> Cause {
    let id = Uuid::now_v7();
    Cause {
        command: CommandId(id),
        fingerprint: None,
        correlation: id,
        causation: id,
        actor: Actor::Process("operator".to_owned()),
        trace: None,
        now: chrono::Utc::now(),
    }
}
