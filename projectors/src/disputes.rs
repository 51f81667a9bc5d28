//! What buyers contest at their bank, and what the bank has decided.

use domain::money::Money;
use domain::payment::{DisputeOutcome, PaymentEvent};
use domain::{Aggregate, DomainEvent, Payment, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::{Changed, Projection, RowsOf};
use crate::stream::{id_of, position_columns};

pub(crate) struct Disputes;

impl Projection for Disputes {
    const NAME: &'static str = "disputes";
    const VERSION: u32 = 1;
    const TABLES: &'static str = include_str!("disputes.sql");
    const ROWS: &'static [RowsOf] = &[
        RowsOf { table: "disputes", column: "payment", category: Some(Payment::CATEGORY) },
        RowsOf { table: "disputes_payments", column: "payment", category: Some(Payment::CATEGORY) },
    ];

    async fn apply(
        db: &mut PgConnection,
        events: &[Recorded<DomainEvent>],
    ) -> sqlx::Result<Changed> {
        let (mut payments, mut orders, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        for record in events {
            let DomainEvent::Payment(event) = &record.event else { continue };
            let payment = id_of::<Payment, _>(record)?.0;
            if let PaymentEvent::PaymentInitiated(intent) = event {
                payments.push(payment);
                orders.push(intent.order.0);
            } else if let Some(heard_of) = Heard::of(event) {
                heard.push((payment, heard_of, record));
            }
        }
        if !payments.is_empty() {
            remember(db, payments, orders).await?;
        }
        // There are few, so each is a statement of its own.
        for (payment, heard, record) in &heard {
            heard.store(db, *payment, record).await?;
        }
        Ok(heard.into_iter().map(|(payment, ..)| payment).collect())
    }
}

/// What is heard of a dispute.
struct Heard<'a> {
    dispute: &'a str,
    amount: Money,
    reason: Option<&'a str>,
    status: &'static str,
}

impl<'a> Heard<'a> {
    fn of(event: &'a PaymentEvent) -> Option<Self> {
        match event {
            PaymentEvent::DisputeOpened(opened) => Some(Self {
                dispute: &opened.dispute,
                amount: opened.amount,
                reason: Some(&opened.reason),
                status: "open",
            }),
            PaymentEvent::DisputeClosed(closed) => Some(Self {
                dispute: &closed.dispute,
                amount: closed.amount,
                reason: None,
                status: match closed.outcome {
                    DisputeOutcome::Won => "won",
                    DisputeOutcome::Lost => "lost",
                },
            }),
            PaymentEvent::PaymentInitiated(_)
            | PaymentEvent::PaymentActionRequired(_)
            | PaymentEvent::PaymentCaptured(_)
            | PaymentEvent::PaymentFailed(_)
            | PaymentEvent::PaymentVoided(_)
            | PaymentEvent::RefundInitiated(_)
            | PaymentEvent::RefundSucceeded(_)
            | PaymentEvent::RefundFailed(_)
            | PaymentEvent::ExternalRefundDetected(_)
            | PaymentEvent::ProviderFeeCharged(_) => None,
        }
    }

    /// A decision outweighs that it is open, and a lost one a won one, as the payment itself weighs
    /// them, whichever is heard first.
    async fn store(
        &self,
        db: &mut PgConnection,
        payment: Uuid,
        record: &Recorded<DomainEvent>,
    ) -> sqlx::Result<()> {
        let (commit, prepare) = position_columns(record.position)?;
        let at = record.metadata.occurred_at;
        sqlx::query(
            "INSERT INTO disputes AS known (id, payment, order_id, amount_minor, currency, reason, \
                 status, opened_at, decided_at, heard_commit, heard_prepare) \
             SELECT $1, $2, order_id, $3, $4, $5, $6, $7, $8, $9, $10 \
             FROM disputes_payments WHERE payment = $2 \
             ON CONFLICT (id) DO UPDATE SET \
                 reason = COALESCE(known.reason, excluded.reason), \
                 status = CASE WHEN known.status = 'lost' OR excluded.status = 'open' \
                     THEN known.status ELSE excluded.status END, \
                 decided_at = COALESCE(known.decided_at, excluded.decided_at)",
        )
        .bind(self.dispute)
        .bind(payment)
        .bind(self.amount.minor)
        .bind(self.amount.currency.code())
        .bind(self.reason)
        .bind(self.status)
        .bind(at)
        .bind((self.status != "open").then_some(at))
        .bind(commit)
        .bind(prepare)
        .execute(db)
        .await
        .map(|_| ())
    }
}

async fn remember(
    db: &mut PgConnection,
    payments: Vec<Uuid>,
    orders: Vec<Uuid>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO disputes_payments (payment, order_id) \
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[])",
    )
    .bind(payments)
    .bind(orders)
    .execute(db)
    .await
    .map(|_| ())
}
