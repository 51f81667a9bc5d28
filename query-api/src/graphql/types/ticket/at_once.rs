//! Tickets of a list, written at once. The usual way makes a future of each field of each of them,
//! which costs more than reading them does; a list of plain fields needs none.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, Name, OutputType, Positioned, ScalarType, ServerResult, Value,
};

use super::TicketNode;
use crate::read_model::Ticket;

/// A ticket of a list.
pub(crate) struct ListedTicket(pub(crate) TicketNode);

impl OutputType for ListedTicket {
    fn type_name() -> Cow<'static, str> {
        TicketNode::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        TicketNode::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match object(&ctx.item.node, |field| value(&self.0.0, field)) {
            Some(value) => Ok(value),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// None when it takes more than plain fields: fragments, names that come twice, and whatever `value`
/// does not know.
fn object(selected: &SelectionSet, value: impl Fn(&Field) -> Option<Value>) -> Option<Value> {
    let mut members: IndexMap<Name, Value> = IndexMap::with_capacity(selected.items.len());
    for item in &selected.items {
        let Selection::Field(field) = &item.node else { return None };
        let field = &field.node;
        if !field.directives.is_empty() {
            return None;
        }
        let earlier = members.insert(field.response_key().node.clone(), value(field)?);
        if earlier.is_some() {
            return None;
        }
    }
    Some(Value::Object(members))
}

fn value(ticket: &Ticket, field: &Field) -> Option<Value> {
    Some(match field.name.node.as_str() {
        "__typename" => Value::from("Ticket"),
        "id" => Value::from(ticket.id.to_string()),
        "title" => Value::from(ticket.title.as_str()),
        "price" => return price(ticket, &field.selection_set.node),
        "quantity" => Value::from(ticket.quantity),
        "reserved" => Value::from(ticket.reserved),
        "sold" => Value::from(ticket.sold),
        "available" => Value::from(ticket.available),
        "maxPerOrder" => Value::from(ticket.max_per_order),
        "seller" => Value::from(ticket.seller.to_string()),
        "orderId" => ticket.order_id.map_or(Value::Null, |id| Value::from(id.to_string())),
        "withdrawn" => Value::from(ticket.withdrawn),
        "version" => Value::from(ticket.version),
        "listedAt" => ticket.listed_at.to_value(),
        _ => return None,
    })
}

fn price(ticket: &Ticket, selected: &SelectionSet) -> Option<Value> {
    object(selected, |field| {
        Some(match field.name.node.as_str() {
            "__typename" => Value::from("Money"),
            "amount" => Value::from(ticket.price.decimal()),
            "minor" => Value::from(ticket.price.minor),
            "currency" => Value::from(ticket.price.currency.code()),
            _ => return None,
        })
    })
}
