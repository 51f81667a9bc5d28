//! Looks at a payment because its provider has told of it, by a webhook or in its list of events.
//!
//! What was told only says where to look. The provider is asked how the payment stands now, and
//! what the log does not know of it yet is recorded: so it does not matter in which order things
//! were told, how often, or whether all of them were.
//!
//! A payment that is undecided has a task of its own, and that alone talks to the provider about
//! it; here it is only told to look at once.

mod facts;

use std::sync::Arc;
use std::time::Duration;

use domain::id::PaymentId;
use domain::notice::{NoticeEvent, ProviderNoticeReceived};
use domain::payment::{Outcome, PaymentCommand, PaymentInitiated, ProviderResult};
use domain::{Cause, DomainEvent, Payment, Recorded};
use eventlog::EventLog;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Dependencies;
use crate::due_list::DueList;
use crate::gateway::{Gateway, Statement, Taken};
use crate::payment::PaymentProcess;
use crate::process_manager::{Change, Clock, Origin, ProcessManager, TaskError, decided};
use facts::Facts;

/// Keys of tasks, derived from the provider's names of payments.
const NAMESPACE: Uuid = Uuid::from_u128(0x5b0d_2f6e_0c1a_4e39_9d7a_8a31_42c6_e0f4);
/// How long to wait at most for the payment's own task.
const PAYMENT_WAIT_MAX: Duration = Duration::from_secs(2);

/// Records what the provider knows and the log does not.
pub struct NoticeProcess {
    log: EventLog,
    gateway: Arc<dyn Gateway>,
    payments: DueList,
}

/// Kept under a key that is derived from the payment's name, so that of many notices one look comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The provider's name of the payment.
    payment: String,
    origin: Origin,
}

impl NoticeProcess {
    #[must_use]
    pub fn new(deps: &Dependencies) -> Self {
        Self {
            log: deps.log.clone(),
            gateway: Arc::clone(&deps.gateway),
            payments: DueList::new(deps.pool.clone(), PaymentProcess::NAME),
        }
    }
}

impl ProcessManager for NoticeProcess {
    const NAME: &'static str = "provider-notice";
    type Task = Task;

    fn react(&self, recorded: &Recorded<DomainEvent>) -> Vec<Change<Task>> {
        let DomainEvent::Notice(NoticeEvent::ProviderNoticeReceived(notice)) = &recorded.event
        else {
            return Vec::new();
        };
        // All that we have paid is by payments that have a name there.
        let ProviderNoticeReceived { payment: Some(payment), .. } = notice else {
            return Vec::new();
        };
        let key = Uuid::new_v5(&NAMESPACE, payment.as_bytes());
        let task = Task { payment: payment.clone(), origin: Origin::of(recorded) };
        vec![Change::Add { key, due: recorded.at, task }]
    }

    async fn perform(&self, task: Task, clock: Clock) -> Result<(), TaskError> {
        let provider_ref = task.payment.as_str();
        let statement = self.gateway.statement(provider_ref).await;
        // That nothing was learned is never a result.
        let statement = statement.map_err(TaskError::transient)?;
        let payment = statement.as_ref().and_then(|statement| statement.key.parse().ok());
        let (Some(statement), Some(payment)) = (statement, payment) else {
            tracing::info!(provider_ref, "told of a payment that is not ours; it is left alone");
            return Ok(());
        };
        let cause = |step: &str| task.origin.cause(Self::NAME, step, clock.now());
        self.compare(provider_ref, &statement, payment, cause).await
    }
}

