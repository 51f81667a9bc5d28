//! Gives money of a captured payment back: the intent into the log, the call, its result into the
//! log.

use domain::id::{PaymentId, RefundId};
use domain::money::Money;
use domain::payment::{PaymentCommand, RefundResult, RefundState};
use domain::{Cause, Payment};
use eventlog::EventLog;

use crate::gateway::{self, Gateway, GatewayError};
use crate::process_manager::{TaskError, decided};

/// One giving back of money. It can be begun, and carried on, any number of times.
pub(crate) struct Repayment<'a> {
    pub(crate) log: &'a EventLog,
    pub(crate) gateway: &'a dyn Gateway,
    pub(crate) payment: PaymentId,
    pub(crate) refund: RefundId,
    pub(crate) amount: Money,
    /// All that the payment took.
    pub(crate) captured: Money,
    /// The provider's name of the payment.
    pub(crate) provider_ref: &'a str,
    /// How far the log says it is.
    pub(crate) state: Option<RefundState>,
}

impl Repayment<'_> {
    /// Done when the money has gone back.
    pub(crate) async fn pursue(&self, cause: impl Fn(&str) -> Cause) -> Result<(), TaskError> {
        let refund = self.refund;
        let key = refund.to_string();
        match self.state {
            Some(RefundState::Succeeded) => return Ok(()),
            // What could not be given back before may be now.
            Some(RefundState::Initiated | RefundState::Failed) => {}
            None => {
                let (amount, provider_key) = (self.amount, key.clone());
                let command = PaymentCommand::Refund { refund, amount, provider_key };
                self.payment(command, &cause("refund")).await?;
            }
        }
        let repayment = gateway::Repayment {
            provider_ref: self.provider_ref.to_owned(),
            key,
            amount: self.amount,
            captured: self.captured,
        };
        match self.gateway.refund(&repayment).await {
            Ok(provider_ref) => {
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

    async fn payment(&self, command: PaymentCommand, cause: &Cause) -> Result<(), TaskError> {
        let executed = self.log.execute::<Payment>(&self.payment, command, cause).await;
        decided(executed)?.map(|_| ()).map_err(TaskError::permanent)
    }
}
