//! Paying at the door: the seller takes the money, and says so.
//!
//! There is nobody to ask. What became of a payment comes into the log by the seller's own word, as
//! the word of a bank does otherwise, and until then it is undecided. Nothing holds it up: once the
//! order's time is over the payment is called off like any other, and the order ends.

use async_trait::async_trait;
use domain::Timestamp;
use domain::notice::{NoticeId, ProviderNoticeReceived};

use crate::gateway::{Charge, Ending, Gateway, GatewayError, Outcome, Repayment, Statement};

/// The seller, as a provider of payments.
pub(crate) struct Door;

#[async_trait]
impl Gateway for Door {
    async fn charge(&self, _: &Charge, _: &str) -> Result<Option<Outcome>, GatewayError> {
        Ok(None)
    }

    async fn look(&self, _: &Charge) -> Result<Option<Outcome>, GatewayError> {
        Ok(None)
    }

    async fn cancel(&self, _: &Charge) -> Result<Ending, GatewayError> {
        Ok(Ending::Voided { provider_ref: String::new() })
    }

    async fn refund(&self, _: &Repayment) -> Result<Option<String>, GatewayError> {
        Ok(None)
    }

    async fn statement(&self, _: &str) -> Result<Option<Statement>, GatewayError> {
        Ok(None)
    }

    async fn events(
        &self,
        _: Timestamp,
        _: Option<Timestamp>,
    ) -> Result<Vec<(NoticeId, ProviderNoticeReceived)>, GatewayError> {
        Ok(Vec::new())
    }
}
