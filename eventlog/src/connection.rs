//! The client of the log, rebuilt when it dies. Every call has a deadline.
//!
//! The client crate never recovers once it has failed to reconnect, and in a cluster it stays with
//! a node that is gone. So whatever goes wrong for no reason of the call itself, the client is
//! thrown away, and the next call makes a new one.
//!
//! What the client crate does for a call is a large future, and whoever awaits it is as large, however
//! seldom that is; so each is boxed. Every command would be moved about with room for all of them.

mod append;
mod feed;
mod read;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Position;
use eventstore::{Client, ClientSettings, ReadAllOptions, StreamPosition};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use append::{Appended, Call, Way};
pub(crate) use feed::{Feed, FeedEvent, our_streams};
pub(crate) use read::Reading;

use crate::LogError;
use crate::backoff::Backoff;
use crate::connection::append::Writer;

/// The longest wait for any one answer of a log that is there; its disk may be slow.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// The longest wait for a new client's first answer.
const GREETING_MAX: Duration = Duration::from_millis(800);
/// Who has waited so long asks whether anybody is there.
const SILENCE_MAX: Duration = Duration::from_millis(300);
/// And this is how long the answer to that may take: so whoever waits for a log that is gone is
/// told within a second. (The client crate's own keep-alive takes ten.)
const SIGN_OF_LIFE_MAX: Duration = Duration::from_millis(400);
/// The longest wait for the answer to whether it is there.
const READY_MAX: Duration = Duration::from_secs(1);
/// For so long a call that failed for want of the log is tried again.
pub(crate) const RETRY_WITHIN: Duration = Duration::from_millis(700);
/// A call that is tried again has to come to its end by then.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_millis(900);
/// At most one client is made in this time, however many calls fail.
const REBUILD_EVERY: Duration = Duration::from_millis(100);
/// What the client crate sleeps before its first connection to a single node; its default is 500.
const DISCOVERY_INTERVAL_MILLIS: u32 = 20;

/// The client keeps to itself what the log said.
pub(crate) const ACCESS_DENIED: &str =
    "access denied; user:password@ before the host of the connection string says who asks";
const NO_ANSWER: &str = "no answer in time";

/// Between two tries of a call.
pub(crate) const fn retry_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(20), Duration::from_millis(200))
}

/// The way to the log, shared by all handles.
pub(crate) struct Connection {
    settings: ClientSettings,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    link: Option<Arc<Link>>,
    built: Option<Instant>,
}

/// One client and its open writer; thrown away as a whole.
pub(crate) struct Link {
    client: Client,
    /// Set by the first answer.
    greeted: OnceCell<()>,
    /// When somebody last asked whether the log is there, and it was.
    alive: tokio::sync::Mutex<Instant>,
    /// It was not: nobody need wait any longer.
    lost: CancellationToken,
    writer: tokio::sync::Mutex<Writer>,
    /// Ends the subscriptions of a client that was given up, which might wait for ever otherwise.
    discarded: CancellationToken,
}

/// Why one try of a call failed.
#[derive(Clone, Debug, PartialEq)]
enum Failure {
    /// The stream is not at the expected revision.
    Conflict,
    NotFound,
    /// The log understood and will not.
    Refused(String),
    /// It may have happened or not.
    Unclear(String),
    /// The same, and nothing was heard for so long that nobody may be there any more.
    NoAnswer,
}

impl Connection {
    pub(crate) fn new(connection_string: &str) -> Result<Self, LogError> {
        let settings = parse(connection_string)?;
        Ok(Self { settings, current: Mutex::default() })
    }

    /// One small read, bounded at a second.
    pub(crate) async fn ready(&self) -> Result<(), LogError> {
        let ready = tokio::time::timeout(READY_MAX, self.last_position(None)).await;
        ready.map_err(|_| LogError::Unavailable(NO_ANSWER.to_owned()))?.map(|_| ())
    }

    /// A client that has been answered once.
    async fn link(&self) -> Result<Arc<Link>, Failure> {
        let link = self.newest_link()?;
        let greeting = link.greeted.get_or_try_init(|| link.greet(GREETING_MAX)).await;
        if let Err(failure) = greeting {
            self.discard(&link);
            return Err(failure);
        }
        Ok(link)
    }

