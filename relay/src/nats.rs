//! Where NATS is, who we are there, and the connection.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use async_nats::connection::State;
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::{ConnectOptions, ServerAddr};
use tokio::sync::OnceCell;

use crate::broker::{ANSWER_SECONDS_MAX, BrokerError, within};

/// A connection that is silently dead is noticed after a few of these.
const PING_EVERY: Duration = Duration::from_secs(10);

/// A NATS server or cluster.
#[derive(Clone, Default)]
pub struct Nats {
    /// As NATS clients take it: `nats://host:4222`, `tls://host:4222`; several, separated by
    /// commas.
    pub url: String,
    pub login: Login,
    pub tls: Tls,
}

/// Who we are to NATS.
#[derive(Clone, Default)]
pub enum Login {
    /// Nobody, or whom the address names.
    #[default]
    None,
    /// A user by name and password.
    Password { user: String, password: String },
    /// The seed of an nkey, `SU…`.
    Nkey { seed: String },
    /// A file of credentials (`.creds`): a JWT and the nkey that signs for it.
    Credentials { file: PathBuf },
}

/// What is asked of the connection's encryption. An address with `tls://` has one anyway.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// PEM of the authorities that vouch for the server, if the system does not know them.
    pub authorities: Option<PathBuf>,
    /// PEM of our certificate and of its key, where the server asks for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Nats {
    /// A server at which nobody has to say who they are.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Whether the address can be read; nothing is connected to.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> io::Result<()> {
        self.servers().try_for_each(|server| server.parse::<ServerAddr>().map(drop))
    }

    /// Connects, and asks what is there.
    ///
    /// # Errors
    /// [`BrokerError`] when it cannot be connected to.
    pub async fn examine(&self) -> Result<Examined, BrokerError> {
        let jetstream = connect(self).await?;
        let info = jetstream.client().server_info();
        let account = jetstream.query_account().await;
        let streams = account.as_ref().map_or(0, |account| account.streams);
        Ok(Examined { version: info.version, jetstream: account.is_ok(), streams })
    }

    /// Several addresses are several servers of one cluster.
    fn servers(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim)
    }

    /// A connection of its own, for whoever works with a stream directly.
    ///
    /// # Errors
    /// NATS away, or it does not let us in.
    pub async fn connect(&self) -> Result<Context, BrokerError> {
        connect(self).await
    }

    fn named_by_address(&self) -> Option<(String, String)> {
        let mut servers = self.servers().filter_map(|server| server.parse::<ServerAddr>().ok());
        servers.find_map(|server| {
            let user = server.username().filter(|user| !user.is_empty())?.to_owned();
            Some((user, server.password().unwrap_or_default().to_owned()))
        })
    }

    async fn options(&self) -> Result<ConnectOptions, BrokerError> {
        let answer_time = Duration::from_secs(ANSWER_SECONDS_MAX);
        let mut options = ConnectOptions::new()
            .name("ticketing")
            .connection_timeout(answer_time)
            .request_timeout(Some(answer_time))
            .ping_interval(PING_EVERY);
        options = match &self.login {
            // The client itself would not use what an address says.
            Login::None => match self.named_by_address() {
                Some((user, password)) => options.user_and_password(user, password),
                None => options,
            },
            Login::Password { user, password } => {
                options.user_and_password(user.clone(), password.clone())
            }
            Login::Nkey { seed } => options.nkey(seed.trim().to_owned()),
            Login::Credentials { file } => options
                .credentials_file(file)
                .await
                .map_err(|error| BrokerError::Credentials { file: file.clone(), error })?,
        };
        if let Some(authorities) = &self.tls.authorities {
            options = options.add_root_certificates(authorities.clone()).require_tls(true);
        }
        if let Some((certificate, key)) = &self.tls.certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        Ok(options)
    }
}

/// A NATS server that was looked at.
#[derive(Clone, Debug)]
pub struct Examined {
    pub version: String,
    /// Whether we may use JetStream there.
    pub jetstream: bool,
    /// How many streams there are that we may see.
    pub streams: usize,
}

/// Without what is secret: the address may hold a password too.
impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// A connection made on first use; the client mends it by itself.
#[derive(Debug)]
pub(crate) struct Connection {
    nats: Nats,
    jetstream: OnceCell<Context>,
}

impl Connection {
    pub(crate) fn new(nats: Nats) -> Self {
        Self { nats, jetstream: OnceCell::new() }
    }

    pub(crate) async fn jetstream(&self) -> Result<Context, BrokerError> {
        let jetstream = self.jetstream.get_or_try_init(|| connect(&self.nats)).await?;
        // While it is away, the client would keep what is published in memory.
        match jetstream.client().connection_state() {
            State::Connected => Ok(jetstream.clone()),
            State::Pending | State::Disconnected => Err(BrokerError::Disconnected),
        }
    }
}

pub(crate) async fn connect(nats: &Nats) -> Result<Context, BrokerError> {
    let options = nats.options().await?;
    let servers: Vec<&str> = nats.servers().collect();
    let client = within(options.connect(servers)).await?;
    Ok(ContextBuilder::new().timeout(Duration::from_secs(ANSWER_SECONDS_MAX)).build(client))
}
