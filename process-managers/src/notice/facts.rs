//! What goes back of a captured payment without our asking: recorded, and the order follows.

use std::time::Duration;

use domain::id::{PaymentId, RefundId};
use domain::money::Money;
use domain::order::{OrderCommand, Status};
use domain::payment::{
    self, DisputeClosed, DisputeFact, DisputeOpened, DisputeOutcome, ExternalRefundDetected,
    PaymentCommand, PaymentInitiated, ProviderFeeCharged,
};
use domain::{Cause, Order, Payment};
use eventlog::EventLog;
use uuid::Uuid;

use crate::gateway::{Dispute, DisputeState, Fee, Refund, RefundState, Statement};
use crate::process_manager::{TaskError, decided};

/// How long to wait at most for the order to follow its payment.
const ORDER_WAIT_MAX: Duration = Duration::from_secs(2);
/// What an order says that was refunded at the provider.
const REASON: &str = "given back at the payment provider";

/// A captured payment whose statement has come.
pub(super) struct Facts<'a> {
    pub(super) log: &'a EventLog,
    pub(super) payment: PaymentId,
    pub(super) intent: &'a PaymentInitiated,
    /// As it was in the log before.
    pub(super) known: &'a Payment,
}

impl Facts<'_> {
    /// Every fact is recorded, however often; what contradicts the log is for a person.
    pub(super) async fn record(
        &self,
        statement: &Statement,
        cause: impl Fn(&str) -> Cause,
    ) -> Result<(), TaskError> {
        let mut strange = None;
        for refund in &statement.refunds {
            strange = self.refund(refund, &cause).await?.or(strange);
        }
        for dispute in &statement.disputes {
            strange = self.dispute(dispute, &cause).await?.or(strange);
        }
        for fee in &statement.fees {
            strange = self.fee(fee, &cause).await?.or(strange);
        }
        let state = self.log.load::<Payment>(&self.payment).await?.state;
        let gone = state.taken_back().map_or(0, payment::TakenBack::refunded_minor);
        if gone >= self.intent.amount.minor {
            self.refund_order(cause).await?;
        }
        strange.map_or(Ok(()), |what| Err(TaskError::Person(what)))
    }

    /// Some: what does not fit.
    async fn refund(
        &self,
        refund: &Refund,
        cause: &impl Fn(&str) -> Cause,
    ) -> Result<Option<String>, TaskError> {
        let ours = refund.key.as_ref().and_then(|key| key.parse::<RefundId>().ok());
        let ours = ours.and_then(|id| self.known.refund(id));
        let external = self.known.taken_back();
        let external = external.is_some_and(|it| it.refunds().contains_key(&refund.provider_ref));
        let name = &refund.provider_ref;
        match (ours, refund.state) {
            (Some(known), RefundState::Failed)
                if known.state == payment::RefundState::Succeeded =>
            {
                Ok(Some(format!(
                    "the bank has sent refund {name} back after all: give the money to the buyer \
                     in another way, then skip this"
                )))
            }
            // Its own task records how it ends.
            (Some(_), _) => Ok(None),
            (None, RefundState::Failed) if external => Ok(Some(format!(
                "the bank has sent refund {name} back, which somebody had made at the provider: \
                 give the money to the buyer in another way, then skip this"
            ))),
            (None, RefundState::Failed) => Ok(None),
            (None, RefundState::Gone) => {
                let Some(amount) = self.ours(refund.amount) else {
                    return Ok(Some(format!("refund {name} is in another currency")));
                };
                let provider_ref = name.clone();
                let detected = ExternalRefundDetected { provider_ref, amount };
                let command = PaymentCommand::RecordExternalRefund(detected);
                self.execute(command, &cause(&format!("refund-{name}"))).await?;
                Ok(None)
            }
        }
    }

    /// Some: what does not fit.
    async fn dispute(
        &self,
        told: &Dispute,
        cause: &impl Fn(&str) -> Cause,
    ) -> Result<Option<String>, TaskError> {
        let name = &told.provider_ref;
        let Some(amount) = self.ours(told.amount) else {
            return Ok(Some(format!("dispute {name} is in another currency")));
        };
        // Also of one that is over by now: it tells why.
        let (dispute, reason) = (name.clone(), told.reason.clone());
        let opened =
            DisputeFact::Opened(DisputeOpened { dispute: dispute.clone(), amount, reason });
        let command = PaymentCommand::RecordDispute(opened);
        self.execute(command, &cause(&format!("dispute-{name}"))).await?;
        let outcome = match told.state {
            DisputeState::Open => return Ok(None),
            DisputeState::Won => DisputeOutcome::Won,
            DisputeState::Lost => DisputeOutcome::Lost,
        };
        let closed = DisputeFact::Closed(DisputeClosed { dispute, amount, outcome });
        let command = PaymentCommand::RecordDispute(closed);
        self.execute(command, &cause(&format!("dispute-{name}-{outcome:?}"))).await?;
        Ok(None)
    }

    /// Some: what does not fit.
    async fn fee(
        &self,
        told: &Fee,
        cause: &impl Fn(&str) -> Cause,
    ) -> Result<Option<String>, TaskError> {
        let provider_ref = told.provider_ref.clone();
        let Some(fee) = told.amount else {
            return Ok(Some(format!("the fee of {provider_ref} is in a currency nobody knows")));
        };
        if fee.minor != 0 {
            let cause = cause(&format!("fee-{provider_ref}"));
            let charged = ProviderFeeCharged { provider_ref, fee };
            self.execute(PaymentCommand::RecordFee(charged), &cause).await?;
        }
        Ok(None)
    }

    fn ours(&self, amount: Option<Money>) -> Option<Money> {
        amount.filter(|amount| amount.currency == self.intent.amount.currency)
    }

    async fn execute(&self, command: PaymentCommand, cause: &Cause) -> Result<(), TaskError> {
        let executed = self.log.execute::<Payment>(&self.payment, command, cause).await;
        decided(executed)?.map(|_| ()).map_err(TaskError::permanent)
    }

    /// All of the money is back at the buyer: the order is refunded as if the seller had asked for
    /// it, so that its units come free.
    async fn refund_order(&self, cause: impl Fn(&str) -> Cause) -> Result<(), TaskError> {
        let id = self.intent.order;
        let order = self.log.load::<Order>(&id).await?.state;
        match order.status() {
            Some(Status::Complete { payment }) if *payment == self.payment => {
                let refund = RefundId(Uuid::new_v5(&self.payment.0, b"given-back-at-provider"));
                let amount = order.terms().map_or(self.intent.amount, |terms| terms.total);
                let reason = REASON.to_owned();
                let command = OrderCommand::RequestRefund { refund, amount, reason };
                let cause = cause("refund-order");
                // Refused where the seller has just asked for it.
                let _asked = decided(self.log.execute::<Order>(&id, command, &cause).await)?;
                Ok(())
            }
            Some(Status::AwaitingPayment { payment }) if *payment == self.payment => {
                Err(TaskError::Later {
                    reason: "the order does not follow its payment yet",
                    within: ORDER_WAIT_MAX,
                })
            }
            Some(_) | None => Ok(()),
        }
    }
}