    fn newest_link(&self) -> Result<Arc<Link>, Failure> {
        let mut current = self.current();
        if let Some(link) = &current.link {
            return Ok(Arc::clone(link));
        }
        if current.built.is_some_and(|built| built.elapsed() < REBUILD_EVERY) {
            return Err(Failure::Unclear("about to connect again".to_owned()));
        }
        current.built = Some(Instant::now());
        metrics::counter!("log_connections_total").increment(1);
        let client = Client::new(self.settings.clone())
            .map_err(|error| Failure::Refused(format!("cannot make a client: {error}")))?;
        let link = Arc::new(Link {
            client,
            greeted: OnceCell::new(),
            alive: tokio::sync::Mutex::new(Instant::now()),
            lost: CancellationToken::new(),
            writer: tokio::sync::Mutex::default(),
            discarded: CancellationToken::new(),
        });
        current.link = Some(Arc::clone(&link));
        Ok(link)
    }

    /// The next call makes a new client, unless somebody has made one already.
    fn discard(&self, link: &Arc<Link>) {
        link.discarded.cancel();
        let mut current = self.current();
        if current.link.as_ref().is_some_and(|it| Arc::ptr_eq(it, link)) {
            current.link = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discards the client when a failure may be its own fault; puts the failure in our words.
    fn failed(&self, link: &Arc<Link>, failure: Failure) -> LogError {
        if failure.is_unclear() {
            self.discard(link);
        }
        failure.into()
    }
}

impl Link {
    /// Waits for an answer as long as somebody is there to give it. The disk of a log may be slow,
    /// and then it still answers reads.
    async fn answered<T>(
        &self,
        call: impl Future<Output = eventstore::Result<T>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            answer = call => answer.map_err(Failure::from),
            () = self.silence() => Err(Failure::NoAnswer),
        }
    }

    /// Ends when there was no answer for too long, or the log gives no sign of life; of all who
    /// wait, one asks for it. Nearly every call is over before the first pause is, so until then it
    /// is nothing but one timer.
    async fn silence(&self) {
        let began = Instant::now();
        tokio::time::sleep(SILENCE_MAX).await;
        tokio::select! {
            () = self.no_sign_of_life() => {}
            () = self.lost.cancelled() => {}
            () = tokio::time::sleep_until(began + ANSWER_MAX) => {}
        }
    }

    async fn no_sign_of_life(&self) {
        loop {
            let mut alive = self.alive.lock().await;
            if alive.elapsed() >= SILENCE_MAX {
                if self.greet(SIGN_OF_LIFE_MAX).await.is_err() {
                    self.lost.cancel();
                    return;
                }
                *alive = Instant::now();
            }
            drop(alive);
            tokio::time::sleep(SILENCE_MAX).await;
        }
    }

    /// Whatever the answer is, somebody is there to give it.
    async fn greet(&self, limit: Duration) -> Result<(), Failure> {
        let last = ReadAllOptions::default().position(StreamPosition::End).max_count(1);
        let last = Box::pin(async { self.client.read_all(&last).await?.next().await });
        match within(limit, last).await {
            Err(failure) if failure.is_unclear() => Err(failure),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl From<Failure> for LogError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict => Self::Refused("a conflict where none can be".to_owned()),
            Failure::NotFound => Self::Refused("not found".to_owned()),
            Failure::Refused(reason) => Self::Refused(reason),
            Failure::Unclear(reason) => Self::Unavailable(reason),
            Failure::NoAnswer => Self::Unavailable(NO_ANSWER.to_owned()),
        }
    }
}

impl From<eventstore::Error> for Failure {
    fn from(error: eventstore::Error) -> Self {
        use eventstore::Error;
        match error {
            Error::WrongExpectedVersion { .. } | Error::ResourceAlreadyExists => Self::Conflict,
            Error::Grpc { code, message } => Self::from_code(i32::from(code), message),
            Error::ResourceNotFound => Self::NotFound,
            Error::AccessDenied => Self::Refused(ACCESS_DENIED.to_owned()),
            Error::UnsupportedFeature | Error::ResourceDeleted | Error::InternalParsingError(_) => {
                Self::Refused(error.to_string())
            }
            Error::ServerError(_)
            | Error::NotLeaderException(_)
            | Error::ConnectionClosed
            | Error::GrpcConnectionError(_)
            | Error::InternalClientError
            | Error::DeadlineExceeded
            | Error::InitializationError(_)
            | Error::IllegalStateError(_) => Self::Unclear(error.to_string()),
        }
    }
}

impl Failure {
    const fn is_unclear(&self) -> bool {
        match self {
            Self::Unclear(_) | Self::NoAnswer => true,
            Self::Conflict | Self::NotFound | Self::Refused(_) => false,
        }
    }

