//! Whatever has an id.

use async_graphql::{ID, Interface};

use super::{Me, OrderNode, TicketNode};

/// Whatever has an id. Ids are UUIDs, each used once in the whole system, and the same in REST.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(crate) enum Node {
    Ticket(TicketNode),
    Order(OrderNode),
    Me(Me),
}
