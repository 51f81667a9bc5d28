//! What the clients ask the shop for.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::id::{AccountId, TicketId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Prices of edits start above those of the histories, in cents.
const FIRST_PRICE: u64 = 1_000_000;

/// Somebody who is signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: AccountId,
    /// The session's, as the header has it.
    pub(crate) cookie: String,
}

/// Tickets with a history of so many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Histories {
    pub(crate) events: u64,
    pub(crate) tickets: u64,
}

impl Histories {
    pub(crate) fn id(self, number: u64) -> TicketId {
        TicketId(Uuid::from_u64_pair(self.events, number))
    }

    /// Whose it is.
    pub(crate) fn seller(self, number: u64, people: &[Person]) -> &Person {
        let count = u64::try_from(people.len()).unwrap_or(u64::MAX);
        &people[usize::try_from(number % count).unwrap_or_default()]
    }
}

/// What all clients of one measurement do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// Ask a server that does nothing.
    Nothing,
    /// List new tickets.
    List,
    /// Edit tickets, each client its own ones in turn.
    Edit(Histories),
    /// Edit every ticket once, then end.
    EditOnce(Histories),
    /// Order single units of one ticket.
    Order(TicketId),
}

/// One client of so many.
pub(crate) struct Client<'a> {
    pub(crate) plan: Plan,
    pub(crate) people: &'a [Person],
    pub(crate) number: u64,
    pub(crate) of: u64,
    /// No two edits ask for the same price: that would be no change.
    pub(crate) price: &'a AtomicU64,
}

impl Client<'_> {
    /// Writes the request of a turn; false when the client has nothing more to ask.
    pub(crate) fn request(&self, turn: u64, out: &mut Vec<u8>) -> std::io::Result<bool> {
        out.clear();
        // Everybody takes part, however few clients there are.
        let people = u64::try_from(self.people.len()).unwrap_or(u64::MAX);
        let person = usize::try_from((self.number + self.of * turn) % people).unwrap_or_default();
        let person = &self.people[person];
        match self.plan {
            Plan::Nothing | Plan::List => {
                let body = br#"{"title":"Concert in the park","price":19.99}"#;
                write_request(out, "POST /api/tickets", &person.cookie, body)?;
            }
            Plan::Edit(histories) => self.edit(histories, turn, out)?,
            Plan::EditOnce(histories) if self.number + self.of * turn >= histories.tickets => {
                return Ok(false);
            }
            Plan::EditOnce(histories) => self.edit(histories, turn, out)?,
            Plan::Order(ticket) => {
                let body = format!(r#"{{"ticketId":"{ticket}"}}"#);
                write_request(out, "POST /api/orders", &person.cookie, body.as_bytes())?;
            }
        }
        Ok(true)
    }

    fn edit(&self, histories: Histories, turn: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
        let own = (histories.tickets - self.number).div_ceil(self.of);
        let number = self.number + self.of * (turn % own);
        let price = FIRST_PRICE + self.price.fetch_add(1, Ordering::Relaxed);
        let (major, minor) = (price / 100, price % 100);
        let body = format!(r#"{{"title":"Concert in the park","price":{major}.{minor:02}}}"#);
        let target = format!("PUT /api/tickets/{}", histories.id(number));
        let seller = histories.seller(number, self.people);
        write_request(out, &target, &seller.cookie, body.as_bytes())
    }
}

/// A request with a JSON body.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    target: &str,
    cookie: &str,
    body: &[u8],
) -> std::io::Result<()> {
    write!(
        out,
        "{target} HTTP/1.1\r\nhost: shop\r\ncookie: {cookie}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )?;
    out.write_all(body)
}
