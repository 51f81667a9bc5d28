//! A local double of the Stripe endpoints we use, for people without keys and for tests.
//!
//! It is reached through the real client over real HTTP, so what is exercised against it is what
//! runs against Stripe.
//!
//! - [`Sandbox`] (here): opened, served, asked what was paid.
//! - `api`: Stripe's endpoints, idempotency keys, injected faults.
//! - `bank`: the page where a person is the bank, and the endpoints only a sandbox has.
//! - `operation`: what each endpoint does to a payment; `intent`: the payment; `card`: the test
//!   cards; `render`: the JSON shapes; `params`, `error`: the form body and Stripe's errors.
//! - `book`: everything known, bounded; `journal`: the file that makes it survive a crash.

mod api;
mod bank;
mod book;
mod card;
mod error;
mod faults;
mod intent;
mod journal;
mod operation;
mod params;
mod render;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::serve::ListenerExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

pub use crate::journal::OpenError;

use crate::book::Book;
use crate::faults::Faults;
use crate::journal::{Journal, Receipt};

/// How a sandbox is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory in which payments and idempotency keys outlive the process, created when
    /// missing; none keeps them in memory only. The shop's log survives a restart: a sandbox that
    /// forgot would charge a second time for a key it has answered before.
    pub journal: Option<PathBuf>,
}

/// The double. Clones share everything.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    /// One lock: Stripe, too, works on a payment one request at a time.
    state: Mutex<State>,
    faults: Mutex<Faults>,
}

struct State {
    book: Book,
    journal: Journal,
}

/// One payment as the sandbox knows it, for whoever reckons afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    pub id: String,
    /// The key under which it was created.
    pub idempotency_key: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// Stripe's word: `requires_payment_method`, `requires_action`, `succeeded`, `canceled`, …
    pub status: String,
    pub metadata: BTreeMap<String, String>,
    /// Minor units given back.
    pub refunded: i64,
    /// Seconds since the Unix epoch.
    pub created: i64,
}

impl Sandbox {
    /// Opens the sandbox and, where there is a journal, everything it remembers.
    ///
    /// # Errors
    /// [`OpenError`] when the journal is in use, cannot be read, or is damaged before its end.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let now = chrono::Utc::now().timestamp();
        let (book, journal) = match &options.journal {
            Some(directory) => Journal::open(directory, now)?,
            None => (Book::default(), Journal::none()),
        };
        let state = Mutex::new(State { book, journal });
        Ok(Self { shared: Arc::new(Shared { state, faults: Mutex::default() }) })
    }

    /// Stripe's endpoints under `/v1`, the sandbox's own under `/sandbox`, the page at `/`.
    pub fn router(&self) -> Router {
        api::router().merge(bank::router()).with_state(self.clone())
    }

    /// Serves until `shutdown`, then lets the requests in flight finish.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let listener = listener.tap_io(|stream| {
            // Answers are small: waiting to fill a packet only delays them.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
        });
        axum::serve(listener, self.router()).with_graceful_shutdown(shutdown).await
    }

    /// Every payment, in the order they were created.
    pub fn payments(&self) -> Vec<PaymentView> {
        self.state().book.intents().map(render::view).collect()
    }

    /// As [`Sandbox::payments`], once all of it would survive a crash.
    pub(crate) async fn payments_kept(&self) -> Result<Vec<PaymentView>, journal::Failed> {
        let (payments, receipt) = {
            let state = self.state();
            let payments = state.book.intents().map(render::view).collect();
            (payments, state.barrier())
        };
        receipt.wait().await?;
        Ok(payments)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Waits for everything written so far: an answer must not tell what a crash could still undo.
    pub(crate) fn barrier(&self) -> Receipt {
        self.journal.submit(None)
    }

    /// Takes a change over and hands it to the journal; the answer waits for the receipt.
    pub(crate) fn commit(&mut self, line: book::Line) -> Receipt {
        let receipt = self.journal.submit(Some(&line));
        self.book.apply(line);
        receipt
    }
}
