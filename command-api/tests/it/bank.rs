//! The payment process's part, played by a task: it takes every payment it sees in the log for
//! what its token says, and lets the order follow.

use chrono::Utc;
use domain::order::OrderCommand;
use domain::payment::{PaymentCommand, PaymentEvent, PaymentInitiated, ProviderResult};
use domain::{Cause, DomainEvent, Order, Payment, Recorded};
use eventlog::{Delivery, EventLog, Vault};
use futures::StreamExt;
use serde_json::json;
use tokio::task::JoinHandle;

/// Ends when dropped.
pub(crate) struct Bank(JoinHandle<()>);

impl Drop for Bank {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bank {
    pub(crate) fn open(log: &EventLog, vault: &Vault) -> Self {
        let (log, vault) = (log.clone(), vault.clone());
        Self(tokio::spawn(async move {
            let mut events = Box::pin(log.subscribe(None));
            while let Some(Ok(delivery)) = events.next().await {
                let Delivery::Event(recorded) = delivery else { continue };
                if let DomainEvent::Payment(PaymentEvent::PaymentInitiated(intent)) =
                    &recorded.event
                {
                    decide(&log, &vault, &recorded, intent).await;
                }
            }
        }))
    }
}

async fn decide(
    log: &EventLog,
    vault: &Vault,
    recorded: &Recorded<DomainEvent>,
    intent: &PaymentInitiated,
) {
    let payment = recorded.stream.strip_prefix("payment-").unwrap().parse().unwrap();
    let provider_ref = "pi_1".to_owned();
    let (result, follows) = match intent.source.as_str() {
        "tok_visa" => {
            (ProviderResult::Captured { provider_ref }, Some(OrderCommand::Complete { payment }))
        }
        "tok_chargeDeclined" => (
            ProviderResult::Failed { code: "card_declined".to_owned(), retryable: true },
            Some(OrderCommand::FailPayment { payment }),
        ),
        "pm_3ds" => {
            let client_secret = vault.seal(intent.buyer, "client_secret", "pi_1_secret").await;
            let client_secret = client_secret.unwrap();
            (ProviderResult::ActionRequired { provider_ref, client_secret }, None)
        }
        _ => return,
    };
    let cause = |step| Cause::after(recorded, "bank", step, Utc::now());
    let record = PaymentCommand::RecordResult(result);
    log.execute::<Payment>(&payment, record, &cause("record")).await.unwrap();
    if let Some(command) = follows {
        log.execute::<Order>(&intent.order, command, &cause("order")).await.unwrap();
    }
}

/// All events of the log with all that is stored beside them, as text.
pub(crate) async fn everything(log: &EventLog) -> String {
    let mut seen = String::new();
    let mut events = Box::pin(log.subscribe(None));
    loop {
        match events.next().await.unwrap().unwrap() {
            Delivery::Event(recorded) => {
                let event = match &recorded.event {
                    DomainEvent::Account(event) => json!(event),
                    DomainEvent::EmailClaim(event) => json!(event),
                    DomainEvent::Notice(event) => json!(event),
                    DomainEvent::Ticket(event) => json!(event),
                    DomainEvent::Order(event) => json!(event),
                    DomainEvent::Payment(event) => json!(event),
                };
                let metadata = json!(recorded.metadata);
                seen.push_str(&format!("{} {event} {metadata}\n", recorded.stream));
            }
            Delivery::Checkpoint(_) => {}
            Delivery::CaughtUp => return seen,
        }
    }
}

/// How many events of a type are in the log.
pub(crate) async fn count(log: &EventLog, event: &str) -> usize {
    everything(log).await.matches(&format!("\"type\":\"{event}\"")).count()
}
