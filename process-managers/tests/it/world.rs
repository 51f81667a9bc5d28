//! A shop of its own for each test, and what people do in it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::id::{AccountId, CommandId, OrderId, PaymentId, TicketId};
use domain::money::{Currency, Money};
use domain::notice::{NoticeEvent, Receive, Told};
use domain::order::{OrderCommand, OrderPlaced, Status};
use domain::payment::{PaymentCommand, PaymentInitiated, ProviderResult};
use domain::text::{Quantity, Title};
use domain::ticket::{Hold, ReleaseReason, TicketCommand};
use domain::{Actor, Aggregate, Cause, DomainEvent, Notice, Order, Payment, Ticket, Timestamp};
use embedded_log::testing::TestLog;
use eventlog::{Delivery, EventLog, FollowError, Settings, Vault};
use futures::StreamExt;
use local_services::testing::TestDatabase;
use process_managers::desk::PROCESSES;
use process_managers::gateway::Charge;
use process_managers::payment::Task;
use process_managers::process_manager::Origin;
use process_managers::stripe::StripeGateway;
use process_managers::{Dependencies, Tuning};
use sqlx::PgPool;
use stripe_sandbox::{Options, PaymentView, Sandbox};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// No step of any test takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) log: EventLog,
    pub(crate) pool: PgPool,
    pub(crate) vault: Vault,
    pub(crate) sandbox: Sandbox,
    pub(crate) server: TestLog,
    pub(crate) buyer: AccountId,
    seller: AccountId,
    deps: Dependencies,
    sandbox_url: String,
    http: reqwest::Client,
    end: CancellationToken,
    _database: TestDatabase,
}

/// The process managers at work; dropping it kills them.
pub(crate) struct Working {
    stop: CancellationToken,
    task: JoinHandle<Result<(), FollowError>>,
}

