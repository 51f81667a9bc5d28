//! What people do.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::id::{OrderId, PaymentId, TicketId};
use domain::order::{OrderCommand, OrderPlaced};
use domain::payment::{PaymentCommand, PaymentInitiated, ProviderResult};
use domain::text::{Quantity, Title};
use domain::ticket::{ReleaseReason, TicketCommand};
use domain::{Aggregate, Order, Payment, Ticket, Timestamp};
use process_managers::gateway::Charge;
use process_managers::payment::Task;
use process_managers::process_manager::Origin;
use stripe_sandbox::PaymentView;
use uuid::Uuid;

use super::{LONG, World, cause, price};

/// What most tests begin with.
type Sale = (TicketId, OrderId, PaymentId);

impl World {
    /// One unit, an order of it, and a payment that is begun.
    pub(crate) async fn sale(&self, source: &str) -> Sale {
        let ticket = self.list(1).await;
        let order = self.order(ticket, LONG).await;
        let payment = self.pay(order, source).await;
        (ticket, order, payment)
    }

    /// As [`World::sale`], once the process managers have taken it to its end.
    pub(crate) async fn sold(&self, source: &str) -> Sale {
        let (ticket, order, payment) = self.sale(source).await;
        self.until_sold(ticket, order, payment).await;
        (ticket, order, payment)
    }

    /// As [`World::sale`], and the money is taken, which nobody has recorded.
    pub(crate) async fn taken_unrecorded(&self) -> Sale {
        let (ticket, order, payment) = self.sale("tok_visa").await;
        self.charge_unrecorded(payment, order).await;
        (ticket, order, payment)
    }

    /// As [`World::taken_unrecorded`], and the order is over, its unit free.
    pub(crate) async fn taken_too_late(&self) -> Sale {
        let (ticket, order, payment) = self.taken_unrecorded().await;
        self.lose(ticket, order, payment).await;
        (ticket, order, payment)
    }

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
}
