//! TLS: the certificate and key by which clients know the server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tonic::transport::{Identity, Server, ServerTlsConfig};

/// What a server shows to its clients. Read once: a renewed certificate needs a restart.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) config: ServerTlsConfig,
}

/// Why TLS cannot be served. One line each, naming the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The certificate or the key.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The files are no certificate and no key in PEM, or the key is that of another certificate.
    #[error(
        "the certificate {} and the key {} cannot be used: {reason}",
        certificate.display(),
        key.display()
    )]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
}

impl Tls {
    /// Reads a certificate, with those that lead up to its authority behind it, and its key; PEM
    /// both.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            let path = path.to_owned();
            fs::read(&path).map_err(|source| TlsError::Unreadable { path, source })
        };
        // Two libraries of cryptography are linked in by the client; an error means that somebody
        // has chosen one already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let identity = Identity::from_pem(read(certificate)?, read(key)?);
        let config = ServerTlsConfig::new().identity(identity);
        // Only this looks at what is in the files.
        Server::builder().tls_config(config.clone()).map_err(|error| TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            reason: innermost(&error),
        })?;
        Ok(Self { config })
    }
}

/// What the library says itself, without the layers around it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
