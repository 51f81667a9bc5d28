//! What is asked of each part.

use std::time::Duration;

use eventlog::Vault;
use eventlog::raw::RawLog;
use eventlog::vault::Census;
use process_managers::gateway::GatewayError;
use process_managers::stripe::StripeGateway;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::{Instant, timeout};

use super::{Examined, Trouble};
use crate::config::{self, SecretsAt};
use crate::roles::relay::Login;

/// The oldest Postgres that the tables are made for.
const POSTGRES_MIN: i32 = 15;
/// From this version on JetStream publishes in atomic batches.
const NATS_WITH_BATCHES: (u64, u64) = (2, 12);
/// No part that is well takes so long.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The keys that are given, and whether they open those in Postgres. The second is left out where one
/// of both is not there: that has been said then.
pub(super) async fn keys(
    secrets: &SecretsAt,
    database_url: Option<&str>,
) -> (Examined, Option<Examined>) {
    let keys = match secrets.read() {
        Ok(keys) => keys,
        Err(error) => {
            let next = "each is 64 hex digits, as `openssl rand -hex 32` prints; the same in every \
                        process";
            return (Err(Trouble::new(format!("{error:#}"), next)), None);
        }
    };
    let given = format!("for sessions, personal data and tokens ({})", keys.tokens.len());
    let pool = database_url.and_then(|url| config::open_database(url).ok());
    let census = match pool {
        Some(pool) => Vault::new(pool, keys.vault).census().await.ok(),
        None => None,
    };
    (Ok(given), census.map(vault))
}

fn vault(census: Census) -> Examined {
    let Census { newest, older, not_opened } = census;
    let all = census.all();
    if not_opened > 0 {
        return Err(Trouble::new(
            format!("{not_opened} of {all} keys of personal data are opened by no key given"),
            "TICKETING_VAULT_KEY is another one than they were wrapped under: add that one behind \
             it, with a comma",
        ));
    }
    Ok(match (older, newest) {
        (0, 0) => "no keys of personal data yet".to_owned(),
        (0, _) => format!("{all} keys of personal data, all wrapped under the newest key"),
        _ => format!(
            "{older} of {all} are wrapped under an older key, or by an earlier version: `ticketing \
             vault rewrap` changes that"
        ),
    })
}

pub(super) async fn log(url: &str) -> Examined {
    let unreadable = "write kurrentdb://host:2113?tls=false, with user:password@ before the host \
                      if the log asks for them";
    let log =
        config::open_log(url).map_err(|error| Trouble::new(format!("{error:#}"), unreadable))?;
    let away = "is it running at that address, with TLS (tls=true) or without (tls=false)? \
                `ticketing log serve` starts one";
    let began = Instant::now();
    log.ready().await.map_err(|error| Trouble::new(error, away))?;
    let took = began.elapsed();
    let head = log.head().await.map_err(|error| Trouble::new(error, away))?;
    let raw = RawLog::open(url).map_err(|error| Trouble::new(error, unreadable))?;
    let batches = timeout(ANSWERS_WITHIN, raw.batch()).await;
    let batches = batches.map_err(|_| Trouble::new("it does not take appends", away))?;
    let refused = "the user needs to read and write streams, or the node is a follower: let \
                   several hosts be found with kurrentdb+discover://";
    let way = match batches.map_err(|error| Trouble::new(error, refused))? {
        Some(_) => "takes appends in batches",
        None => "takes appends one by one, which is slower: KurrentDB 21.10 or newer is better",
    };
    let held = head.map_or_else(|| "empty".to_owned(), |head| format!("up to {head}"));
    Ok(format!("answers within {took:.1?}, {held}, {way}"))
}

