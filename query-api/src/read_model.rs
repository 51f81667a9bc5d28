//! What lies in Postgres, as the domain's own values.

mod account;
pub(crate) mod dispute;
pub(crate) mod order;
pub(crate) mod sales;
pub(crate) mod ticket;
pub(crate) mod timeline;

pub(crate) use dispute::{Dispute, DisputeStatus};
pub(crate) use order::{Order, OrderStatus};
pub(crate) use sales::SalesDay;
pub(crate) use ticket::Ticket;
pub(crate) use timeline::Happening;
