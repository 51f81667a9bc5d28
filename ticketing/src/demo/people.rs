//! Sellers and buyers.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use domain::id::{OrderId, TicketId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::aftermath::Aftermath;
use super::bank::Bank;
use super::shop::{Answer, Shop};
use super::tally::Tally;

const UNITS_MAX: u32 = 5;
const UNITS_PER_ORDER_MAX: u32 = 2;
const THINK_MILLISECONDS_MAX: u64 = 300;
const GOOD_CARD: &str = "tok_visa";
const BAD_CARD: &str = "tok_chargeDeclined";
/// Its bank wants to see the buyer.
const ASKING_CARD: &str = "tok_threeDSecure2Required";
/// Its bank takes its time; in the sandbox only.
const SLOW_CARD: &str = "tok_delayed";
/// How long a buyer takes to answer the bank, for each second that the order is held: at times
/// longer than that.
const ANSWERS_BANK_MILLISECONDS_PER_SECOND: u64 = 1_500;
/// A bank that has not answered within the request is asked about again this often.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Something to buy.
#[derive(Debug)]
pub(crate) struct Offer {
    ticket: TicketId,
    max_per_order: u32,
    /// The shop as the seller is signed in there.
    pub(super) seller: Shop,
}

/// Somebody signed in.
#[derive(Debug)]
pub(crate) struct Person {
    shop: Shop,
    dice: StdRng,
    /// How long an order is held.
    hold_seconds: u64,
}

/// What a buyer does with a reservation.
enum Mood {
    Pays,
    PaysAtSecondTry,
    /// With a card whose bank asks.
    PaysAndProves,
    /// With a card whose bank is slow.
    PaysSlowly,
    Cancels,
    Leaves,
}

impl Person {
    pub(crate) async fn sign_up(shop: &Shop, seed: u64, hold_seconds: u64) -> anyhow::Result<Self> {
        let shop = shop.enter()?;
        // The same seed may have been here before, so the address has more in it.
        let name = uuid::Uuid::new_v4().simple();
        let credentials = json!({"email": format!("{name}@example.com"), "password": "demo-demo"});
        let answer = shop.post("/api/users/signup", &credentials).await?;
        expect(&answer, StatusCode::CREATED, "sign-up")?;
        Ok(Self { shop, dice: StdRng::seed_from_u64(seed), hold_seconds })
    }

    pub(crate) async fn list(
        &self,
        number: u32,
        dice: &mut StdRng,
        tally: &Tally,
    ) -> anyhow::Result<Offer> {
        let quantity = dice.random_range(1..=UNITS_MAX);
        let max_per_order = quantity.min(UNITS_PER_ORDER_MAX);
        let price = format!("{}.{:02}", dice.random_range(5..100), dice.random_range(0..100));
        let body = json!({
            "title": format!("Demo concert {number}"),
            "price": price,
            "quantity": quantity,
            "maxPerOrder": max_per_order,
        });
        let answer = self.shop.post("/api/tickets", &body).await?;
        expect(&answer, StatusCode::CREATED, "listing a ticket")?;
        tally.offered.add(quantity.into());
        Ok(Offer { ticket: id(&answer.body)?, max_per_order, seller: self.shop.clone() })
    }

    pub(crate) async fn buy_until(
        mut self,
        end: Instant,
        offers: &[Offer],
        bank: &Bank,
        tally: &Tally,
    ) -> anyhow::Result<()> {
        while Instant::now() < end {
            let think = self.dice.random_range(0..=THINK_MILLISECONDS_MAX);
            tokio::time::sleep(Duration::from_millis(think)).await;
            let offer = &offers[self.dice.random_range(0..offers.len())];
            self.buy(offer, bank, tally).await?;
        }
        Ok(())
    }

