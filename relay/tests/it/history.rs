//! Histories as people make them: listed, reserved, paid, cancelled, expired, refunded.

use std::time::{Duration, SystemTime};

use domain::account::{AccountCommand, Sealed};
use domain::event::Actor;
use domain::id::{AccountId, CommandId, OrderId, PaymentId, RefundId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, OrderPlaced};
use domain::payment::{PaymentCommand, PaymentInitiated, ProviderResult};
use domain::text::{Quantity, Title};
use domain::ticket::{ReleaseReason, TicketCommand};
use domain::{Account, Aggregate, Cause, Order, Payment, Ticket, Timestamp};
use eventlog::EventLog;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// Stands in events where something personal or internal stands.
pub(crate) const CANARY: &str = "canary@example.com";

/// So many tickets with so many orders each, all at once.
pub(crate) async fn random(events: &EventLog, seed: u64, tickets: u64, orders: u64) {
    join_all((0..tickets).map(|ticket| {
        let random = StdRng::seed_from_u64(seed * 1_000 + ticket);
        Seller { events: events.clone(), random, ticket: TicketId(Uuid::now_v7()) }.sells(orders)
    }))
    .await;
}

struct Seller {
    events: EventLog,
    random: StdRng,
    ticket: TicketId,
}

impl Seller {
    async fn sells(mut self, orders: u64) {
        let person = AccountId(Uuid::now_v7());
        let sealed = || Sealed(CANARY.to_owned());
        let register = AccountCommand::Register { email: sealed(), password: sealed() };
        self.execute::<Account>(person, register).await;
        let list = TicketCommand::List {
            seller: person,
            title: Title::parse("Concert").unwrap(),
            price: price(),
            quantity: Quantity::new(1_000).unwrap(),
            max_per_order: Quantity::new(10).unwrap(),
        };
        self.execute::<Ticket>(self.ticket, list).await;
        for _ in 0..orders {
            self.order(person).await;
        }
        let withdraw = TicketCommand::Withdraw { by: person, reason: CANARY.to_owned() };
        self.execute::<Ticket>(self.ticket, withdraw).await;
    }

    async fn order(&mut self, buyer: AccountId) {
        let order = OrderId(Uuid::now_v7());
        let quantity = Quantity::new(self.random.random_range(1..=3)).unwrap();
        let expires_at = now() + Duration::from_secs(900);
        let reserve = TicketCommand::Reserve { order, buyer, quantity, expires_at };
        self.execute::<Ticket>(self.ticket, reserve).await;
        let terms = OrderPlaced {
            buyer,
            ticket: self.ticket,
            title: Title::parse("Concert").unwrap(),
            quantity,
            unit_price: price(),
            total: price().times(quantity.get()).unwrap(),
            expires_at,
        };
        self.execute::<Order>(order, OrderCommand::Place(terms.clone())).await;
        match self.random.random_range(0..4) {
            0 => {
                self.execute::<Order>(order, OrderCommand::Cancel { by: buyer }).await;
                self.release(order, ReleaseReason::Cancelled).await;
            }
            1 => {
                self.execute::<Order>(order, OrderCommand::Expire { now: expires_at }).await;
                self.release(order, ReleaseReason::Expired).await;
            }
            2 => self.pay(order, &terms).await,
            _ => {
                self.pay(order, &terms).await;
                self.refund(order, &terms).await;
            }
        }
    }

    async fn release(&self, order: OrderId, reason: ReleaseReason) {
        self.execute::<Ticket>(self.ticket, TicketCommand::Release { order, reason }).await;
    }

    async fn pay(&self, order: OrderId, terms: &OrderPlaced) {
        let payment = PaymentId(Uuid::now_v7());
        let start = OrderCommand::StartPayment { payment, by: terms.buyer, now: now() };
        self.execute::<Order>(order, start).await;
        let initiated = PaymentInitiated {
            order,
            buyer: terms.buyer,
            amount: terms.total,
            source: CANARY.to_owned(),
            provider_key: CANARY.to_owned(),
        };
        self.execute::<Payment>(payment, PaymentCommand::Initiate(initiated)).await;
        let captured = ProviderResult::Captured { provider_ref: CANARY.to_owned() };
        self.execute::<Payment>(payment, PaymentCommand::RecordResult(captured)).await;
        self.execute::<Order>(order, OrderCommand::Complete { payment }).await;
        self.execute::<Ticket>(self.ticket, TicketCommand::Sell { order }).await;
    }

    async fn refund(&self, order: OrderId, terms: &OrderPlaced) {
        let refund = RefundId(Uuid::now_v7());
        let (amount, reason) = (terms.total, CANARY.to_owned());
        let request = OrderCommand::RequestRefund { refund, amount, reason };
        self.execute::<Order>(order, request).await;
        let quantity = terms.quantity;
        let put_back = TicketCommand::Return { order, quantity, refund };
        self.execute::<Ticket>(self.ticket, put_back).await;
        self.execute::<Order>(order, OrderCommand::RecordRefund { refund }).await;
    }

    async fn execute<A: Aggregate>(&self, id: A::Id, command: A::Command) {
        self.events.execute::<A>(&id, command, &cause()).await.unwrap();
    }
}

fn cause() -> Cause {
    Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: None,
        correlation: Uuid::now_v7(),
        causation: Uuid::now_v7(),
        actor: Actor::Process("test".to_owned()),
        trace: None,
        now: now(),
    }
}

fn price() -> Money {
    Money { minor: 1999, currency: Currency::USD }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
