//! The ledger over random histories of orders and payments: it adds up at every position, it is what
//! the payments themselves say, and a wrong entry is named.

use std::collections::BTreeMap;

use domain::id::{AccountId, OrderId, PaymentId, RefundId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, OrderPlaced};
use domain::payment::{
    DisputeClosed, DisputeFact, DisputeOpened, DisputeOutcome, DisputeState,
    ExternalRefundDetected, Outcome, PaymentCommand, PaymentInitiated, ProviderResult,
    RefundResult, RefundState,
};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Aggregate, Order, Payment, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, ExecuteError};
use local_services::testing::TestDatabase;
use projectors::ledger::{Off, check};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{Running, caught_up, cause, client, database};

const SEEDS: [u64; 3] = [1, 2, 3];
const ATTEMPTS: u32 = 400;

/// Payments to which anything may happen that their rules allow.
struct Till {
    log: EventLog,
    dice: StdRng,
    deals: Vec<(OrderId, PaymentId, Money)>,
}

impl Till {
    fn new(log: &EventLog, seed: u64) -> Self {
        Self { log: log.clone(), dice: StdRng::seed_from_u64(seed), deals: Vec::new() }
    }

    async fn bustle(&mut self) {
        for _ in 0..ATTEMPTS {
            if self.deals.len() < 5 || self.dice.random_bool(0.1) {
                self.order().await;
            }
            let (order, payment, total) = *self.deals.choose(&mut self.dice).unwrap();
            if self.dice.random_bool(0.3) {
                let command = self.order_command(payment, total);
                self.execute::<Order>(order, command).await;
            } else {
                let command = self.payment_command(total);
                self.execute::<Payment>(payment, command).await;
            }
        }
    }

    async fn order(&mut self) {
        let (ticket, order) = (TicketId(Uuid::now_v7()), OrderId(Uuid::now_v7()));
        let (payment, buyer) = (PaymentId(Uuid::now_v7()), AccountId(Uuid::now_v7()));
        let currency = *[Currency::USD, "eur".parse().unwrap(), "jpy".parse().unwrap()]
            .choose(&mut self.dice)
            .unwrap();
        let price = Money { minor: self.dice.random_range(50..10_000), currency };
        let (title, quantity) = (Title::parse("Concert").unwrap(), Quantity::ONE);
        let list = TicketCommand::List {
            seller: AccountId(Uuid::now_v7()),
            title: title.clone(),
            price,
            quantity,
            max_per_order: quantity,
        };
        self.execute::<Ticket>(ticket, list).await;
        let expires_at = chrono::Utc::now() + chrono::TimeDelta::minutes(15);
        let terms = OrderPlaced {
            buyer,
            ticket,
            title,
            quantity,
            unit_price: price,
            total: price,
            expires_at,
        };
        self.execute::<Order>(order, OrderCommand::Place(terms)).await;
        let start = OrderCommand::StartPayment { payment, by: buyer, now: chrono::Utc::now() };
        self.execute::<Order>(order, start).await;
        let intent = PaymentInitiated {
            order,
            buyer,
            amount: price,
            source: "tok_visa".to_owned(),
            provider_key: payment.to_string(),
        };
        self.execute::<Payment>(payment, PaymentCommand::Initiate(intent)).await;
        self.deals.push((order, payment, price));
    }

    fn order_command(&mut self, payment: PaymentId, total: Money) -> OrderCommand {
        let refund = RefundId(Uuid::from_u128(1));
        match self.dice.random_range(0..4) {
            0 => OrderCommand::FailPayment { payment },
            1 => OrderCommand::RequestRefund {
                refund,
                amount: Money { minor: self.dice.random_range(1..=total.minor), ..total },
                reason: "rain".to_owned(),
            },
            2 => OrderCommand::RecordRefund { refund },
            _ => OrderCommand::Complete { payment },
        }
    }

    fn payment_command(&mut self, total: Money) -> PaymentCommand {
        let refund = RefundId(Uuid::from_u128(self.dice.random_range(1..4)));
        let name = self.dice.random_range(1..4);
        let part = Money { minor: self.dice.random_range(1..=total.minor), ..total };
        match self.dice.random_range(0..12) {
            0..3 => PaymentCommand::RecordResult(ProviderResult::Captured {
                provider_ref: "pi".to_owned(),
            }),
            3 => PaymentCommand::RecordResult(ProviderResult::Voided),
            4 | 5 => {
                let provider_key = refund.to_string();
                PaymentCommand::Refund { refund, amount: part, provider_key }
            }
            6 | 7 => {
                let result = RefundResult::Succeeded { provider_ref: format!("re_{name}") };
                PaymentCommand::RecordRefund { refund, result }
            }
            8 => {
                let result = RefundResult::Failed { code: "lost".to_owned() };
                PaymentCommand::RecordRefund { refund, result }
            }
            9 => PaymentCommand::RecordExternalRefund(ExternalRefundDetected {
                provider_ref: format!("re_{name}"),
                amount: part,
            }),
            10 => PaymentCommand::RecordDispute(DisputeFact::Opened(DisputeOpened {
                dispute: format!("du_{name}"),
                amount: total,
                reason: "fraudulent".to_owned(),
            })),
            _ => {
                let outcome =
                    *[DisputeOutcome::Won, DisputeOutcome::Lost].choose(&mut self.dice).unwrap();
                let dispute = format!("du_{name}");
                PaymentCommand::RecordDispute(DisputeFact::Closed(DisputeClosed {
                    dispute,
                    amount: total,
                    outcome,
                }))
            }
        }
    }

