//! What lies in Postgres, as the domain's own values.

pub(crate) mod order;
pub(crate) mod ticket;

pub(crate) use order::{Order, OrderStatus};
pub(crate) use ticket::Ticket;
