//! A local double of the Stripe endpoints we use, for people without keys and for tests.
//!
//! It is reached through the real client over real HTTP, so what is exercised against it is what
//! runs against Stripe.
//!
//! - [`Sandbox`] (here): opened, served, asked what was paid.
//! - `api`: Stripe's endpoints and idempotency keys; `lists`: those that list; `faults`: trouble on
//!   demand.
//! - `bank`: the endpoints only a sandbox has, with which a person or a test is the bank, the buyer
//!   or somebody at Stripe's dashboard; `page`: the page with buttons for them.
//! - `operation`: what each endpoint does to a payment; `intent`: the payment; `card`: the test
//!   cards; `render`: the JSON shapes; `params`, `error`: the form body and Stripe's errors.
//! - `news`: what is told of a change; `webhooks`: telling it to the shop, signed.
//! - `book`: everything known, bounded; `journal`: the file that makes it survive a crash.

mod api;
mod bank;
mod book;
mod card;
mod error;
mod faults;
mod intent;
mod journal;
mod lists;
mod news;
mod operation;
mod page;
mod params;
mod render;
mod webhooks;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub use crate::journal::OpenError;
pub use crate::webhooks::Webhook;

use crate::book::{Book, Kept, Line};
use crate::faults::Faults;
use crate::intent::Intent;
use crate::journal::{Journal, Receipt};
use crate::webhooks::{Manner, Posts};

/// How often it is looked whether something happens to a payment by itself.
const TICK: Duration = Duration::from_millis(200);

/// How a sandbox is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory in which payments and idempotency keys outlive the process, created when
    /// missing; none keeps them in memory only. The shop's log survives a restart: a sandbox that
    /// forgot would charge a second time for a key it has answered before.
    pub journal: Option<PathBuf>,
    /// Where events are sent; can be changed while it runs.
    pub webhook: Option<Webhook>,
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
    manner: Mutex<Manner>,
    /// What was told and is to be sent; whoever serves takes it.
    posts: Mutex<Option<mpsc::UnboundedReceiver<Posts>>>,
}

struct State {
    book: Book,
    journal: Journal,
    posts: mpsc::UnboundedSender<Posts>,
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
    /// Minor units given back, or on their way.
    pub refunded: i64,
    /// Minor units that the buyer's bank has taken back, for now or for good.
    #[serde(default)]
    pub disputed: i64,
    /// Minor units that Stripe has kept.
    #[serde(default)]
    pub fees: i64,
    /// Seconds since the Unix epoch, as the times below.
    pub created: i64,
    /// When the money was taken.
    #[serde(default)]
    pub captured_at: Option<i64>,
    /// When it was called off, for ever.
    #[serde(default)]
    pub canceled_at: Option<i64>,
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
        let (posts, waiting) = mpsc::unbounded_channel();
        let shared = Shared {
            state: Mutex::new(State { book, journal, posts }),
            faults: Mutex::default(),
            manner: Mutex::new(Manner::to(options.webhook)),
            posts: Mutex::new(Some(waiting)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Stripe's endpoints under `/v1`, the sandbox's own under `/sandbox`, the page at `/`.
    pub fn router(&self) -> Router {
        api::router().merge(bank::router()).merge(page::router()).with_state(self.clone())
    }

    /// Serves, and sends webhooks, until `shutdown`; then lets the requests in flight finish.
    ///
    /// # Errors
    /// When the listener fails.
    ///
    /// # Panics
    /// When there is somewhere to send webhooks to and the process has not installed a rustls
    /// crypto provider.
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
        let served = axum::serve(listener, self.router()).with_graceful_shutdown(shutdown);
        tokio::select! {
            ended = served.into_future() => ended,
            () = self.live() => Ok(()),
        }
    }

    /// What happens without being asked for; never ends.
    async fn live(&self) {
        let tick = async {
            let mut tick = tokio::time::interval(TICK);
            loop {
                tick.tick().await;
                self.pass_time();
            }
        };
        tokio::join!(tick, webhooks::send_all(self));
    }

    /// Lets happen to payments what is due.
    fn pass_time(&self) {
        let now = chrono::Utc::now().timestamp();
        let mut state = self.state();
        for intent in state.book.due(now) {
            let mut intent = Intent::clone(&intent);
            intent.pass_time(now);
            // Nobody waits for it: whoever looks afterwards does.
            let _written = state.commit(Arc::new(intent), None, now);
        }
    }

    /// From now on events are sent there, or nowhere.
    pub fn send_webhooks_to(&self, webhook: Option<Webhook>) {
        *self.manner() = Manner::to(webhook);
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

    pub(crate) fn manner(&self) -> MutexGuard<'_, Manner> {
        self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_posts(&self) -> Option<mpsc::UnboundedReceiver<Posts>> {
        self.shared.posts.lock().unwrap_or_else(PoisonError::into_inner).take()
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

    /// Takes a change over, hands it to the journal, and has it told; the answer waits for the
    /// receipt.
    pub(crate) fn commit(&mut self, intent: Arc<Intent>, kept: Option<Kept>, now: i64) -> Receipt {
        let before = self.book.intent(&intent.id);
        let news = news::of(before.map(AsRef::as_ref), &intent);
        let line = Line { kept, news, at: now, ..Line::standing(intent) };
        let receipt = self.journal.submit(Some(&line));
        let told = line.news.len();
        self.book.apply(line);
        if told > 0 {
            let events: Vec<_> = self.book.events().rev().take(told).cloned().collect();
            let events = events.into_iter().rev().collect();
            // Nobody takes it when nobody serves.
            let _taken = self.posts.send(Posts { events, written: self.barrier() });
        }
        receipt
    }
}