    async fn execute<A: Aggregate>(&self, id: A::Id, command: A::Command) {
        match self.log.execute::<A>(&id, command, &cause()).await {
            Ok(_) | Err(ExecuteError::Rejected(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// What should be at the provider, by what the payments say of themselves.
    async fn at_provider(&self) -> BTreeMap<String, i64> {
        let mut expected = BTreeMap::new();
        for (_, payment, _) in &self.deals {
            let state = self.log.load::<Payment>(payment).await.unwrap().state;
            let Payment::Initiated { intent, outcome, refunds, taken_back, .. } = state else {
                continue;
            };
            let taken =
                if matches!(outcome, Outcome::Captured { .. }) { intent.amount.minor } else { 0 };
            let ours: i64 = refunds
                .values()
                .filter(|refund| refund.state == RefundState::Succeeded)
                .map(|refund| refund.amount.minor)
                .sum();
            let disputed: i64 = taken_back
                .disputes()
                .values()
                .filter(|dispute| dispute.state != DisputeState::Won)
                .map(|dispute| dispute.amount.minor)
                .sum();
            *expected.entry(intent.amount.currency.code()).or_default() +=
                taken - ours - taken_back.refunded_minor() - disputed;
        }
        expected
    }
}

#[tokio::test]
async fn the_ledger_adds_up_at_every_position_and_is_what_the_payments_say() {
    for seed in SEEDS {
        let log = TestLog::start().await;
        let (client, test) = (client(&log), TestDatabase::create().await);
        let pool = database(test.url()).await;
        let mut till = Till::new(&client, seed);
        let running = Running::start(&client, &pool);
        till.bustle().await;
        running.kill().await;
        let running = Running::start(&client, &pool);
        till.bustle().await;
        caught_up(&client, &pool).await;
        running.stop().await;

        let report = check(&client, &pool).await.unwrap();
        assert_eq!(report.off, None, "seed {seed}");
        assert!(report.entries > 100, "seed {seed}: only {} entries", report.entries);
        assert!(report.sums.values().all(|sum| *sum == 0), "seed {seed}: {:?}", report.sums);
        let provider = &report.balances["provider"];
        for (currency, expected) in till.at_provider().await {
            let found = provider.get(&currency).copied().unwrap_or_default();
            assert_eq!(found, i128::from(expected), "seed {seed}, {currency}");
        }
        // Not only at the end: after the first entry, after the second, and so on.
        let worst: i64 = sqlx::query_scalar(
            "WITH legs AS ( \
                 SELECT number, currency, amount_minor FROM read.ledger \
                 UNION ALL SELECT number, currency, -amount_minor FROM read.ledger), \
             running AS ( \
                 SELECT sum(amount_minor) OVER (PARTITION BY currency ORDER BY number) AS sum \
                 FROM legs) \
             SELECT COALESCE(max(abs(sum)), 0)::bigint FROM running",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(worst, 0, "seed {seed}");
    }
}

#[tokio::test]
async fn the_first_entry_that_is_off_is_named() {
    let log = TestLog::start().await;
    let (client, test) = (client(&log), TestDatabase::create().await);
    let pool = database(test.url()).await;
    let mut till = Till::new(&client, 9);
    let running = Running::start(&client, &pool);
    till.bustle().await;
    caught_up(&client, &pool).await;
    running.stop().await;
    assert_eq!(check(&client, &pool).await.unwrap().off, None);

    for (damage, mend) in [
        ("amount_minor = amount_minor + 1", "amount_minor = amount_minor - 1"),
        ("debit = 'pocket/' || debit", "debit = substr(debit, 8)"),
    ] {
        change(&pool, &format!("UPDATE ledger_v3.ledger SET {damage} WHERE number IN (7, 9)"))
            .await;
        let off = check(&client, &pool).await.unwrap().off.unwrap();
        assert!(matches!(off, Off::Entry { number: 7, .. }), "{off}");
        change(&pool, &format!("UPDATE ledger_v3.ledger SET {mend} WHERE number IN (7, 9)")).await;
    }
    let one = "(SELECT min(account) FROM ledger_v3.ledger_balances)";
    let balance = |by| {
        format!(
            "UPDATE ledger_v3.ledger_balances SET debits_minor = debits_minor {by} WHERE account = {one}"
        )
    };
    change(&pool, &balance("+ 1")).await;
    let off = check(&client, &pool).await.unwrap().off.unwrap();
    assert!(matches!(off, Off::Balance { .. }), "{off}");
    change(&pool, &balance("- 1")).await;
    change(&pool, "DELETE FROM ledger_v3.ledger WHERE number = 5").await;
    let off = check(&client, &pool).await.unwrap().off.unwrap();
    assert!(matches!(off, Off::Entry { number: 5, .. }), "{off}");
}

#[tokio::test]
async fn the_database_takes_no_entry_that_does_not_add_up() {
    let test = TestDatabase::create().await;
    let pool = database(test.url()).await;
    for (debit, credit, amount) in [("a", "a", 1), ("a", "b", 0), ("a", "b", -1)] {
        let written = sqlx::query(
            "INSERT INTO ledger_v3.ledger VALUES (1, $1, $2, $3, 'usd', '', '', gen_random_uuid(), \
             now(), 0, 0)",
        )
        .bind(debit)
        .bind(credit)
        .bind(amount)
        .execute(&pool)
        .await;
        let refused = written.unwrap_err().to_string();
        assert!(refused.contains("check constraint"), "{refused}");
    }
}

async fn change(pool: &PgPool, sql: &str) {
    let changed = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
    assert!(changed.rows_affected() > 0, "{sql}");
}