impl Working {
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap().unwrap();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Waits that suit a test.
pub(crate) fn tuning() -> Tuning {
    Tuning {
        placement_grace: Duration::from_millis(100),
        initiation_grace: Duration::from_secs(300),
        erasure_grace: Duration::from_millis(100),
        poll: Duration::from_millis(50),
        rebuild_look: Duration::from_millis(100),
        // Once, at the start; those tests that are about it have it more often.
        reconcile_every: Duration::from_secs(3_600),
        lease: Duration::from_millis(800),
        retry_first: Duration::from_millis(20),
        retry_max: Duration::from_millis(500),
        drain: Duration::from_secs(2),
        ..Tuning::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::tuned(tuning()).await
    }

    pub(crate) async fn tuned(tuning: Tuning) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = TestLog::start().await;
        let log = open(&server);
        let database = TestDatabase::create().await;
        let pool = PgPool::connect(database.url()).await.unwrap();
        process_managers::install(&pool).await.unwrap();
        let vault = Vault::new(pool.clone(), &[7; 32]);
        vault.install().await.unwrap();
        let sandbox = Sandbox::open(Options::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox_url = format!("http://{}", listener.local_addr().unwrap());
        let end = CancellationToken::new();
        tokio::spawn(sandbox.clone().serve(listener, end.clone().cancelled_owned()));
        let gateway = StripeGateway::new("sk_test_flows", Some(&sandbox_url)).unwrap();
        let deps = Dependencies {
            log: log.clone(),
            pool: pool.clone(),
            vault: vault.clone(),
            gateway: Arc::new(gateway),
            tuning,
        };
        Self {
            log,
            pool,
            vault,
            sandbox,
            server,
            buyer: AccountId(Uuid::new_v4()),
            seller: AccountId(Uuid::new_v4()),
            deps,
            sandbox_url,
            http: reqwest::Client::new(),
            end,
            _database: database,
        }
    }

    pub(crate) fn start(&self) -> Working {
        let stop = CancellationToken::new();
        let task = tokio::spawn(process_managers::run(self.deps.clone(), stop.clone()));
        Working { stop, task }
    }

    /// What another process works with: the same, over a connection and a cache of its own.
    pub(crate) fn replica(&self) -> Dependencies {
        Dependencies { log: open(&self.server), ..self.deps.clone() }
    }

    // === What people do ===

    pub(crate) async fn execute<A: Aggregate>(&self, id: &A::Id, command: A::Command) {
        self.log.execute::<A>(id, command, &cause()).await.unwrap();
    }

    pub(crate) async fn list(&self, units: u32) -> TicketId {
        let ticket = TicketId(Uuid::new_v4());
        let list = TicketCommand::List {
            seller: self.seller,
            title: Title::parse("Concert").unwrap(),
            price: price(),
            quantity: Quantity::new(units).unwrap(),
            max_per_order: Quantity::new(units).unwrap(),
        };
        self.execute::<Ticket>(&ticket, list).await;
        ticket
    }

    /// The first half of an order.
    pub(crate) async fn reserve(&self, ticket: TicketId, expires_at: Timestamp) -> OrderId {
        let order = OrderId(Uuid::new_v4());
        let (buyer, quantity) = (self.buyer, Quantity::ONE);
        let reserve = TicketCommand::Reserve { order, buyer, quantity, expires_at };
        self.execute::<Ticket>(&ticket, reserve).await;
        order
    }

    /// An order whose time is over after `window`.
    pub(crate) async fn order(&self, ticket: TicketId, window: Duration) -> OrderId {
        let expires_at = Utc::now() + TimeDelta::from_std(window).unwrap();
        let order = self.reserve(ticket, expires_at).await;
        self.place(order, ticket, expires_at).await;
        order
    }

    /// The second half of an order.
    pub(crate) async fn place(&self, order: OrderId, ticket: TicketId, expires_at: Timestamp) {
        let terms = OrderPlaced {
            buyer: self.buyer,
            ticket,
            title: Title::parse("Concert").unwrap(),
            quantity: Quantity::ONE,
            unit_price: price(),
            total: price(),
            expires_at,
        };
        self.execute::<Order>(&order, OrderCommand::Place(terms)).await;
    }

    /// The first half of a payment.
    pub(crate) async fn start_payment(&self, order: OrderId) -> PaymentId {
        let payment = PaymentId(Uuid::new_v4());
        let start = OrderCommand::StartPayment { payment, by: self.buyer, now: Utc::now() };
        self.execute::<Order>(&order, start).await;
        payment
    }

    /// The second half of a payment.
    pub(crate) async fn initiate(&self, payment: PaymentId, order: OrderId, source: &str) {
        let intent = self.intent(payment, order, source);
        self.execute::<Payment>(&payment, PaymentCommand::Initiate(intent)).await;
    }

    pub(crate) async fn pay(&self, order: OrderId, source: &str) -> PaymentId {
        let payment = self.start_payment(order).await;
        self.initiate(payment, order, source).await;
        payment
    }

    fn intent(&self, payment: PaymentId, order: OrderId, source: &str) -> PaymentInitiated {
        PaymentInitiated {
            order,
            buyer: self.buyer,
            amount: price(),
            source: source.to_owned(),
            provider_key: payment.to_string(),
        }
    }

    /// Takes the money as a process manager does that dies before it can record it.
    pub(crate) async fn charge_unrecorded(&self, payment: PaymentId, order: OrderId) {
        let charge =
            Charge { key: payment.to_string(), order, amount: price(), initiated_at: Utc::now() };
        self.deps.gateway.charge(&charge, "tok_visa").await.unwrap();
    }

    /// Records the money of [`World::charge_unrecorded`]; gives the task that comes of it.
    pub(crate) async fn record_captured(&self, payment: PaymentId) -> Task {
        let is_its = |taken: &PaymentView| taken.metadata["payment"] == payment.to_string();
        let provider_ref = self.captured().into_iter().find(is_its).unwrap().id;
        let captured = PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref });
        self.execute::<Payment>(&payment, captured).await;
        let (event, correlation) = (Uuid::new_v4(), Uuid::new_v4());
        Task::Settle { payment, origin: Origin { event, correlation, trace: None } }
    }

    /// What no path of the program does: the order ends under a payment's hands.
    pub(crate) async fn end(&self, order: OrderId, payment: PaymentId) {
        self.execute::<Order>(&order, OrderCommand::FailPayment { payment }).await;
        self.execute::<Order>(&order, OrderCommand::Cancel { by: self.buyer }).await;
    }

    /// As [`World::end`], and its units come free.
    pub(crate) async fn lose(&self, ticket: TicketId, order: OrderId, payment: PaymentId) {
        self.end(order, payment).await;
        let reason = ReleaseReason::Cancelled;
        self.execute::<Ticket>(&ticket, TicketCommand::Release { order, reason }).await;
    }

    // === What is seen of it ===

    pub(crate) async fn status(&self, order: OrderId) -> Option<Status> {
        self.log.load::<Order>(&order).await.unwrap().state.status().cloned()
    }

    pub(crate) async fn hold(&self, ticket: TicketId, order: OrderId) -> Option<Hold> {
        let state = self.log.load::<Ticket>(&ticket).await.unwrap().state;
        state.listing().unwrap().holds.get(&order).cloned()
    }

    pub(crate) async fn payment(&self, payment: PaymentId) -> Payment {
        self.log.load::<Payment>(&payment).await.unwrap().state
    }

    /// Waits until the order is so.
    pub(crate) async fn until_order(&self, order: OrderId, wanted: impl Fn(&Status) -> bool) {
        eventually(&format!("order {order}"), async || {
            self.status(order).await.is_some_and(|status| wanted(&status))
        })
        .await;
    }

    /// Waits until the order is paid and its units are sold.
    pub(crate) async fn until_sold(&self, ticket: TicketId, order: OrderId, payment: PaymentId) {
        self.until_order(order, |status| *status == Status::Complete { payment }).await;
        eventually("sold", async || self.hold(ticket, order).await.is_some_and(|hold| hold.sold))
            .await;
    }

    /// Waits until the order's units are free.
    pub(crate) async fn until_released(&self, ticket: TicketId, order: OrderId) {
        eventually("released", async || self.hold(ticket, order).await.is_none()).await;
    }

    /// Waits until nothing is left to do, now or later.
    pub(crate) async fn until_idle(&self) {
        eventually("idle", async || self.caught_up().await && self.tasks().await.is_empty()).await;
    }

    /// Whether every list is made of all that is in the log.
    pub(crate) async fn caught_up(&self) -> bool {
        let head = self.log.head().await.unwrap().unwrap();
        let behind: i64 = sqlx::query_scalar(
            "SELECT $2 - count(*) FROM follower.checkpoint WHERE commit_position >= $1",
        )
        .bind(i64::try_from(head.commit).unwrap())
        .bind(i64::try_from(PROCESSES.len()).unwrap())
        .fetch_one(&self.pool)
        .await
        .unwrap();
        behind == 0
    }

    /// How many tasks a process manager has.
    pub(crate) async fn tasks_of(&self, process: &str) -> i64 {
        let count = "SELECT count(*) FROM process_managers.task WHERE process = $1";
        sqlx::query_scalar(count).bind(process).fetch_one(&self.pool).await.unwrap()
    }

    /// What is on the to-do lists, with the last error.
    pub(crate) async fn tasks(&self) -> Vec<(String, serde_json::Value, Option<String>)> {
        sqlx::query_as("SELECT process, task, last_error FROM process_managers.task")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) fn captured(&self) -> Vec<PaymentView> {
        let payments = self.sandbox.payments().into_iter();
        payments.filter(|payment| payment.status == "succeeded").collect()
    }

    pub(crate) async fn fault(&self, fault: serde_json::Value) {
        let url = format!("{}/sandbox/faults", self.sandbox_url);
        let answer = self.http.post(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}");
    }

    /// In the provider's dashboard, of the only payment.
    pub(crate) async fn refund_by_hand(&self, minor: i64) {
        self.refund_payment_by_hand(&self.captured()[0].id, minor).await;
    }

    pub(crate) async fn refund_payment_by_hand(&self, id: &str, minor: i64) {
        let form = [("payment_intent", id.to_owned()), ("amount", minor.to_string())];
        let url = format!("{}/v1/refunds", self.sandbox_url);
        let answer = self.http.post(url).bearer_auth("sk_test_hand").form(&form).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    pub(crate) async fn bank_approves(&self, id: &str) {
        self.at_the_bank(id, "approve").await;
    }

    /// What somebody else than the shop does to a payment.
    pub(crate) async fn at_the_bank(&self, id: &str, verb: &str) {
        let url = format!("{}/sandbox/payments/{id}/{verb}", self.sandbox_url);
        assert!(self.http.post(url).send().await.unwrap().status().is_success(), "{verb}");
    }

    /// A payment that somebody makes at the provider without us; gives its name there.
    pub(crate) async fn charge_past_us(&self, form: &[(&str, &str)]) -> String {
        let mut all = vec![
            ("confirm", "true"),
            ("payment_method", "pm_card_visa"),
            ("payment_method_types[]", "card"),
        ];
        all.extend(form);
        let url = format!("{}/v1/payment_intents", self.sandbox_url);
        let answer = self.http.post(url).bearer_auth("sk_test_other").form(&all).send().await;
        let answer: serde_json::Value = answer.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "succeeded", "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// As a webhook tells it.
    pub(crate) async fn told(&self, event: &str, kind: &str, payment: &str) {
        let told = Told {
            event,
            kind,
            created: Utc::now().timestamp(),
            object: "payment_intent",
            id: payment,
            payment: None,
            charge: None,
        };
        let (id, notice) = told.read().unwrap().unwrap();
        self.execute::<Notice>(&id, Receive(notice)).await;
    }

    /// Whether an event about this payment of the provider is in the log.
    pub(crate) async fn log_has_notice_of(&self, payment: &str) -> bool {
        let mut deliveries = Box::pin(self.log.subscribe(None));
        while let Some(delivery) = deliveries.next().await {
            match delivery.unwrap() {
                Delivery::Event(recorded) => {
                    if let DomainEvent::Notice(NoticeEvent::ProviderNoticeReceived(notice)) =
                        recorded.event
                        && notice.payment.as_deref() == Some(payment)
                    {
                        return true;
                    }
                }
                Delivery::Checkpoint(_) => {}
                Delivery::CaughtUp => break,
            }
        }
        false
    }

    /// Why a task is parked, once it is.
    pub(crate) async fn parked(&self) -> String {
        let mut why = None;
        eventually("parked", async || {
            let parked = "SELECT last_error FROM process_managers.task WHERE parked_at IS NOT NULL";
            why = sqlx::query_scalar(parked).fetch_optional(&self.pool).await.unwrap();
            why.is_some()
        })
        .await;
        why.unwrap()
    }
}

fn open(server: &TestLog) -> EventLog {
    let settings =
        Settings { connection_string: server.connection_string(), build: "test".to_owned() };
    EventLog::new(settings).unwrap()
}

pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn price() -> Money {
    Money { minor: 2000, currency: Currency::USD }
}

pub(crate) fn cause() -> Cause {
    Cause {
        command: CommandId(Uuid::new_v4()),
        fingerprint: None,
        correlation: Uuid::new_v4(),
        causation: Uuid::new_v4(),
        actor: Actor::Anonymous,
        trace: None,
        now: Utc::now(),
    }
}

/// Longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(900);