impl NoticeProcess {
    async fn compare(
        &self,
        provider_ref: &str,
        statement: &Statement,
        payment: PaymentId,
        cause: impl Fn(&str) -> Cause,
    ) -> Result<(), TaskError> {
        let state = self.log.load::<Payment>(&payment).await?.state;
        let Payment::Initiated { intent, outcome, .. } = &state else {
            return unasked_for(provider_ref, statement);
        };
        let captured = check_amount(provider_ref, statement, intent)?;
        match outcome {
            Outcome::Undecided | Outcome::ActionRequired { .. } => {
                self.have_looked_at(payment, statement, cause).await
            }
            Outcome::Failed { .. } | Outcome::Voided if captured => {
                let provider_ref = provider_ref.to_owned();
                let result = ProviderResult::Captured { provider_ref };
                self.record(payment, result, &cause("record-captured")).await
            }
            Outcome::Failed { .. } | Outcome::Voided => Ok(()),
            Outcome::Captured { provider_ref: known } if known == provider_ref => {
                let facts = Facts { log: &self.log, payment, intent, known: &state };
                facts.record(statement, cause).await
            }
            Outcome::Captured { .. } if captured => Err(TaskError::Person(format!(
                "{provider_ref} took the money of payment {payment} a second time; give it back \
                 at the provider, then skip this"
            ))),
            Outcome::Captured { .. } => Ok(()),
        }
    }

    /// The payment's own task looks at once. Where there is none any more, as when a person has
    /// skipped it, what is final is recorded from here.
    async fn have_looked_at(
        &self,
        payment: PaymentId,
        statement: &Statement,
        cause: impl Fn(&str) -> Cause,
    ) -> Result<(), TaskError> {
        let looks = self.payments.hasten(payment.0).await.map_err(TaskError::transient)?;
        match (&statement.taken, looks) {
            (Taken::Open, _) | (Taken::Voided, true) => Ok(()),
            (Taken::Voided, false) => {
                self.record(payment, ProviderResult::Voided, &cause("record-voided")).await
            }
            (Taken::Captured(_), true) => Err(WAITS),
            (Taken::Captured(_), false) => {
                // It may have been decided since it was read.
                let state = self.log.load::<Payment>(&payment).await?.state;
                match state.outcome() {
                    Some(Outcome::Undecided | Outcome::ActionRequired { .. }) => {
                        Err(TaskError::Person(format!(
                            "the provider has taken money for payment {payment}, and nobody asks \
                             it any more: retry the payment's own task, or rebuild its list"
                        )))
                    }
                    Some(_) | None => Err(WAITS),
                }
            }
        }
    }

    async fn record(
        &self,
        payment: PaymentId,
        result: ProviderResult,
        cause: &Cause,
    ) -> Result<(), TaskError> {
        let command = PaymentCommand::RecordResult(result);
        let recorded = decided(self.log.execute::<Payment>(&payment, command, cause).await)?;
        recorded.map(|_| ()).map_err(TaskError::permanent)
    }
}

const WAITS: TaskError =
    TaskError::Later { reason: "the payment's own task has not looked", within: PAYMENT_WAIT_MAX };

/// It has our name, and the log has no intent of ours: nothing is asked for before its intent is in
/// the log. Money is never taken over silently.
fn unasked_for(provider_ref: &str, statement: &Statement) -> Result<(), TaskError> {
    let key = &statement.key;
    match statement.taken {
        Taken::Captured(_) => Err(TaskError::Person(format!(
            "{provider_ref} took money for payment {key}, which is not in the log: give it back at \
             the provider, then skip this"
        ))),
        Taken::Open | Taken::Voided => {
            tracing::warn!(provider_ref, key, "told of a payment that nobody asked for");
            Ok(())
        }
    }
}

/// Whether the money was taken, and just so much as was asked for.
fn check_amount(
    provider_ref: &str,
    statement: &Statement,
    intent: &PaymentInitiated,
) -> Result<bool, TaskError> {
    match &statement.taken {
        Taken::Captured(Some(amount)) if *amount == intent.amount => Ok(true),
        Taken::Captured(amount) => {
            let taken =
                amount.map_or("an unknown currency".to_owned(), |amount| amount.to_string());
            Err(TaskError::Person(format!(
                "{provider_ref} took {taken} where {} was asked for: set it right at the provider, \
                 then skip this",
                intent.amount
            )))
        }
        Taken::Open | Taken::Voided => Ok(false),
    }
}

#[cfg(test)]
mod tests;
