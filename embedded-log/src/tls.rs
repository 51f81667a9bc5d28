//! TLS: the certificate and key by which clients know the server.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The protocol that clients of gRPC ask for.
const HTTP_2: &[u8] = b"h2";

/// What a server shows to its clients. Read once: a renewed certificate needs a restart.
#[derive(Clone)]
pub struct Tls {
    pub(crate) acceptor: TlsAcceptor,
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
        let (chain, its_key) = (read(certificate)?, read(key)?);
        let config = config(&chain, &its_key).map_err(|error| TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            reason: innermost(&*error),
        })?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the key.
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, Box<dyn Error>> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key)?;
    // Named, as two libraries of cryptography are linked in by the client.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols.push(HTTP_2.to_vec());
    Ok(config)
}

/// What the library says itself, without the layers around it.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
