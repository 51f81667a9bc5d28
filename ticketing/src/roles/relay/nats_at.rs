//! Where NATS is and who we are there, as settings.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use relay::Nats;
use relay::nats::{Login as As, Tls};

/// Where NATS is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Url {
    /// NATS with JetStream (2.12 or newer publishes fastest): nats://host:4222, or tls://…; several
    /// servers of a cluster separated by commas.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) nats_url: String,
}

/// Who we are to NATS, and how we know that it is NATS.
#[derive(Args, Clone, Debug)]
pub(crate) struct Login {
    /// A file of NATS credentials (.creds: a JWT with its key).
    #[arg(
        long,
        env = "TICKETING_NATS_CREDENTIALS",
        value_name = "FILE",
        conflicts_with_all = ["nats_nkey", "nats_user"]
    )]
    nats_credentials: Option<PathBuf>,
    /// A file with the seed of an nkey (SU…).
    #[arg(long, env = "TICKETING_NATS_NKEY", value_name = "FILE", conflicts_with = "nats_user")]
    nats_nkey: Option<PathBuf>,
    /// The name of a NATS user; the address may hold it too.
    #[arg(long, env = "TICKETING_NATS_USER", value_name = "NAME", requires = "nats_password")]
    nats_user: Option<String>,
    /// The password of that user.
    #[arg(
        long,
        env = "TICKETING_NATS_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true,
        requires = "nats_user"
    )]
    nats_password: Option<String>,
    /// PEM of the authorities that vouch for the NATS server, if the system does not know them. With
    /// it, the connection is encrypted or there is none.
    #[arg(long, env = "TICKETING_NATS_CA", value_name = "FILE")]
    nats_ca: Option<PathBuf>,
    /// PEM of our certificate, if the NATS server asks for one.
    #[arg(long, env = "TICKETING_NATS_CERTIFICATE", value_name = "FILE", requires = "nats_key")]
    nats_certificate: Option<PathBuf>,
    /// PEM of the key of that certificate.
    #[arg(long, env = "TICKETING_NATS_KEY", value_name = "FILE", requires = "nats_certificate")]
    nats_key: Option<PathBuf>,
}

impl Login {
    pub(crate) fn at(&self, url: &str) -> anyhow::Result<Nats> {
        let login = match (&self.nats_credentials, &self.nats_nkey, &self.nats_user) {
            (Some(file), ..) => As::Credentials { file: file.clone() },
            (None, Some(file), _) => {
                let seed = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read the nkey in {}", file.display()))?;
                As::Nkey { seed }
            }
            (None, None, Some(user)) => As::Password {
                user: user.clone(),
                password: self.nats_password.clone().unwrap_or_default(),
            },
            (None, None, None) => As::None,
        };
        let certificate = self.nats_certificate.clone().zip(self.nats_key.clone());
        let tls = Tls { authorities: self.nats_ca.clone(), certificate };
        let nats = Nats { url: url.to_owned(), login, tls };
        nats.check().context("the address of NATS (--nats-url, NATS_URL)")?;
        Ok(nats)
    }
}
