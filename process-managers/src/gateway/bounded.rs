//! Few calls to a provider at once, whoever makes them.

use std::sync::Arc;

use async_trait::async_trait;
use domain::Timestamp;
use domain::notice::{NoticeId, ProviderNoticeReceived};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Charge, Ending, Gateway, GatewayError, Outcome, Repayment, Statement};

/// A gateway at which the others wait while so many calls are under way.
pub(crate) struct Bounded {
    gateway: Arc<dyn Gateway>,
    calls: Semaphore,
}

impl Bounded {
    pub(crate) fn new(gateway: Arc<dyn Gateway>, calls_max: usize) -> Self {
        Self { gateway, calls: Semaphore::new(calls_max) }
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, GatewayError> {
        let closed = |_| GatewayError::Unavailable { reason: "about to end".to_owned() };
        self.calls.acquire().await.map_err(closed)
    }
}

#[async_trait]
impl Gateway for Bounded {
    async fn charge(&self, charge: &Charge, source: &str) -> Result<Option<Outcome>, GatewayError> {
        let _turn = self.turn().await?;
        self.gateway.charge(charge, source).await
    }

    async fn look(&self, charge: &Charge) -> Result<Option<Outcome>, GatewayError> {
        let _turn = self.turn().await?;
        self.gateway.look(charge).await
    }

    async fn cancel(&self, charge: &Charge) -> Result<Ending, GatewayError> {
        let _turn = self.turn().await?;
        self.gateway.cancel(charge).await
    }

    async fn refund(&self, repayment: &Repayment) -> Result<Option<String>, GatewayError> {
        let _turn = self.turn().await?;
        self.gateway.refund(repayment).await
    }

    async fn statement(&self, provider_ref: &str) -> Result<Option<Statement>, GatewayError> {
        let _turn = self.turn().await?;
        self.gateway.statement(provider_ref).await
    }

    async fn events(
        &self,
        from: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<Vec<(NoticeId, ProviderNoticeReceived)>, GatewayError> {
        let _turn = self.turn().await?;
        self.gateway.events(from, until).await
    }
}
