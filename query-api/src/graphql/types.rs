//! What is answered, a type a file.

mod actor;
mod cause;
mod consistency;
mod dispute;
mod history;
mod me;
mod money;
mod node;
mod order;
mod sales;
mod ticket;

pub(crate) use cause::Cause;
pub(crate) use consistency::Consistency;
pub(crate) use me::Me;
pub(crate) use node::Node;
pub(crate) use order::{OrderChange, OrderNode};
pub(crate) use ticket::{ListedTicket, TicketChange, TicketNode};