    /// From a gRPC status that the client crate does not name. A wrong expected revision comes
    /// from a batch append as `ALREADY_EXISTS`.
    fn from_code(code: i32, message: String) -> Self {
        const INVALID_ARGUMENT: i32 = 3;
        const NOT_FOUND: i32 = 5;
        const ALREADY_EXISTS: i32 = 6;
        const PERMISSION_DENIED: i32 = 7;
        const FAILED_PRECONDITION: i32 = 9;
        const UNIMPLEMENTED: i32 = 12;
        const UNAUTHENTICATED: i32 = 16;
        match code {
            ALREADY_EXISTS => Self::Conflict,
            INVALID_ARGUMENT | NOT_FOUND | PERMISSION_DENIED | FAILED_PRECONDITION
            | UNIMPLEMENTED | UNAUTHENTICATED => Self::Refused(message),
            _ => Self::Unclear(message),
        }
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = eventstore::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::NoAnswer),
    }
}

/// Errors never repeat the connection string: it may hold a password.
pub(crate) fn parse(connection_string: &str) -> Result<ClientSettings, LogError> {
    let read = |text: &str| {
        text.parse::<ClientSettings>().map_err(|error| {
            let reason = error.error().map(ToString::to_string);
            LogError::Settings(reason.unwrap_or_else(|| error.message().to_owned()))
        })
    };
    let settings = read(connection_string)?;
    if let Some(file) = settings.tls_ca_file() {
        check_authority(file)?;
    }
    let single = settings.hosts().len() == 1 && !settings.is_dns_discovery_enabled();
    if !single || connection_string.to_ascii_lowercase().contains("discoveryinterval=") {
        return Ok(settings);
    }
    let and = if connection_string.contains('?') { '&' } else { '?' };
    read(&format!("{connection_string}{and}discoveryInterval={DISCOVERY_INTERVAL_MILLIS}"))
}

/// That the file vouches for somebody: the client would panic over one that does not.
fn check_authority(file: &str) -> Result<(), LogError> {
    let unusable = |reason: &dyn fmt::Display| {
        LogError::Settings(format!("tlsCaFile {file} holds no certificate in PEM: {reason}"))
    };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| unusable(&error))?;
    let mut authorities = RootCertStore::empty();
    for certificate in found {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        authorities.add(certificate).map_err(|error| unusable(&error))?;
    }
    if authorities.is_empty() { Err(unusable(&"it is empty")) } else { Ok(()) }
}

pub(crate) const fn ours(position: eventstore::Position) -> Position {
    Position { commit: position.commit, prepare: position.prepare }
}

const fn theirs(position: Position) -> eventstore::Position {
    eventstore::Position { commit: position.commit, prepare: position.prepare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_node_is_connected_to_without_the_client_s_long_sleep() {
        let interval = |text: &str| parse(text).unwrap().discovery_interval().as_millis();
        assert_eq!(interval("kurrentdb://localhost:2113?tls=false"), 20);
        assert_eq!(interval("kurrentdb://localhost:2113"), 20);
        assert_eq!(interval("kurrentdb://localhost:2113?discoveryInterval=50"), 50);
        assert_eq!(interval("kurrentdb://a:2113,b:2113?tls=false"), 500);
        assert_eq!(interval("kurrentdb+discover://db.example:2113"), 500);
    }

    #[test]
    fn a_bad_connection_string_is_refused_without_repeating_it() {
        for text in ["", "localhost:2113", "http://ann:secret@localhost", "kurrentdb://ann:secret@"]
        {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, LogError::Settings(_)), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_file_that_vouches_for_nobody_is_refused_before_the_client_panics_over_it() {
        let nothing = env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml";
        for file in [&*nothing, "/no/such/file.pem"] {
            let text = format!("kurrentdb://ann:secret@localhost:2113?tls=true&tlsCaFile={file}");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(file) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_wrong_revision_is_told_from_a_refusal_and_from_an_outage() {
        let failure = |code| Failure::from_code(code, String::new());
        assert_eq!(failure(6), Failure::Conflict);
        assert_eq!(failure(3), Failure::Refused(String::new()));
        assert_eq!(failure(7), Failure::Refused(String::new()));
        for unclear in [1, 2, 4, 8, 10, 13, 14] {
            assert_eq!(failure(unclear), Failure::Unclear(String::new()), "{unclear}");
        }
    }
}
