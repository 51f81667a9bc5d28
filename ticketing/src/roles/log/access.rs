//! Who may use a served log: TLS and passwords.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use embedded_log::{Credentials, Tls};

/// Who may use the log.
#[derive(Args, Debug)]
pub(super) struct Access {
    /// Serve by TLS, with this certificate (PEM; those it is signed by behind it). It is read once.
    #[arg(long, env = "TICKETING_LOG_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate (PEM).
    #[arg(long, env = "TICKETING_LOG_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Let only those in whom this file names: USER:PASSWORD, one a line. It is read once.
    #[arg(long, env = "TICKETING_LOG_USERS_FILE", value_name = "FILE")]
    users: Option<PathBuf>,
    /// The same without a file; several lines are allowed. Other people on the machine can see what
    /// is on a command line, so set the variable instead.
    #[arg(
        long,
        env = "TICKETING_LOG_USER",
        value_name = "USER:PASSWORD",
        hide_env_values = true,
        conflicts_with = "users"
    )]
    user: Option<String>,
}

impl Access {
    pub(super) fn tls(&self) -> anyhow::Result<Option<Tls>> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(Tls::read(certificate, key)?)),
            (_, None) | (None, _) => Ok(None),
        }
    }

    pub(super) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        if let Some(file) = &self.users {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("the users in {} cannot be read", file.display()))?;
            let credentials = Credentials::parse(&text)
                .with_context(|| format!("the users in {}", file.display()))?;
            return Ok(Some(credentials));
        }
        let text = self.user.as_deref();
        text.map(|text| Credentials::parse(text).context("--user (TICKETING_LOG_USER)")).transpose()
    }

    /// Says so when the log can be reached from elsewhere by people it does not know.
    pub(super) fn warn_of_strangers(&self, address: SocketAddr) {
        if address.ip().is_loopback() {
            return;
        }
        if self.users.is_none() && self.user.is_none() {
            tracing::warn!(
                "whoever reaches {address} can read and write all events; --users asks for passwords"
            );
        } else if self.tls_certificate.is_none() {
            tracing::warn!(
                "passwords and events go to and from {address} for everybody on the way to read; \
                 --tls-certificate and --tls-key hide them"
            );
        }
    }

    /// What a client connects with, but for the password and the file of the authority.
    pub(super) fn connection_string(
        &self,
        address: SocketAddr,
        advertised: Option<&str>,
    ) -> String {
        let user = if self.users.is_some() || self.user.is_some() { "USER:PASSWORD@" } else { "" };
        let host = advertised.map_or_else(|| reachable(address).to_string(), str::to_owned);
        let tls = self.tls_certificate.is_some();
        connection_string(user, &host, tls)
    }
}

/// How the official client reaches a log. The client waits for one discovery interval before it
/// connects, even to a single node; its default of half a second would be felt at every start.
fn connection_string(user: &str, host: &str, tls: bool) -> String {
    format!("kurrentdb://{user}{host}?tls={tls}&discoveryInterval=20")
}

/// The same for one that is served on this machine, without TLS.
pub(crate) fn local(address: SocketAddr) -> String {
    connection_string("", &address.to_string(), false)
}

/// Where every address is bound, one of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}
