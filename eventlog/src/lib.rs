//! The one door to `KurrentDB`: execute commands, follow events.
//!
//! The map:
//! - [`EventLog`]: a handle on the log, cheap to clone; it connects on first use and mends itself.
//! - [`LogReader`]: the read half, for those who must not append.
//! - `execute`: load, decide, append, and again after a conflict; one owner per stream.
//! - `past`: an aggregate as it was, so that a request made again gets the answer it got first.
//! - `wait`: waiting for an aggregate to come to a state; `subscribe`: following the whole log.
//! - [`follow`]: a follower takes every event of the log once, in order, with its own checkpoint.
//! - [`checkpoint`]: the guarded checkpoint of followers, in Postgres.
//! - [`parking`]: streams that a follower cannot take, set aside until they can be let in.
//! - [`vault`]: personal data sealed under a key per person.
//! - [`erasure`]: forgetting a person, in steps that may be taken again.
//! - `codec`: events to and from what is stored, with the lifts of old versions.
//! - [`raw`]: events as they are stored, to look into a log and to move one.
//! - `connection`: the client of the log, rebuilt when it dies; every call has a deadline.
//!
//! True by absence: no other crate names a stream, and nothing is ever appended without the exact
//! revision that it was decided on.

mod backoff;
pub mod checkpoint;
mod codec;
mod connection;
pub mod erasure;
mod error;
mod execute;
pub mod follow;
mod history;
mod install;
pub mod parking;
mod past;
pub mod raw;
mod reader;
mod subscribe;
pub mod vault;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{Aggregate, Cause, Position, Revision};
use futures::Stream;
use mutants::Mutant;
use tokio::time::Instant;

pub use error::{ExecuteError, LogError};
pub use follow::{FollowError, Follower, TakeError, follow};
pub use history::{Between, History};
pub use reader::LogReader;
pub use subscribe::{Deliveries, Delivery};
pub use vault::{MasterKeys, Vault, VaultError};

use connection::Connection;
use execute::{Expected, Owners};
use past::Past;

/// Where the log is, and who writes to it.
#[derive(Clone)]
pub struct Settings {
    /// As `KurrentDB`'s clients take it: `kurrentdb://host:2113?tls=false`.
    pub connection_string: String,
    /// The version of this program; it is recorded with every event.
    pub build: String,
}

impl fmt::Debug for Settings {
    /// Without the connection string: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("build", &self.build).finish_non_exhaustive()
    }
}

/// A handle on the log. Cheap to clone; clones share one connection and one cache.
#[derive(Clone, Debug)]
pub struct EventLog {
    shared: Arc<Shared>,
    /// When whoever calls no longer waits.
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Shared {
    connection: Arc<Connection>,
    owners: Arc<Owners>,
    past: Past,
}

/// The state of an aggregate as far as it is known to have come.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded<A> {
    pub state: A,
    /// Of the last event in the stream; none when there is no event yet.
    pub revision: Option<Revision>,
    /// Of the last event in the stream; none when there is no event yet.
    pub position: Option<Position>,
}

/// An accepted command.
#[derive(Clone, Debug)]
pub struct Executed<A: Aggregate> {
    /// After the command's events.
    pub state: A,
    /// Of the last event of the state; none only if nothing was ever in the stream.
    pub revision: Option<Revision>,
    /// At or shortly after the last event of the state: whoever has read up to here has read it.
    /// None only if nothing was ever in the stream.
    pub position: Option<Position>,
    /// What this call appended; empty when it was already so.
    pub events: Vec<A::Event>,
    /// The command with this id took effect before, and this was its last event; nothing was
    /// appended now, and the state is the present one. See [`EventLog::as_answered_first`].
    pub repeated: Option<Revision>,
}

