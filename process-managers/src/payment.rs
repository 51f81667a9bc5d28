//! Brings every payment that was begun to its end: asks the provider until it knows, records what
//! it says, and sees to it that the order agrees.
//!
//! One task a payment, and it alone talks to the provider about it, so that a charge and a
//! cancellation of one payment are never under way together unless a lease ran out. What is done
//! depends only on what the log says now.
//!
//! A payment may be started on the order and its intent never come, when the request dies between
//! the two. Then the provider was never asked. After a grace longer than any request the order is
//! freed; an intent that comes even later meets an order that does not wait for it, and is
//! cancelled at the provider rather than charged.

use std::time::Duration;

use domain::id::{OrderId, PaymentId};
use domain::order::{OrderCommand, OrderEvent, OrderPaymentStarted, Status};
use domain::payment::{Outcome, PaymentCommand, PaymentEvent, PaymentInitiated, ProviderResult};
use domain::{Actor, DomainEvent, Order, Payment, Recorded, Timestamp};
use eventlog::{EventLog, Vault};
use mutants::Mutant;
use serde::{Deserialize, Serialize};

use crate::Dependencies;
use crate::gateway::{self, Charge, Ending, GatewayError, Gateways};
use crate::process_manager::{
    Change, Clock, Origin, ProcessManager, TaskError, aggregate_id, decided, later,
};
use crate::settlement::Settlement;

/// The name under which the vault seals what the buyer's browser needs to finish a payment.
const CLIENT_SECRET: &str = "client_secret";

/// Takes payments to their end.
pub struct PaymentProcess {
    log: EventLog,
    vault: Vault,
    gateways: Gateways,
    initiation_grace: Duration,
    look_again_max: Duration,
    reinstated_hold: Duration,
}

/// Kept under the payment's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Started on the order, and no intent in the log yet: free the order.
    Abandon { payment: PaymentId, order: OrderId, started_at: Timestamp, origin: Origin },
    /// Undecided: ask the provider.
    Ask { payment: PaymentId, initiated_at: Timestamp, origin: Origin },
    /// Decided: make the order agree.
    Settle { payment: PaymentId, origin: Origin },
}

/// What the provider is asked.
enum Question {
    Charge {
        again_within: Duration,
    },
    /// The buyer's bank has the word; has it said anything?
    Look {
        again_within: Duration,
    },
    Cancel,
}

impl PaymentProcess {
    #[must_use]
    pub fn new(deps: &Dependencies) -> Self {
        Self {
            log: deps.log.clone(),
            vault: deps.vault.clone(),
            gateways: Gateways::new(deps),
            initiation_grace: deps.tuning.initiation_grace,
            look_again_max: deps.tuning.look_again_max,
            reinstated_hold: deps.tuning.reinstated_hold,
        }
    }
}

impl ProcessManager for PaymentProcess {
    const NAME: &'static str = "payment";
    type Task = Task;

    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<Task>> {
        change(recorded, self.initiation_grace).into_iter().collect()
    }

    async fn perform(&self, task: Task, clock: Clock) -> Result<(), TaskError> {
        match task {
            Task::Abandon { payment, order, started_at, origin } => {
                if self.log.load::<Payment>(&payment).await?.state.intent().is_some() {
                    return self.pursue(payment, Some(started_at), &origin, clock).await;
                }
                self.free_order(payment, order, &origin, clock).await
            }
            Task::Ask { payment, initiated_at, origin } => {
                self.pursue(payment, Some(initiated_at), &origin, clock).await
            }
            Task::Settle { payment, origin } => self.pursue(payment, None, &origin, clock).await,
        }
    }
}

// === Reactions ===

fn change(recorded: &Recorded<DomainEvent>, initiation_grace: Duration) -> Option<Change<Task>> {
    match &recorded.event {
        DomainEvent::Order(OrderEvent::OrderPaymentStarted(started)) => {
            on_start(started, recorded, initiation_grace)
        }
        DomainEvent::Payment(event) => on_payment(event, recorded),
        DomainEvent::Order(_)
        | DomainEvent::Ticket(_)
        | DomainEvent::Account(_)
        | DomainEvent::EmailClaim(_)
        | DomainEvent::Notice(_) => None,
    }
}

fn on_start(
    started: &OrderPaymentStarted,
    recorded: &Recorded<DomainEvent>,
    initiation_grace: Duration,
) -> Option<Change<Task>> {
    let order = OrderId(aggregate_id(recorded)?);
    let payment = started.payment;
    let started_at = recorded.metadata.occurred_at;
    let task = Task::Abandon { payment, order, started_at, origin: Origin::of(recorded) };
    let due = later(started_at, initiation_grace);
    Some(Change::Add { key: payment.0, due, task })
}

