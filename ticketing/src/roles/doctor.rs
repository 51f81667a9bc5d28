//! `ticketing doctor`: whether what a deployment needs is there, and what to do if not.

mod parts;

use std::process::ExitCode;

use clap::Args;

use crate::config::SecretsAt;
use crate::data_directory;
use crate::roles::relay::Login;

/// Asks each part that the settings name whether it is there and can be used: the log, Postgres,
/// NATS, Stripe, and the keys. Nothing is written. A part that is not set is left out, unless a
/// `ticketing up` runs on --data: then its parts are looked at.
///
/// Exit code 0 when everything that is set is good, 1 otherwise, with the next step for each part.
#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// The event log: kurrentdb://host:2113?tls=false.
    #[arg(long, env = "KURRENTDB_URL", value_name = "URL", hide_env_values = true)]
    log_url: Option<String>,
    /// The Postgres database: postgres://user:password@host/name.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// NATS with JetStream: nats://host:4222.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,
    #[command(flatten)]
    nats_login: Login,
    /// The secret key of the Stripe account (sk_live_… or sk_test_…).
    #[arg(long, env = "STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    stripe_secret_key: Option<String>,
    /// Where Stripe is, if not at stripe.com.
    #[arg(long, env = "STRIPE_API_BASE", value_name = "URL", requires = "stripe_secret_key")]
    stripe_api_base: Option<String>,
    #[command(flatten)]
    secrets: SecretsAt,
}

/// What is wrong with a part.
struct Trouble {
    what: String,
    next: &'static str,
}

/// What was found of a part that is good.
type Examined = Result<String, Trouble>;

impl Trouble {
    fn new(what: impl std::fmt::Display, next: &'static str) -> Self {
        Self { what: what.to_string(), next }
    }
}

pub(crate) async fn run(mut settings: Settings) -> anyhow::Result<ExitCode> {
    if let Some(running) = data_directory::running(settings.secrets.data()) {
        settings.log_url.get_or_insert(running.log);
        settings.database_url.get_or_insert(running.database);
        settings.nats_url.get_or_insert(running.nats);
    }
    let Settings { log_url, database_url, nats_url, .. } = &settings;
    let stripe = settings.stripe_secret_key.as_deref();
    let stripe_at = settings.stripe_api_base.as_deref();
    let (log, database, nats, stripe) = tokio::join!(
        optional(log_url.as_deref(), parts::log),
        optional(database_url.as_deref(), parts::database),
        optional(nats_url.as_deref(), |url| parts::nats(url, &settings.nats_login)),
        optional(stripe, |key| parts::stripe(key, stripe_at)),
    );
    let (keys, vault) = parts::keys(&settings.secrets, database_url.as_deref()).await;
    let found = [
        ("keys", "command-api, query-api, process-managers", Some(keys)),
        ("vault", "DATABASE_URL and the keys", vault),
        ("log", "KURRENTDB_URL, every role", log),
        ("postgres", "DATABASE_URL, every role", database),
        ("nats", "NATS_URL, the relay", nats),
        ("stripe", "STRIPE_SECRET_KEY, the process managers", stripe),
    ];
    let mut bad = 0;
    for (part, needed, examined) in found {
        match examined {
            None => println!("  --   {part:<9} not set ({needed})"),
            Some(Ok(what)) => println!("  ok   {part:<9} {what}"),
            Some(Err(Trouble { what, next })) => {
                bad += 1;
                println!("  BAD  {part:<9} {what}\n       {:<9} {next}", "");
            }
        }
    }
    match bad {
        0 => println!("what is set is good"),
        1 => println!("1 part is not good"),
        count => println!("{count} parts are not good"),
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at a part if it is set.
async fn optional<'a>(
    setting: Option<&'a str>,
    examine: impl AsyncFnOnce(&'a str) -> Examined,
) -> Option<Examined> {
    match setting {
        None => None,
        Some(setting) => Some(examine(setting).await),
    }
}
