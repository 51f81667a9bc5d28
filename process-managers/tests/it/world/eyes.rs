//! What is seen of it.

use domain::id::{OrderId, PaymentId, TicketId};
use domain::notice::NoticeEvent;
use domain::order::Status;
use domain::ticket::Hold;
use domain::{DomainEvent, Order, Payment, Ticket};
use eventlog::Delivery;
use futures::StreamExt;
use process_managers::desk::PROCESSES;
use stripe_sandbox::PaymentView;

use super::{World, eventually};

impl World {
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