    async fn buy(&mut self, offer: &Offer, bank: &Bank, tally: &Tally) -> anyhow::Result<()> {
        let quantity = self.dice.random_range(1..=offer.max_per_order);
        let body = json!({"ticketId": offer.ticket, "quantity": quantity, "holdSeconds": self.hold_seconds});
        let answer = self.shop.post("/api/orders", &body).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            tally.refused.add(1);
            return Ok(());
        }
        expect(&answer, StatusCode::CREATED, "an order")?;
        let order: OrderId = id(&answer.body)?;
        tally.remember(order);
        let paid = match self.mood(bank) {
            Mood::Pays => self.pay(order, GOOD_CARD, bank, tally).await?,
            Mood::PaysAtSecondTry => {
                self.pay(order, BAD_CARD, bank, tally).await?;
                self.pay(order, GOOD_CARD, bank, tally).await?
            }
            Mood::PaysAndProves => self.pay(order, ASKING_CARD, bank, tally).await?,
            Mood::PaysSlowly => self.pay(order, SLOW_CARD, bank, tally).await?,
            Mood::Cancels => {
                // It may have expired on the way there, which is refused or already so.
                self.shop.delete(&format!("/api/orders/{order}")).await?;
                tally.cancelled.add(1);
                false
            }
            Mood::Leaves => {
                tally.abandoned.add(1);
                false
            }
        };
        if paid {
            let aftermath = Aftermath::draw(&mut self.dice, bank);
            aftermath.happen(order, offer, bank, tally).await?;
        }
        Ok(())
    }

    fn mood(&mut self, bank: &Bank) -> Mood {
        match self.dice.random_range(0..100) {
            0..30 => Mood::Pays,
            30..40 => Mood::PaysAtSecondTry,
            40..52 if bank.is_ours() => Mood::PaysAndProves,
            52..60 if bank.is_ours() => Mood::PaysSlowly,
            40..60 => Mood::Pays,
            60..80 => Mood::Cancels,
            _ => Mood::Leaves,
        }
    }

    /// Whether it was paid.
    async fn pay(
        &mut self,
        order: OrderId,
        card: &str,
        bank: &Bank,
        tally: &Tally,
    ) -> anyhow::Result<bool> {
        let body = json!({"orderId": order, "token": card});
        let answer = self.shop.post("/api/payments", &body).await?;
        match answer.status {
            StatusCode::CREATED => tally.paid.add(1),
            StatusCode::PAYMENT_REQUIRED => tally.declined.add(1),
            // Expired on the way to the till.
            StatusCode::BAD_REQUEST => tally.refused.add(1),
            StatusCode::ACCEPTED => {
                // What the browser proves itself with begins with the provider's name of the payment.
                let secret = answer.body["clientSecret"].as_str();
                if let Some((payment, _)) = secret.and_then(|it| it.split_once("_secret")) {
                    let most = self.hold_seconds * ANSWERS_BANK_MILLISECONDS_PER_SECOND;
                    let think = self.dice.random_range(0..=most);
                    tokio::time::sleep(Duration::from_millis(think)).await;
                    bank.decide(payment, self.dice.random_bool(0.8)).await;
                }
                return self.await_bank(order, tally).await;
            }
            _ => bail!("a payment was answered {}: {}", answer.status, answer.body),
        }
        Ok(answer.status == StatusCode::CREATED)
    }

    async fn await_bank(&self, order: OrderId, tally: &Tally) -> anyhow::Result<bool> {
        loop {
            let answer = self.shop.get(&format!("/api/orders/{order}")).await?;
            let status = answer.body["status"].as_str();
            match status {
                Some("complete") => tally.paid.add(1),
                Some("awaiting_payment") => {
                    tokio::time::sleep(ASK_AGAIN).await;
                    continue;
                }
                Some(_) => tally.refused.add(1),
                None => bail!("an order was answered {}: {}", answer.status, answer.body),
            }
            return Ok(status == Some("complete"));
        }
    }
}

fn expect(answer: &Answer, status: StatusCode, what: &str) -> anyhow::Result<()> {
    if answer.status != status {
        bail!("{what} was answered {}: {}", answer.status, answer.body);
    }
    Ok(())
}

fn id<T: std::str::FromStr>(body: &Value) -> anyhow::Result<T> {
    let text = body["id"].as_str().with_context(|| format!("no id in {body}"))?;
    text.parse().ok().with_context(|| format!("no id: {text}"))
}