impl EventLog {
    /// Only reads the settings; the connection is made on first use.
    ///
    /// # Errors
    /// [`LogError::Settings`] when the connection string cannot be read.
    pub fn new(settings: Settings) -> Result<Self, LogError> {
        let connection = Arc::new(Connection::new(&settings.connection_string)?);
        let owners = Arc::new(Owners::new(Arc::clone(&connection), settings.build));
        let shared = Arc::new(Shared { connection, owners, past: Past::new() });
        Ok(Self { shared, deadline: None })
    }

    /// The same log for somebody who waits no longer than until then. What is not done by then
    /// fails with [`LogError::TooLate`], and no command is begun after it, whatever it had to wait for.
    #[must_use]
    pub fn until(&self, deadline: std::time::Instant) -> Self {
        Self { deadline: Some(Instant::from_std(deadline)), ..self.clone() }
    }

    /// The same log, for somebody who only reads it.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared.connection))
    }

    /// One cheap round trip, bounded at one second.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the log does not answer.
    pub async fn ready(&self) -> Result<(), LogError> {
        self.shared.connection.ready().await
    }

    /// The state of an aggregate with everything that is in the log by now.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn load<A: Aggregate>(&self, id: &A::Id) -> Result<Loaded<A>, LogError> {
        match self.shared.owners.look::<A>(id, self.deadline).await {
            Ok(Executed { state, revision, position, .. }) => {
                Ok(Loaded { state, revision, position })
            }
            Err(ExecuteError::Log(error)) => Err(error),
            Err(
                ExecuteError::Contended { .. }
                | ExecuteError::Rejected(_)
                | ExecuteError::RevisionMismatch { .. }
                | ExecuteError::KeyReused,
            ) => Err(LogError::Unavailable("the stream changes too fast".to_owned())),
        }
    }

    /// The state of an aggregate as it was at most `age` ago, without asking the log when this
    /// process knows it. What this process itself has appended is always in it.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn load_within<A: Aggregate>(
        &self,
        id: &A::Id,
        age: Duration,
    ) -> Result<Loaded<A>, LogError> {
        match self.shared.owners.glance::<A>(id, age).await? {
            Some(known) => Ok(known),
            None => self.load(id).await,
        }
    }

    /// Decides a command on the state of the aggregate and appends what comes of it.
    ///
    /// A command id takes effect once in a stream. So who gives two commands to one aggregate needs
    /// two ids; the same id may go to several aggregates.
    ///
    /// # Errors
    /// [`ExecuteError`]: the rule that refuses it, contention, or the log.
    pub async fn execute<A: Aggregate>(
        &self,
        id: &A::Id,
        command: A::Command,
        cause: &Cause,
    ) -> Result<Executed<A>, ExecuteError<A::Rejection>> {
        self.execute_if(id, command, cause, None).await
    }

    /// Like [`EventLog::execute`], on condition that the stream is at `expected`, when that is
    /// given. A command that has taken effect already is told so whatever the condition.
    ///
    /// # Errors
    /// [`ExecuteError`]; `RevisionMismatch` when the condition does not hold.
    pub async fn execute_if<A: Aggregate>(
        &self,
        id: &A::Id,
        command: A::Command,
        cause: &Cause,
        expected: Option<Revision>,
    ) -> Result<Executed<A>, ExecuteError<A::Rejection>> {
        self.shared.owners.execute(id, command, cause, expected.into(), self.deadline).await
    }

    /// Like [`EventLog::execute`], without reading first whether there is such an aggregate. Only for
    /// ids of aggregate and command that have just been made up: a command that was given before,
    /// perhaps with other content, would not be found out. Has somebody else begun the stream all
    /// the same, it is read and the command decided on what is there.
    ///
    /// # Errors
    /// [`ExecuteError`]; see [`EventLog::execute`].
    pub async fn execute_new<A: Aggregate>(
        &self,
        id: &A::Id,
        command: A::Command,
        cause: &Cause,
    ) -> Result<Executed<A>, ExecuteError<A::Rejection>> {
        self.shared.owners.execute(id, command, cause, Expected::New, self.deadline).await
    }

    /// What came of a command that was given before, whatever is to come of it now; none: it had no
    /// effect yet.
    ///
    /// # Errors
    /// [`ExecuteError::KeyReused`] when its id was given to another command; the log.
    pub async fn recall<A: Aggregate>(
        &self,
        id: &A::Id,
        cause: &Cause,
    ) -> Result<Option<Executed<A>>, ExecuteError<A::Rejection>> {
        let known = self.shared.owners.recall::<A>(id, cause, self.deadline).await?;
        Ok(known.repeated.is_some().then_some(known))
    }

    /// What was answered when a command took effect: with the state, revision and position of then,
    /// when it is a repeated one and more has happened since.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn as_answered_first<A: Aggregate>(
        &self,
        id: &A::Id,
        executed: Executed<A>,
    ) -> Result<Executed<A>, LogError> {
        let Some(before) = executed.repeated.filter(|_| executed.repeated != executed.revision)
        else {
            return Ok(executed);
        };
        if Mutant::AnswersAnew.is_made() {
            return Ok(executed);
        }
        let then =
            self.in_time(self.shared.past.at::<A>(&self.shared.connection, id, before)).await?;
        let Loaded { state, revision, position } = then;
        Ok(Executed { state, revision, position, ..executed })
    }

    /// The state of an aggregate when `done` was first true of it, or its newest if it never was.
    /// Reads the whole stream, so it is for short ones.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn first<A: Aggregate>(
        &self,
        id: &A::Id,
        done: impl Fn(&A) -> bool + Send + Sync,
    ) -> Result<Loaded<A>, LogError> {
        self.in_time(self.shared.past.first(&self.shared.connection, id, done)).await
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, LogError>>,
    ) -> Result<T, LogError> {
        match self.deadline {
            None => call.await,
            Some(deadline) => {
                tokio::time::timeout_at(deadline, call).await.unwrap_or(Err(LogError::TooLate))
            }
        }
    }

    /// Loads an aggregate, then follows its stream until `done` or until the time is over; gives
    /// the state it then has either way.
    ///
    /// # Errors
    /// [`LogError`] of the load, or an event that cannot be read. A log that goes away after the
    /// load is waited for.
    pub async fn wait_until<A: Aggregate>(
        &self,
        id: &A::Id,
        within: Duration,
        done: impl Fn(&A) -> bool + Send,
    ) -> Result<Loaded<A>, LogError> {
        let loaded = self.load(id).await?;
        let left = self.deadline.map(|deadline| deadline - Instant::now());
        let within = left.map_or(within, |left| left.min(within));
        wait::wait_until(&self.shared.connection, id, loaded, within, done).await
    }

    /// The position of the last event of ours in the log.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn head(&self) -> Result<Option<Position>, LogError> {
        self.shared.connection.last_position(Some(connection::our_streams())).await
    }

    /// The events of a stream of ours from a revision on, `events_max` of them at most; none when
    /// there is no such stream.
    ///
    /// # Errors
    /// [`LogError`] of the read.
    pub async fn history(
        &self,
        stream: &str,
        from: Revision,
        events_max: usize,
    ) -> Result<History, LogError> {
        History::read(&self.shared.connection, stream, from, events_max).await
    }

    /// How many events of ours lie between two positions, counted up to `events_max`.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn between(
        &self,
        after: Option<Position>,
        until: Position,
        events_max: u64,
    ) -> Result<Between, LogError> {
        Between::count(&self.shared.connection, after, until, events_max).await
    }

    /// Every event of ours after a position, then whatever is new, without end. It ends after the
    /// first error; subscribe again after the last position seen.
    pub fn subscribe(
        &self,
        after: Option<Position>,
    ) -> impl Stream<Item = Result<Delivery, LogError>> + Send + use<> {
        subscribe::subscribe(self.deliveries(after))
    }

    /// The same, to be read by [`Deliveries::next`].
    #[must_use]
    pub fn deliveries(&self, after: Option<Position>) -> Deliveries {
        Deliveries::new(Arc::clone(&self.shared.connection), after)
    }
}
