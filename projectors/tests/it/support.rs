//! A log, databases, and a market in which anything may happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::event::{Actor, Cause};
use domain::id::{AccountId, CommandId, OrderId, PaymentId, RefundId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, OrderPlaced};
use domain::text::{Quantity, Title};
use domain::ticket::{ReleaseReason, TicketCommand};
use domain::{Aggregate, Order, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, ExecuteError, FollowError, Settings};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn client(log: &TestLog) -> EventLog {
    let settings =
        Settings { connection_string: log.connection_string(), build: "test".to_owned() };
    EventLog::new(settings).unwrap()
}

pub(crate) async fn database(url: &str) -> PgPool {
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1)).connect(url).await;
    let pool = pool.unwrap();
    projectors::install(&pool).await.unwrap();
    pool
}

/// The projectors, running beside the test.
pub(crate) struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), FollowError>>,
}

impl Running {
    pub(crate) fn start(log: &EventLog, pool: &PgPool) -> Self {
        let shutdown = CancellationToken::new();
        let running = projectors::run(log.clone(), pool.clone(), shutdown.clone());
        Self { shutdown, task: tokio::spawn(running) }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As a crash does: at whatever it is doing.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _cancelled = self.task.await;
    }
}

/// Until every projection has taken the last event of the log.
pub(crate) async fn caught_up(log: &EventLog, pool: &PgPool) {
    let head = loop {
        // It may only just be back.
        if let Ok(head) = log.head().await {
            break head;
        }
        tokio::time::sleep(POLL_EVERY).await;
    };
    let reached = async {
        loop {
            let status = projectors::status(pool).await.unwrap_or_default();
            if !status.is_empty() && status.iter().all(|status| status.position >= head) {
                return;
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    tokio::time::timeout(CATCH_UP_TIMEOUT, reached).await.expect("the projections catch up");
}

/// That every projection is what the log says, as its own check tells.
pub(crate) async fn assert_verified(log: &EventLog, pool: &PgPool) {
    let verified = projectors::verify(log, pool, &[], &mut |_| {}).await.unwrap();
    assert_eq!(verified.len(), projectors::NAMES.len());
    for each in verified {
        assert!(each.comparison.same(), "{each:#?}");
    }
}

/// Sellers, buyers, tickets and orders, and dice.
pub(crate) struct Market {
    log: EventLog,
    dice: StdRng,
    people: Vec<AccountId>,
    tickets: Vec<Offer>,
    orders: Vec<Deal>,
    /// The names of the events that came of it.
    kinds: BTreeSet<String>,
    /// Whether the log may be away.
    outages: bool,
}

#[derive(Clone, Copy)]
struct Offer {
    ticket: TicketId,
    seller: AccountId,
}

#[derive(Clone, Copy)]
struct Deal {
    order: OrderId,
    offer: Offer,
    buyer: AccountId,
}

impl Market {
    /// The same seed gives the same attempts, though not the same ids.
    pub(crate) fn new(log: &EventLog, seed: u64) -> Self {
        Self {
            log: log.clone(),
            dice: StdRng::seed_from_u64(seed),
            people: (0..3).map(|_| AccountId(Uuid::now_v7())).collect(),
            tickets: Vec::new(),
            orders: Vec::new(),
            kinds: BTreeSet::new(),
            outages: false,
        }
    }

    /// Tries things at random; many are refused, as they should be.
    pub(crate) async fn bustle(&mut self, attempts: u32) {
        for _ in 0..attempts {
            match self.dice.random_range(0..20) {
                0 => self.list().await,
                1..4 => self.touch_offer().await,
                4..7 => self.order().await,
                7..13 => self.touch_hold().await,
                _ => self.touch_order().await,
            }
        }
    }

    /// The same, while the log comes and goes. What was asked for meanwhile may have happened or not.
    pub(crate) async fn bustle_through_outages(&mut self, attempts: u32) {
        self.outages = true;
        self.bustle(attempts).await;
        self.outages = false;
    }

    /// The names of the events that have happened.
    pub(crate) fn kinds_seen(&self) -> &BTreeSet<String> {
        &self.kinds
    }

    async fn list(&mut self) {
        self.list_as(TicketId(Uuid::now_v7())).await;
    }

    pub(crate) async fn list_as(&mut self, ticket: TicketId) {
        let offer = Offer { ticket, seller: self.somebody() };
        let command = TicketCommand::List {
            seller: offer.seller,
            title: self.title(),
            price: self.price(),
            quantity: self.quantity(),
            max_per_order: self.quantity(),
        };
        self.tickets.push(offer);
        self.execute::<Ticket>(offer.ticket, command).await;
    }

    /// What a seller does, or somebody who is not.
    async fn touch_offer(&mut self) {
        let Some(offer) = self.some_offer() else { return };
        let by = self.mostly(offer.seller);
        let command = match self.dice.random_range(0..7) {
            0..3 => TicketCommand::Edit { by, title: self.title(), price: self.price() },
            3..6 => TicketCommand::ChangeQuantity { by, quantity: self.quantity() },
            _ => TicketCommand::Withdraw { by, reason: "enough".to_owned() },
        };
        self.execute::<Ticket>(offer.ticket, command).await;
    }

    /// What process managers do with the units of an order.
    async fn touch_hold(&mut self) {
        let Some(Deal { order, offer, .. }) = self.some_deal() else { return };
        let command = match self.dice.random_range(0..6) {
            0 => TicketCommand::Release { order, reason: ReleaseReason::Expired },
            1..4 => TicketCommand::Sell { order },
            _ => TicketCommand::Return {
                order,
                quantity: self.quantity(),
                refund: RefundId(Uuid::now_v7()),
            },
        };
        self.execute::<Ticket>(offer.ticket, command).await;
    }

    /// Reserves and places, now and then only one of them, or for an order that was before.
    async fn order(&mut self) {
        let Some(offer) = self.some_offer() else { return };
        let again = self.some_deal().filter(|_| self.dice.random_bool(0.2));
        let fresh = Deal { order: OrderId(Uuid::now_v7()), offer, buyer: self.somebody() };
        let deal = again.unwrap_or(fresh);
        let Deal { order, offer: Offer { ticket, .. }, buyer } = deal;
        let quantity = self.quantity();
        let expires_at = Utc::now() + TimeDelta::minutes(15);
        let reserve = TicketCommand::Reserve { order, buyer, quantity, expires_at };
        self.execute::<Ticket>(ticket, reserve).await;
        self.orders.push(deal);
        if self.dice.random_bool(0.1) {
            return;
        }
        let unit_price = self.price();
        let total = unit_price.times(quantity.get()).unwrap();
        let title = self.title();
        let terms = OrderPlaced { buyer, ticket, title, quantity, unit_price, total, expires_at };
        self.execute::<Order>(order, OrderCommand::Place(terms)).await;
    }

    /// Several things in a row, so that orders come to every end there is.
    async fn touch_order(&mut self) {
        let Some(deal) = self.some_deal() else { return };
        for _ in 0..self.dice.random_range(1..6) {
            self.change_order(deal).await;
        }
    }

    async fn change_order(&mut self, Deal { order, buyer, .. }: Deal) {
        let by = self.mostly(buyer);
        let payment = PaymentId(Uuid::from_u128(self.dice.random_range(0..4) / 3));
        let refund = RefundId(Uuid::from_u128(self.dice.random_range(0..4) / 3));
        let now = Utc::now() + TimeDelta::minutes(self.dice.random_range(0..30));
        let command = match self.dice.random_range(0..16) {
            0..4 => OrderCommand::StartPayment { payment, by, now },
            4..6 => OrderCommand::FailPayment { payment },
            6..8 => OrderCommand::Complete { payment },
            8 => OrderCommand::Cancel { by },
            9 => OrderCommand::Expire { now },
            10 => OrderCommand::Reinstate { payment },
            11..14 => {
                let amount = Money { minor: 1, currency: Currency::USD };
                OrderCommand::RequestRefund { refund, amount, reason: "rain".to_owned() }
            }
            _ => OrderCommand::RecordRefund { refund },
        };
        self.execute::<Order>(order, command).await;
    }

    async fn execute<A: Aggregate>(&mut self, id: A::Id, command: A::Command) {
        match self.log.execute::<A>(&id, command, &cause()).await {
            Ok(executed) => self.kinds.extend(executed.events.iter().map(kind)),
            Err(ExecuteError::Rejected(_)) => {}
            Err(ExecuteError::Log(error)) if self.outages && error.is_unavailable() => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn somebody(&mut self) -> AccountId {
        *self.people.choose(&mut self.dice).unwrap()
    }

    /// Whose business it is, or now and then somebody else.
    fn mostly(&mut self, person: AccountId) -> AccountId {
        if self.dice.random_bool(0.8) { person } else { self.somebody() }
    }

    fn some_offer(&mut self) -> Option<Offer> {
        self.tickets.choose(&mut self.dice).copied()
    }

    /// One of the latest, so that several things happen to each.
    fn some_deal(&mut self) -> Option<Deal> {
        let latest = &self.orders[self.orders.len().saturating_sub(5)..];
        latest.choose(&mut self.dice).copied()
    }

    fn title(&mut self) -> Title {
        Title::parse(&format!("Concert {}", self.dice.random_range(0..1000))).unwrap()
    }

    fn price(&mut self) -> Money {
        Money { minor: self.dice.random_range(1..10_000), currency: Currency::USD }
    }

    fn quantity(&mut self) -> Quantity {
        Quantity::new(*[1, 1, 1, 2, 3, 5].choose(&mut self.dice).unwrap()).unwrap()
    }

    /// That the tables say what the fold of the log says. Gives the number of tickets and orders,
    /// so that a test can see that there were some.
    pub(crate) async fn assert_agrees(&self, pool: &PgPool) -> (usize, usize) {
        let (tickets, orders) = self.folded().await;
        assert_eq!(TicketRow::read_all(pool).await, tickets);
        assert_eq!(OrderRow::read_all(pool).await, orders);
        (tickets.len(), orders.len())
    }

    /// The same, where others have tickets and orders too.
    pub(crate) async fn assert_agrees_on_its_own(&self, pool: &PgPool) {
        let (tickets, orders) = self.folded().await;
        let mut rows = TicketRow::read_all(pool).await;
        rows.retain(|id, _| tickets.contains_key(id));
        assert_eq!(rows, tickets);
        let mut rows = OrderRow::read_all(pool).await;
        rows.retain(|id, _| orders.contains_key(id));
        assert_eq!(rows, orders);
    }

    async fn folded(&self) -> (BTreeMap<Uuid, TicketRow>, BTreeMap<Uuid, OrderRow>) {
        let mut tickets = BTreeMap::new();
        for id in self.tickets.iter().map(|offer| offer.ticket) {
            let loaded = self.log.load::<Ticket>(&id).await.unwrap();
            if let Some(row) = TicketRow::folded(&loaded.state, loaded.revision.map(|it| it.0)) {
                tickets.insert(id.0, row);
            }
        }
        let mut orders = BTreeMap::new();
        for id in self.orders.iter().map(|deal| deal.order) {
            let loaded = self.log.load::<Order>(&id).await.unwrap();
            if let Some(row) = OrderRow::folded(&loaded.state, loaded.revision.map(|it| it.0)) {
                orders.insert(id.0, row);
            }
        }
        (tickets, orders)
    }
}

pub(crate) fn cause() -> Cause {
    Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: None,
        correlation: Uuid::now_v7(),
        causation: Uuid::now_v7(),
        actor: Actor::Anonymous,
        trace: None,
        now: Utc::now(),
    }
}

/// The name of an event, which is where its debug text begins.
fn kind(event: &impl Debug) -> String {
    let text = format!("{event:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct TicketRow {
    seller: Uuid,
    title: String,
    price_minor: i64,
    currency: String,
    quantity: i32,
    reserved: i32,
    sold: i32,
    available: i32,
    max_per_order: i32,
    withdrawn: bool,
    order_id: Option<Uuid>,
    version: i64,
}

impl TicketRow {
    fn folded(ticket: &Ticket, revision: Option<u64>) -> Option<Self> {
        let listing = ticket.listing()?;
        let units = |sold: bool| -> u32 {
            let holds = listing.holds.values().filter(|hold| hold.sold == sold);
            holds.map(|hold| hold.units).sum()
        };
        let column = |number: u32| i32::try_from(number).unwrap();
        let holders = listing.holds.iter().filter(|(_, hold)| hold.units > 0);
        let sole = holders.map(|(order, _)| order.0).next();
        Some(Self {
            seller: listing.seller.0,
            title: listing.title.to_string(),
            price_minor: listing.price.minor,
            currency: listing.price.currency.code(),
            quantity: column(listing.quantity.get()),
            reserved: column(units(false)),
            sold: column(units(true)),
            available: column(ticket.available()),
            max_per_order: column(listing.max_per_order.get()),
            withdrawn: matches!(ticket, Ticket::Withdrawn(_)),
            order_id: sole.filter(|_| listing.quantity == Quantity::ONE),
            version: i64::try_from(revision?).unwrap(),
        })
    }

    async fn read_all(pool: &PgPool) -> BTreeMap<Uuid, Self> {
        let rows: Vec<(Uuid,)> = sqlx::query_as("SELECT id FROM read.tickets ORDER BY id")
            .fetch_all(pool)
            .await
            .unwrap();
        let all: Vec<Self> =
            sqlx::query_as("SELECT * FROM read.tickets ORDER BY id").fetch_all(pool).await.unwrap();
        rows.into_iter().map(|(id,)| id).zip(all).collect()
    }
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct OrderRow {
    ticket: Uuid,
    buyer: Uuid,
    title: String,
    quantity: i32,
    unit_price_minor: i64,
    total_minor: i64,
    currency: String,
    status: String,
    payment: Option<Uuid>,
    version: i64,
}

impl OrderRow {
    fn folded(order: &Order, revision: Option<u64>) -> Option<Self> {
        use domain::order::Status;
        let (terms, status) = (order.terms()?, order.status()?);
        let payment = match status {
            Status::Created | Status::Cancelled | Status::Expired => None,
            Status::AwaitingPayment { payment }
            | Status::Complete { payment }
            | Status::Refunding { payment, .. }
            | Status::Refunded { payment, .. } => Some(payment.0),
        };
        Some(Self {
            ticket: terms.ticket.0,
            buyer: terms.buyer.0,
            title: terms.title.to_string(),
            quantity: i32::try_from(terms.quantity.get()).unwrap(),
            unit_price_minor: terms.unit_price.minor,
            total_minor: terms.total.minor,
            currency: terms.total.currency.code(),
            status: status.as_str().to_owned(),
            payment,
            version: i64::try_from(revision?).unwrap(),
        })
    }

    async fn read_all(pool: &PgPool) -> BTreeMap<Uuid, Self> {
        let rows: Vec<(Uuid,)> =
            sqlx::query_as("SELECT id FROM read.orders ORDER BY id").fetch_all(pool).await.unwrap();
        let all: Vec<Self> =
            sqlx::query_as("SELECT * FROM read.orders ORDER BY id").fetch_all(pool).await.unwrap();
        rows.into_iter().map(|(id,)| id).zip(all).collect()
    }
}
