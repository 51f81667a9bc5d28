//! What the log is filled with: orders from their reservation to their sale, as they lie mixed when
//! many people buy at once.

use std::collections::BTreeMap;

use anyhow::Context;
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::event::{Actor, Metadata};
use domain::id::{AccountId, CommandId, OrderId, PaymentId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderCompleted, OrderEvent, OrderPaymentStarted, OrderPlaced};
use domain::text::{Quantity, Title};
use domain::ticket::{TicketEvent, TicketListed, TicketReserved, TicketSold};
use eventlog::raw::{Batch, RawEvent, RawLog};
use futures::future::try_join_all;
use serde::Serialize;
use uuid::Uuid;

/// Orders that are begun together; those of one wave are paid while the next is begun.
const WAVE_ORDERS: u64 = 1_000;
const ORDERS_OF_A_TICKET: u64 = 20;
/// Reserve, place, start a payment, complete, sell.
const EVENTS_OF_AN_ORDER: u64 = 5;

/// Writes so many events, and a listing for each twenty orders.
///
/// # Errors
/// Of the log.
pub async fn write(log_url: &str, events: u64) -> anyhow::Result<()> {
    let raw = RawLog::open(log_url)?;
    let batch = raw.batch().await?.context("the log has no batch append")?;
    let mut before: Option<Wave> = None;
    let orders = events / EVENTS_OF_AN_ORDER;
    for _ in 0..orders.div_ceil(WAVE_ORDERS) {
        let mut wave = Wave::new();
        wave.begin(&batch).await?;
        // Half are paid at once, half while the next are begun.
        wave.pay(&batch, |order| order.is_multiple_of(2)).await?;
        if let Some(mut before) = before.replace(wave) {
            before.pay(&batch, |order| !order.is_multiple_of(2)).await?;
        }
    }
    Ok(())
}

struct Wave {
    tickets: Vec<TicketId>,
    orders: Vec<OrderId>,
    /// By stream: the revision of the next event.
    next: BTreeMap<String, u64>,
}

impl Wave {
    fn new() -> Self {
        let tickets = (0..WAVE_ORDERS / ORDERS_OF_A_TICKET).map(|_| TicketId(Uuid::now_v7()));
        let orders = (0..WAVE_ORDERS).map(|_| OrderId(Uuid::now_v7()));
        Self { tickets: tickets.collect(), orders: orders.collect(), next: BTreeMap::new() }
    }

    fn deals(&self) -> impl Iterator<Item = (usize, TicketId, OrderId)> {
        let tickets = self.tickets.iter().cycle();
        self.orders
            .iter()
            .zip(tickets)
            .enumerate()
            .map(|(number, (order, ticket))| (number, *ticket, *order))
    }

    async fn begin(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let mut appends = Appends::default();
        for ticket in &self.tickets {
            appends.add(format!("ticket-{ticket}"), &TicketEvent::TicketListed(listed()?))?;
        }
        for (_, ticket, order) in self.deals() {
            let terms = terms(ticket)?;
            let reserved = TicketReserved {
                order,
                buyer: terms.buyer,
                quantity: terms.quantity,
                unit_price: terms.unit_price,
                expires_at: terms.expires_at,
            };
            appends.add(format!("ticket-{ticket}"), &TicketEvent::TicketReserved(reserved))?;
            appends.add(format!("order-{order}"), &OrderEvent::OrderPlaced(terms))?;
        }
        appends.write(batch, &mut self.next).await
    }

    async fn pay(&mut self, batch: &Batch, which: impl Fn(usize) -> bool) -> anyhow::Result<()> {
        let mut appends = Appends::default();
        for (_, ticket, order) in self.deals().filter(|(number, ..)| which(*number)) {
            let payment = PaymentId(Uuid::now_v7());
            let started = OrderEvent::OrderPaymentStarted(OrderPaymentStarted { payment });
            appends.add(format!("order-{order}"), &started)?;
            let completed = OrderEvent::OrderCompleted(OrderCompleted { payment });
            appends.add(format!("order-{order}"), &completed)?;
            appends
                .add(format!("ticket-{ticket}"), &TicketEvent::TicketSold(TicketSold { order }))?;
        }
        appends.write(batch, &mut self.next).await
    }
}

fn listed() -> anyhow::Result<TicketListed> {
    Ok(TicketListed {
        seller: AccountId(Uuid::now_v7()),
        title: Title::parse("An evening of early music, in the old town hall")?,
        price: Money { minor: 2_450, currency: Currency::USD },
        quantity: Quantity::new(100)?,
        max_per_order: Quantity::new(10)?,
    })
}

fn terms(ticket: TicketId) -> anyhow::Result<OrderPlaced> {
    let price = Money { minor: 2_450, currency: Currency::USD };
    Ok(OrderPlaced {
        buyer: AccountId(Uuid::now_v7()),
        ticket,
        title: Title::parse("An evening of early music, in the old town hall")?,
        quantity: Quantity::new(1)?,
        unit_price: price,
        total: price,
        expires_at: Utc::now() + TimeDelta::minutes(15),
    })
}

/// Events by stream, to be appended at once.
#[derive(Default)]
struct Appends(BTreeMap<String, Vec<RawEvent>>);

#[derive(serde::Deserialize)]
struct Tagged<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(borrow)]
    data: &'a serde_json::value::RawValue,
}

impl Appends {
    fn add(&mut self, stream: String, event: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string(event)?;
        let tagged: Tagged<'_> = serde_json::from_str(&text)?;
        let id = Uuid::now_v7();
        let metadata = Metadata {
            correlation: id,
            causation: id,
            actor: Actor::Person(AccountId(id)),
            command: CommandId(id),
            fingerprint: Some(format!("{}{}", id.simple(), id.simple())),
            trace: None,
            occurred_at: Utc::now(),
            build: "bench".to_owned(),
        };
        let events = self.0.entry(stream.clone()).or_default();
        events.push(RawEvent {
            stream,
            revision: 0,
            position: 0,
            event_type: format!("{}.v1", tagged.name),
            id,
            created: Utc::now(),
            json: true,
            metadata: Bytes::from(serde_json::to_vec(&metadata)?),
            data: Bytes::from(tagged.data.get().to_owned()),
        });
        Ok(())
    }

    async fn write(self, batch: &Batch, next: &mut BTreeMap<String, u64>) -> anyhow::Result<()> {
        let mut appends = Vec::new();
        for (stream, events) in self.0 {
            let first = next.entry(stream.clone()).or_default();
            let at = *first;
            *first += u64::try_from(events.len())?;
            appends.push(async move { batch.append(&stream, at, &events).await });
        }
        try_join_all(appends).await?;
        Ok(())
    }
}
