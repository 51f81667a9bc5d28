//! What happens to some payments after they were made.

use domain::id::OrderId;
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use serde_json::json;

use super::bank::Bank;
use super::people::Offer;
use super::tally::Tally;

/// Minor units of a refund of a part; every ticket costs more.
const A_PART: &str = "100";

/// Who takes money back, of a hundred payments.
pub(super) enum Aftermath {
    Nothing,
    SellerRefunds,
    /// Somebody at the provider, without the shop.
    RefundedElsewhere,
    /// A part, and at times the seller gives back the rest.
    PartlyRefundedElsewhere {
        the_rest: bool,
    },
    /// At the buyer's bank.
    Disputed(Decision),
}

/// What the bank decides.
#[derive(Clone, Copy)]
pub(super) enum Decision {
    None,
    Won,
    Lost,
}

impl Aftermath {
    pub(super) fn draw(dice: &mut StdRng, bank: &Bank) -> Self {
        match dice.random_range(0..100) {
            0..10 => Self::SellerRefunds,
            10..18 if bank.is_ours() => Self::RefundedElsewhere,
            18..24 if bank.is_ours() => {
                Self::PartlyRefundedElsewhere { the_rest: dice.random_bool(0.5) }
            }
            24..27 if bank.is_ours() => Self::Disputed(Decision::None),
            27..30 if bank.is_ours() => Self::Disputed(Decision::Won),
            30..33 if bank.is_ours() => Self::Disputed(Decision::Lost),
            _ => Self::Nothing,
        }
    }

    pub(super) async fn happen(
        self,
        order: OrderId,
        offer: &Offer,
        bank: &Bank,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        match self {
            Self::Nothing => {}
            Self::SellerRefunds => seller_refunds(order, offer, tally).await?,
            Self::RefundedElsewhere => {
                tally.refunded_elsewhere.add(bank.act(order, "refund", &[]).await.into());
            }
            Self::PartlyRefundedElsewhere { the_rest } => {
                let done = bank.act(order, "refund", &[("amount", A_PART)]).await;
                tally.refunded_elsewhere.add(done.into());
                if the_rest {
                    seller_refunds(order, offer, tally).await?;
                }
            }
            Self::Disputed(decision) => {
                tally.disputed.add(bank.act(order, "dispute", &[]).await.into());
                match decision {
                    Decision::None => {}
                    Decision::Won => drop(bank.act(order, "win", &[]).await),
                    Decision::Lost => drop(bank.act(order, "lose", &[]).await),
                }
            }
        }
        Ok(())
    }
}

async fn seller_refunds(order: OrderId, offer: &Offer, tally: &Tally) -> anyhow::Result<()> {
    let path = format!("/api/orders/{order}/refund");
    let answer = offer.seller.post(&path, &json!({"reason": "demo"})).await?;
    // Refused when the order does not have its money yet.
    tally.refunded.add(u64::from(answer.status == StatusCode::ACCEPTED));
    Ok(())
}
