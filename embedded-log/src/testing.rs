//! A log for tests: a real server on a free port, in a directory that goes with it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::credentials::Credentials;
use crate::server::{Options, ServeError, Server};
use crate::tls::Tls;

const AUTHORITY_FILE: &str = "authority.pem";

/// A served log. Dropping it ends the server and removes its directory.
pub struct TestLog {
    directory: TempDir,
    options: Options,
    address: SocketAddr,
    running: Option<Running>,
}

/// Who may use a guarded log.
pub const USER: &str = "ann";
/// Her password.
pub const PASSWORD: &str = "not-secret";

/// A certificate for `localhost` and 127.0.0.1, and the authority that vouches for it. PEM files.
pub struct TestCertificate {
    /// Of the authority, for clients.
    pub authority: PathBuf,
    /// Of the server.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

struct Running {
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl TestLog {
    /// Serves an empty log on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If the machine has no room for it: no temporary directory or no free port.
    #[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
    pub async fn start() -> Self {
        let directory = directory();
        let options = Options::new(directory.path());
        Self::start_with(directory, options).await
    }

    /// The same for so many connections at a time.
    ///
    /// # Panics
    /// Likewise.
    pub async fn start_for(connections_max: usize) -> Self {
        let directory = directory();
        let options = Options { connections_max, ..Options::new(directory.path()) };
        Self::start_with(directory, options).await
    }

    /// The same by TLS only, and only for [`USER`] with her [`PASSWORD`].
    ///
    /// # Panics
    /// Likewise.
    #[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
    pub async fn start_guarded() -> Self {
        let directory = directory();
        let files = TestCertificate::make(directory.path());
        let tls = Tls::read(&files.certificate, &files.key).expect("a certificate just made");
        let credentials = Credentials::parse(&format!("{USER}:{PASSWORD}")).expect("a user");
        let mut options = Options::new(directory.path());
        (options.tls, options.credentials) = (Some(tls), Some(credentials));
        Self::start_with(directory, options).await
    }

    #[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
    async fn start_with(directory: TempDir, options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let running = Some(serve(options.clone(), listener).await);
        Self { directory, options, address, running }
    }

    /// What a client connects with; the same over restarts.
    pub fn connection_string(&self) -> String {
        if self.options.tls.is_none() {
            return format!("kurrentdb://{}?tls=false&discoveryInterval=20", self.address);
        }
        let authority = self.directory.path().join(AUTHORITY_FILE);
        format!(
            "kurrentdb://{USER}:{PASSWORD}@localhost:{}?tls=true&tlsCaFile={}&discoveryInterval=20",
            self.address.port(),
            authority.display()
        )
    }

    /// Where the log lies.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the log away as a clean shutdown does. Nothing happens if it is away already.
    ///
    /// # Panics
    /// If the server ended with an error.
    #[allow(clippy::expect_used, reason = "a server that ends badly must fail the test")]
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
            running.serving.await.expect("the server's task").expect("a clean end");
        }
    }

    /// Brings the log back, with what it held, at the same address; stops it first if it is there.
    ///
    /// # Panics
    /// If the port was taken by someone else meanwhile, or the log does not open.
    #[allow(clippy::expect_used, reason = "a test that cannot go on must fail on the spot")]
    pub async fn restart(&mut self) {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.expect("the port it had before");
        self.running = Some(serve(self.options.clone(), listener).await);
    }
}

impl Drop for TestLog {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }
}

impl TestCertificate {
    /// Makes both anew, in `folder`.
    ///
    /// # Panics
    /// If the files cannot be written.
    #[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
    pub fn make(folder: &Path) -> Self {
        // For the test's own clients: two libraries of cryptography are linked in, and whoever comes
        // first must find one chosen. An error means that somebody has done so.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let new_key = || KeyPair::generate().expect("a key");
        let authority_key = new_key();
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the names both have by default, some libraries take the other for self-signed.
        about.distinguished_name.push(DnType::CommonName, "embedded-log test authority");
        let signed = about.self_signed(&authority_key).expect("a certificate");
        let issuer = Issuer::new(about, authority_key);

        let key = new_key();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let about = CertificateParams::new(names).expect("names that certificates can hold");
        let certificate = about.signed_by(&key, &issuer).expect("a certificate");
        let write = |name: &str, pem: String| {
            let path = folder.join(name);
            fs::write(&path, pem).expect("a file of the test's own");
            path
        };
        Self {
            authority: write(AUTHORITY_FILE, signed.pem()),
            certificate: write("certificate.pem", certificate.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }
}

#[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
fn directory() -> TempDir {
    tempfile::Builder::new().prefix("embedded-log-").tempdir().expect("a temporary directory")
}

#[allow(clippy::expect_used, reason = "a test that cannot start must fail on the spot")]
async fn serve(options: Options, listener: TcpListener) -> Running {
    let opening = tokio::task::spawn_blocking(move || Server::open(options));
    let server = opening.await.expect("the opening task").expect("the log opens");
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    Running { stop, serving: tokio::spawn(server.serve(listener, stopped)) }
}
