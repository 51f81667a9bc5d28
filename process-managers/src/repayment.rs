//! Gives money of a captured payment back: the intent into the log, the call, its result into the
//! log.

use std::time::Duration;

use domain::id::{PaymentId, RefundId};
use domain::money::Money;
use domain::payment::{PaymentCommand, RefundResult, RefundState, TakenBack};
use domain::{Cause, Payment};
use eventlog::EventLog;

use crate::gateway::{self, Gateway, GatewayError};
use crate::process_manager::{TaskError, decided};

/// How long to go at most without a look at whether the money can go back, or has.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// One giving back of money. It can be begun, and carried on, any number of times.
pub(crate) struct Repayment<'a> {
    pub(crate) log: &'a EventLog,
    pub(crate) gateway: &'a dyn Gateway,
    pub(crate) payment: PaymentId,
    /// As it is in the log.
    pub(crate) state: &'a Payment,
    pub(crate) refund: RefundId,
    /// Or what is left of the payment, if that is less.
    pub(crate) amount: Money,
    /// All that the payment took.
    pub(crate) captured: Money,
    /// The provider's name of the payment.
    pub(crate) provider_ref: &'a str,
}

impl Repayment<'_> {
    /// Done when the money has gone back.
    pub(crate) async fn pursue(&self, cause: impl Fn(&str) -> Cause) -> Result<(), TaskError> {
        let refund = self.refund;
        let key = refund.to_string();
        let amount = match self.state.refund(refund).map(|known| (known.state, known.amount)) {
            Some((RefundState::Succeeded, _)) => return Ok(()),
            // What could not be given back before may be now.
            Some((RefundState::Initiated | RefundState::Failed, amount)) => amount,
            None => {
                let Some(amount) = self.still_ours()? else { return Ok(()) };
                let provider_key = key.clone();
                let command = PaymentCommand::Refund { refund, amount, provider_key };
                self.payment(command, &cause("refund")).await?;
                amount
            }
        };
        let repayment = gateway::Repayment {
            provider_ref: self.provider_ref.to_owned(),
            key,
            amount,
            captured: self.captured,
        };
        match self.gateway.refund(&repayment).await {
            Ok(None) => {
                Err(TaskError::Later { reason: "the money has not gone back", within: LOOK_AGAIN })
            }
            Ok(Some(provider_ref)) => {
                let result = RefundResult::Succeeded { provider_ref };
                let record = PaymentCommand::RecordRefund { refund, result };
                self.payment(record, &cause("refunded")).await
            }
            Err(GatewayError::Refused { code, reason }) => {
                let result = RefundResult::Failed { code: code.clone() };
                let record = PaymentCommand::RecordRefund { refund, result };
                self.payment(record, &cause("refund-failed")).await?;
                Err(TaskError::permanent(GatewayError::Refused { code, reason }))
            }
            Err(
                error @ (GatewayError::Unavailable { .. } | GatewayError::Misconfigured { .. }),
            ) => Err(TaskError::transient(error)),
        }
    }

    /// How much there is to give back; none when somebody at the provider has given all of it.
    fn still_ours(&self) -> Result<Option<Money>, TaskError> {
        let taken_back = self.state.taken_back();
        if taken_back.is_some_and(TakenBack::is_disputed) {
            return Err(TaskError::Later {
                reason: "the buyer's bank has the money until a dispute is decided",
                within: LOOK_AGAIN,
            });
        }
        let minor = self.amount.minor.min(self.state.left_minor());
        if minor <= 0 && taken_back.is_some_and(TakenBack::has_lost) {
            let why = "the buyer's bank has given the money back by a dispute; nothing is left";
            return Err(TaskError::Person(why.to_owned()));
        }
        Ok((minor > 0).then_some(Money { minor, ..self.amount }))
    }

    async fn payment(&self, command: PaymentCommand, cause: &Cause) -> Result<(), TaskError> {
        let executed = self.log.execute::<Payment>(&self.payment, command, cause).await;
        decided(executed)?.map(|_| ()).map_err(TaskError::permanent)
    }
}
