//! Tickets and orders as JSON. Both sides answer with these, so that what a write answers is what
//! a read shows.

use domain::Timestamp;
use domain::id::{AccountId, OrderId, TicketId};
use domain::money::Money;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An amount on the wire: a JSON number in major units, such as `20` or `19.99`, written from its
/// decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price(pub Money);

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decimal = self.0.decimal();
        let short = match decimal.contains('.') {
            true => decimal.trim_end_matches('0').trim_end_matches('.'),
            false => &decimal,
        };
        let number = RawValue::from_string(short.to_owned()).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    #[schema(value_type = Uuid)]
    pub id: TicketId,
    #[schema(example = "Concert")]
    pub title: String,
    /// In major units.
    #[schema(value_type = f64, example = 19.99)]
    pub price: Price,
    /// ISO 4217, in lower case.
    #[schema(example = "usd")]
    pub currency: String,
    pub quantity: u32,
    /// Units that can be ordered now.
    pub available: u32,
    /// Who sells it.
    #[schema(value_type = Uuid)]
    pub user_id: AccountId,
    /// The number of changes since it was listed.
    pub version: u64,
    /// The order that has a single-unit ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub order_id: Option<OrderId>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    #[schema(value_type = Uuid)]
    pub id: OrderId,
    /// `created`, `awaiting_payment`, `complete`, `cancelled`, `expired`, `refunding`, `refunded`.
    #[schema(example = "created")]
    pub status: String,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    pub ticket: OrderedTicket,
    pub quantity: u32,
    /// In major units.
    #[schema(value_type = f64, example = 19.99)]
    pub total: Price,
    /// ISO 4217, in lower case.
    #[schema(example = "usd")]
    pub currency: String,
    /// Who buys.
    #[schema(value_type = Uuid)]
    pub user_id: AccountId,
    pub version: u64,
}

/// What was ordered, as agreed when it was ordered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrderedTicket {
    #[schema(value_type = Uuid)]
    pub id: TicketId,
    #[schema(example = "Concert")]
    pub title: String,
    /// Of one unit, in major units.
    #[schema(value_type = f64, example = 19.99)]
    pub price: Price,
    /// ISO 4217, in lower case.
    #[schema(example = "usd")]
    pub currency: String,
}

/// What a buyer contests at the bank.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dispute {
    /// The payment provider's name of it.
    #[schema(example = "du_1")]
    pub id: String,
    #[schema(value_type = Uuid)]
    pub order_id: OrderId,
    #[schema(value_type = Uuid)]
    pub ticket_id: TicketId,
    /// In major units.
    #[schema(value_type = f64, example = 19.99)]
    pub amount: Price,
    /// ISO 4217, in lower case.
    #[schema(example = "usd")]
    pub currency: String,
    /// The provider's word for why.
    #[schema(example = "fraudulent")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `open`, `won` or `lost`.
    #[schema(example = "open")]
    pub status: String,
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When the bank had decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(minor: i64, currency: &str) -> String {
        let price = Price(Money { minor, currency: currency.parse().unwrap() });
        serde_json::to_string(&price).unwrap()
    }

    #[test]
    fn a_price_is_a_number_in_major_units() {
        assert_eq!(written(1999, "usd"), "19.99");
        assert_eq!(written(2000, "usd"), "20");
        assert_eq!(written(2050, "usd"), "20.5");
        assert_eq!(written(5, "usd"), "0.05");
        assert_eq!(written(200, "jpy"), "200");
        assert_eq!(written(1, "bhd"), "0.001");
    }
}