fn on_payment(event: &PaymentEvent, recorded: &Recorded<DomainEvent>) -> Option<Change<Task>> {
    let key = aggregate_id(recorded)?;
    let payment = PaymentId(key);
    let origin = Origin::of(recorded);
    let task = match event {
        PaymentEvent::PaymentInitiated(_) => {
            Task::Ask { payment, initiated_at: recorded.metadata.occurred_at, origin }
        }
        PaymentEvent::PaymentCaptured(_)
        | PaymentEvent::PaymentFailed(_)
        | PaymentEvent::PaymentVoided(_) => Task::Settle { payment, origin },
        // Where a person says that the money has gone back, whoever waits for it goes on.
        PaymentEvent::RefundSucceeded(_) if matches!(recorded.metadata.actor, Actor::Person(_)) => {
            return Some(Change::Hasten { key });
        }
        // The task that asked goes on looking, and the one that gives money back goes on giving.
        PaymentEvent::PaymentActionRequired(_)
        | PaymentEvent::RefundInitiated(_)
        | PaymentEvent::RefundSucceeded(_)
        | PaymentEvent::RefundFailed(_)
        | PaymentEvent::ExternalRefundDetected(_)
        | PaymentEvent::DisputeOpened(_)
        | PaymentEvent::DisputeClosed(_)
        | PaymentEvent::ProviderFeeCharged(_) => return None,
    };
    Some(Change::Add { key, due: recorded.at, task })
}

// === Tasks ===

impl PaymentProcess {
    /// The next step of a payment, by what the log says of it.
    async fn pursue(
        &self,
        payment: PaymentId,
        initiated_at: Option<Timestamp>,
        origin: &Origin,
        clock: Clock,
    ) -> Result<(), TaskError> {
        let state = self.log.load::<Payment>(&payment).await?.state;
        let Payment::Initiated { intent, outcome, .. } = &state else { return Ok(()) };
        match outcome {
            Outcome::Undecided | Outcome::ActionRequired { .. } => {
                // Only a decided payment has a task without the time of its beginning.
                let Some(initiated_at) = initiated_at else { return Ok(()) };
                let bank_asked = matches!(outcome, Outcome::ActionRequired { .. });
                let asked = Asked { payment, intent, initiated_at, bank_asked };
                self.ask(&asked, origin, clock).await
            }
            Outcome::Failed { .. } | Outcome::Voided => {
                self.free_order(payment, intent.order, origin, clock).await
            }
            Outcome::Captured { provider_ref } => {
                let settlement = Settlement {
                    log: &self.log,
                    gateway: self.gateways.of(&intent.source),
                    payment,
                    state: &state,
                    intent,
                    provider_ref,
                    origin,
                    clock,
                    hold: self.reinstated_hold,
                };
                settlement.settle().await
            }
        }
    }

    /// Asks the provider and records what it says. What follows from that follows from the event.
    async fn ask(&self, asked: &Asked<'_>, origin: &Origin, clock: Clock) -> Result<(), TaskError> {
        let order = self.log.load::<Order>(&asked.intent.order).await?.state;
        let question = question(&order, asked, clock, self.look_again_max);
        let again_within = match question {
            Question::Charge { again_within } | Question::Look { again_within } => again_within,
            Question::Cancel => self.look_again_max,
        };
        let later = TaskError::Later { reason: "the payment is not decided", within: again_within };
        let Some(answer) = self.answer(&question, asked).await? else { return Err(later) };
        let undecided = matches!(answer, gateway::Outcome::ActionRequired { .. });
        if undecided && asked.bank_asked {
            return Err(later);
        }
        let (step, result) = self.result(answer, asked.intent).await?;
        let cause = origin.cause(Self::NAME, step, clock.now());
        let command = PaymentCommand::RecordResult(result);
        let recorded = decided(self.log.execute::<Payment>(&asked.payment, command, &cause).await)?;
        recorded.map_err(TaskError::permanent)?;
        if undecided { Err(later) } else { Ok(()) }
    }

