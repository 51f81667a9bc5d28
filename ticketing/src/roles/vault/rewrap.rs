//! `ticketing vault rewrap`

use anyhow::{Context, ensure};
use clap::Args;
use eventlog::Vault;
use eventlog::vault::Rewrapped;

use crate::config::{self, SecretsAt};
use crate::data_directory;

/// Of the persons whose key is not opened so many are named.
const NAMED_MAX: usize = 10;

#[derive(Args, Debug)]
#[command(after_help = "To change the key without anybody noticing, with a new one from \
`openssl rand -hex 32`:\n  \
1. TICKETING_VAULT_KEY=OLD,NEW   in every process, so that all can open what the new one wraps\n  \
2. TICKETING_VAULT_KEY=NEW,OLD   in every process, so that the new one wraps\n  \
3. ticketing vault rewrap        wraps under the new one what the old one has wrapped\n  \
4. TICKETING_VAULT_KEY=NEW       in every process, once `ticketing doctor` tells of no older key\n\n\
Everything may run meanwhile. Broken off, it goes on when it is run again. The old key still opens \
old copies of Postgres: keep it as long as you keep those, apart from them.")]
pub(crate) struct Settings {
    /// The Postgres database: postgres://user:password@host/name. Without it, that of a running
    /// `ticketing up`.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    #[command(flatten)]
    secrets: SecretsAt,
}

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let data = settings.secrets.data();
    let database =
        settings.database_url.or_else(|| data_directory::running(data).map(|it| it.database));
    let database = database.with_context(|| {
        format!(
            "where is Postgres? Nothing runs in {}: start `ticketing up`, or give --database-url \
             or set DATABASE_URL",
            data.display()
        )
    })?;
    let masters = settings.secrets.read()?.vault;
    let newest = masters.newest().clone();
    let vault = Vault::new(config::open_database(&database)?, masters);
    vault.install().await?;
    let again = "not finished; give the same command again";
    let Rewrapped { keys, not_opened } = vault.rewrap().await.context(again)?;
    let census = vault.census().await?;
    println!("wrapped anew: {keys}");
    println!("under {newest}, the newest: {} of {}", census.newest, census.all());
    ensure!(
        not_opened.is_empty(),
        "none of the keys given opens those of {} persons; add the one that wrapped them. The \
         first: {}",
        not_opened.len(),
        not_opened.iter().take(NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ")
    );
    Ok(())
}