pub(super) async fn database(url: &str) -> Examined {
    // Reads the address as every role does.
    config::open_database(url).map_err(|error| {
        Trouble::new(format!("{error:#}"), "write postgres://user:password@host:5432/name")
    })?;
    let away = "is it running there, and do user, password and TLS (?sslmode=…) fit?";
    let connecting = timeout(ANSWERS_WITHIN, PgConnection::connect(url)).await;
    let connecting = connecting.map_err(|_| Trouble::new("it does not answer", away))?;
    let mut db = connecting.map_err(|error| Trouble::new(error, away))?;
    let found = sqlx::query(
        "SELECT current_setting('server_version_num')::int / 10000 AS version,
                current_user::text AS who,
                pg_is_in_recovery() AS standby,
                has_database_privilege(current_database(), 'CREATE') AS may_create,
                (SELECT count(*) FROM pg_namespace
                 WHERE nspname IN ('vault', 'process_managers', 'read')) AS made,
                (SELECT bool_and(has_schema_privilege(oid, 'USAGE')) FROM pg_namespace
                 WHERE nspname IN ('vault', 'process_managers', 'read')) AS may_use",
    )
    .fetch_one(&mut db)
    .await
    .map_err(|error| Trouble::new(error, away))?;
    let read = |error: sqlx::Error| Trouble::new(error, away);
    let version: i32 = found.try_get("version").map_err(read)?;
    let who: String = found.try_get("who").map_err(read)?;
    let made: i64 = found.try_get("made").map_err(read)?;
    let may_use: Option<bool> = found.try_get("may_use").map_err(read)?;
    if version < POSTGRES_MIN {
        let what = format!("version {version}; {POSTGRES_MIN} or newer is needed");
        return Err(Trouble::new(what, "use a newer server"));
    }
    if found.try_get("standby").map_err(read)? {
        return Err(Trouble::new("a standby, which takes no writes", "name the primary"));
    }
    let may_create: bool = found.try_get("may_create").map_err(read)?;
    if !may_create || may_use == Some(false) {
        let what = format!("{who} may not make or use the schemas vault, process_managers, read …");
        return Err(Trouble::new(
            what,
            "GRANT CREATE ON DATABASE … TO …, or let that user own them",
        ));
    }
    let tables = match made {
        0 => "no tables yet: the roles make them when they start",
        1 | 2 => "some tables: the other roles make theirs when they start",
        _ => "tables made",
    };
    Ok(format!("version {version}, as {who}, {tables}"))
}

pub(super) async fn nats(url: &str, login: &Login) -> Examined {
    let unreadable = "write nats://host:4222, or tls://host:4222";
    let nats = login.at(url).map_err(|error| Trouble::new(format!("{error:#}"), unreadable))?;
    let away = "is it running there, with JetStream (-js), and do user, password and TLS fit?";
    let server = nats
        .examine()
        .await
        .map_err(|error| Trouble::new(format!("{:#}", anyhow::Error::from(error)), away))?;
    if !server.jetstream {
        let next = "start it with -js, or let the account use JetStream";
        return Err(Trouble::new(format!("version {} without JetStream", server.version), next));
    }
    let mut numbers = server.version.split('.').map_while(|part| part.parse::<u64>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let slow = if version < NATS_WITH_BATCHES { "; 2.12 publishes faster" } else { "" };
    let streams = match server.streams {
        0 => "no stream yet: the relay makes it".to_owned(),
        1 => "1 stream".to_owned(),
        count => format!("{count} streams"),
    };
    Ok(format!("version {}, JetStream with {streams}{slow}", server.version))
}

pub(super) async fn stripe(key: &str, base: Option<&str>) -> Examined {
    let wrong = "take the secret key (sk_live_… or sk_test_…) from Stripe's dashboard, and leave \
                 STRIPE_API_BASE unset unless it is the sandbox";
    let gateway = StripeGateway::new(key, base).map_err(|error| Trouble::new(error, wrong))?;
    let answer = timeout(ANSWERS_WITHIN, gateway.check()).await;
    let away = "is it reachable from here, at STRIPE_API_BASE if that is set?";
    match answer {
        Ok(Ok(())) if key.starts_with("sk_live_") => {
            Ok("the key is good, and takes real money".to_owned())
        }
        Ok(Ok(())) => Ok("the key is good, for tests: no money moves".to_owned()),
        Ok(Err(error @ GatewayError::Unavailable { .. })) => Err(Trouble::new(error, away)),
        Ok(Err(error)) => Err(Trouble::new(error, wrong)),
        Err(_) => Err(Trouble::new("it does not answer", away)),
    }
}
