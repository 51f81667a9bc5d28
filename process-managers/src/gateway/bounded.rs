//! Few calls to a provider at once, whoever makes them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Charge, Ending, Gateway, GatewayError, Outcome, Repayment};

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
    async fn charge(&self, charge: &Charge, source: &str) -> Result<Outcome, GatewayError> {
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

    async fn refund(&self, repayment: &Repayment) -> Result<String, GatewayError> {
        let _turn = self.turn().await?;
        self.gateway.refund(repayment).await
    }
}