    /// None: the provider knows of nothing that was decided.
    async fn answer(
        &self,
        question: &Question,
        asked: &Asked<'_>,
    ) -> Result<Option<gateway::Outcome>, TaskError> {
        let (charge, gateway) = (asked.charge(), self.gateways.of(&asked.intent.source));
        if let Some(answer) = self.mistaken(question, &charge, &asked.intent.source) {
            return Ok(Some(answer));
        }
        let answered = match question {
            Question::Charge { .. } => gateway.charge(&charge, &asked.intent.source).await,
            Question::Look { .. } => gateway.look(&charge).await,
            Question::Cancel => gateway.cancel(&charge).await.map(|ending| Some(ending.into())),
        };
        answered.or_else(|error| match error {
            GatewayError::Refused { code, reason } => {
                tracing::warn!(payment.id = %asked.payment, code, reason, "the provider refuses a payment");
                let provider_ref = String::new();
                Ok(Some(gateway::Outcome::Declined { provider_ref, code, retryable: false }))
            }
            // A person has to set it right, and then it goes on by itself.
            error @ (GatewayError::Unavailable { .. } | GatewayError::Misconfigured { .. }) => {
                Err(TaskError::transient(error))
            }
        })
    }

    /// What a process manager that goes wrong on purpose takes for the provider's answer.
    fn mistaken(
        &self,
        question: &Question,
        charge: &Charge,
        source: &str,
    ) -> Option<gateway::Outcome> {
        match question {
            Question::Charge { .. } if Mutant::ResultFirst.is_made() => {
                let (gateways, charge) = (self.gateways.clone(), charge.clone());
                let source = source.to_owned();
                tokio::spawn(async move { gateways.of(&source).charge(&charge, &source).await });
                Some(gateway::Outcome::Captured { provider_ref: String::new() })
            }
            Question::Cancel if Mutant::ReleaseUnasked.is_made() => {
                Some(gateway::Outcome::Voided { provider_ref: String::new() })
            }
            Question::Charge { .. } | Question::Look { .. } | Question::Cancel => None,
        }
    }

    async fn result(
        &self,
        answer: gateway::Outcome,
        intent: &PaymentInitiated,
    ) -> Result<(&'static str, ProviderResult), TaskError> {
        Ok(match answer {
            gateway::Outcome::Captured { provider_ref } => {
                ("record-captured", ProviderResult::Captured { provider_ref })
            }
            gateway::Outcome::Declined { code, retryable, .. } => {
                ("record-failed", ProviderResult::Failed { code, retryable })
            }
            gateway::Outcome::Voided { .. } => ("record-voided", ProviderResult::Voided),
            gateway::Outcome::ActionRequired { provider_ref, client_secret } => {
                let sealed = self.vault.seal(intent.buyer, CLIENT_SECRET, client_secret.reveal());
                let client_secret = sealed.await.map_err(TaskError::transient)?;
                let result = ProviderResult::ActionRequired { provider_ref, client_secret };
                ("record-action-required", result)
            }
        })
    }

    /// The payment came to nothing; the order can be paid by another, or expire.
    async fn free_order(
        &self,
        payment: PaymentId,
        order: OrderId,
        origin: &Origin,
        clock: Clock,
    ) -> Result<(), TaskError> {
        let cause = origin.cause(Self::NAME, "fail-payment", clock.now());
        let command = OrderCommand::FailPayment { payment };
        // Refused only when there is no such order, and then there is nothing to free.
        let _freed = decided(self.log.execute::<Order>(&order, command, &cause).await)?;
        Ok(())
    }
}

/// An undecided payment.
struct Asked<'a> {
    payment: PaymentId,
    intent: &'a PaymentInitiated,
    initiated_at: Timestamp,
    /// The buyer's bank wants to see the buyer, and the log says so.
    bank_asked: bool,
}

impl Asked<'_> {
    fn charge(&self) -> Charge {
        let key = if Mutant::RandomKey.is_made() {
            uuid::Uuid::new_v4().to_string()
        } else {
            self.intent.provider_key.clone()
        };
        Charge {
            key,
            order: self.intent.order,
            amount: self.intent.amount,
            initiated_at: self.initiated_at,
        }
    }
}

/// Money is asked for only while the order waits for just this payment and its time is not over.
fn question(order: &Order, asked: &Asked<'_>, clock: Clock, look_again_max: Duration) -> Question {
    let waits_until = match order {
        Order::Placed { terms, status: Status::AwaitingPayment { payment }, .. }
            if *payment == asked.payment =>
        {
            clock.until(terms.expires_at)
        }
        Order::Unplaced | Order::Placed { .. } => Duration::ZERO,
    };
    let again_within = look_again_max.min(waits_until);
    if waits_until.is_zero() {
        Question::Cancel
    } else if asked.bank_asked {
        Question::Look { again_within }
    } else {
        Question::Charge { again_within }
    }
}

impl From<Ending> for gateway::Outcome {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Captured { provider_ref } => Self::Captured { provider_ref },
            Ending::Voided { provider_ref } => Self::Voided { provider_ref },
        }
    }
}

#[cfg(test)]
mod tests;
