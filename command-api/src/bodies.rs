//! The bodies of requests, described. They are read member by member, so that every bad one is
//! named; so nothing is ever made of these types. What they say is held against what the routes
//! take by the tests that ask every route as it is described.

#![expect(dead_code, reason = "described, never made")]

use utoipa::ToSchema;
use uuid::Uuid;

#[derive(ToSchema)]
#[schema(example = json!({"email": "ann@example.com", "password": "correct horse"}))]
pub(crate) struct Credentials {
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[schema(format = Password, min_length = 8, max_length = 200)]
    password: String,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"password": "correct horse", "newPassword": "battery staple"}))]
pub(crate) struct PasswordChange {
    /// The present one.
    #[schema(format = Password)]
    password: String,
    #[schema(format = Password, min_length = 8, max_length = 200)]
    new_password: String,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"refreshToken": "eyJ0eXAiOiJyZWZyZXNoK2p3dCJ9.e30.c2ln"}))]
pub(crate) struct Refresh {
    refresh_token: String,
}

/// An amount in major units, more than nothing, with no more decimals than its currency has.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(example = 19.99)]
pub(crate) enum Amount {
    Number(f64),
    /// The same as text.
    Text(String),
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"title": "Concert", "price": 19.99, "quantity": 100}))]
pub(crate) struct Listing {
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    price: Amount,
    /// ISO 4217; `usd` unless said.
    #[schema(min_length = 3, max_length = 3)]
    currency: Option<String>,
    /// 1 unless said.
    #[schema(minimum = 1)]
    quantity: Option<u32>,
    /// How many units one order may take; 10 unless said.
    #[schema(minimum = 1)]
    max_per_order: Option<u32>,
}

#[derive(ToSchema)]
#[schema(example = json!({"title": "Concert in the park", "price": "24.50", "quantity": 120}))]
pub(crate) struct Edit {
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    price: Amount,
    /// As it is, unless said. Never less than is reserved and sold.
    #[schema(minimum = 1)]
    quantity: Option<u32>,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"ticketId": "01890a5d-ac96-774b-bcce-b302099a8057", "quantity": 2}))]
pub(crate) struct OrderRequest {
    ticket_id: Uuid,
    /// 1 unless said.
    #[schema(minimum = 1)]
    quantity: Option<u32>,
    /// For a shorter hold than the shop's own; a longer one is not given.
    #[schema(minimum = 1)]
    hold_seconds: Option<u64>,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"orderId": "01890a5d-ac96-774b-bcce-b302099a8057", "token": "tok_visa"}))]
pub(crate) struct PaymentRequest {
    order_id: Uuid,
    /// A token (`tok_…`) or payment method (`pm_…`) of Stripe, or `door` to pay at the door.
    #[schema(pattern = "^(door|(tok|pm)_[A-Za-z0-9_]*)$", max_length = 255)]
    token: String,
}

#[derive(ToSchema)]
#[schema(example = json!({"reason": "the concert was called off"}))]
pub(crate) struct RefundRequest {
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// An event of Stripe, of which no more is looked at than what names it and the payment.
#[derive(ToSchema)]
#[schema(example = json!({
    "id": "evt_1", "type": "charge.refunded", "created": 1_780_000_000,
    "data": {"object": {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}},
}))]
pub(crate) struct ProviderEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    /// Seconds since the Unix epoch.
    created: i64,
    data: ProviderEventData,
}

#[derive(ToSchema)]
pub(crate) struct ProviderEventData {
    object: ProviderObject,
}

#[derive(ToSchema)]
pub(crate) struct ProviderObject {
    /// `payment_intent`, `charge`, `refund` or `dispute`; others are answered and left.
    object: String,
    id: String,
    payment_intent: Option<String>,
    charge: Option<String>,
}
