//! What the tests share: handles, commands, and a wire that can be cut.

mod fuse;
mod wire;

use std::time::Duration;

use domain::id::{AccountId, CommandId, OrderId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Actor, Cause, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, Executed, Settings};
use eventstore::{AppendToStreamOptions, Client, EventData, StreamState};
use uuid::Uuid;

pub(crate) use fuse::{Fuse, FuseCommand};
pub(crate) use wire::Wire;

/// Nothing in these tests takes so long unless it hangs, on a machine with much else to do either.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A handle as another process has it: with a connection and a cache of its own.
pub(crate) fn process(log: &TestLog) -> EventLog {
    at(&log.connection_string())
}

pub(crate) fn at(connection_string: &str) -> EventLog {
    let settings =
        Settings { connection_string: connection_string.to_owned(), build: "test".to_owned() };
    EventLog::new(settings).unwrap()
}

/// The official client, for what our own would not write.
pub(crate) fn client(log: &TestLog) -> Client {
    Client::new(log.connection_string().parse().unwrap()).unwrap()
}

/// Writes an event that is not of our making.
pub(crate) async fn write_raw(log: &TestLog, stream: &str, event_type: &str, body: &str) {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let event = EventData::json(event_type, &body).unwrap().id(Uuid::new_v4());
    let options = AppendToStreamOptions::default().stream_state(StreamState::Any);
    client(log).append_to_stream(stream, &options, event).await.unwrap();
}

/// A cause with a command id of its own.
pub(crate) fn cause() -> Cause {
    let command = Uuid::new_v4();
    Cause {
        command: CommandId(command),
        fingerprint: Some(command.simple().to_string()),
        correlation: Uuid::new_v4(),
        causation: Uuid::new_v4(),
        actor: Actor::Anonymous,
        trace: None,
        now: chrono::Utc::now(),
    }
}

pub(crate) fn new_ticket() -> TicketId {
    TicketId(Uuid::new_v4())
}

pub(crate) fn new_order() -> OrderId {
    OrderId(Uuid::new_v4())
}

pub(crate) fn units(units: u32) -> Quantity {
    Quantity::new(units).unwrap()
}

pub(crate) fn seller() -> AccountId {
    AccountId(Uuid::from_u128(1))
}

pub(crate) fn list(quantity: u32) -> TicketCommand {
    TicketCommand::List {
        seller: seller(),
        title: Title::parse("Front row").unwrap(),
        price: Money { minor: 2_000, currency: Currency::USD },
        quantity: units(quantity),
        max_per_order: units(quantity),
    }
}

pub(crate) fn reserve(order: OrderId) -> TicketCommand {
    TicketCommand::Reserve {
        order,
        buyer: AccountId(Uuid::from_u128(2)),
        quantity: units(1),
        expires_at: chrono::DateTime::UNIX_EPOCH,
    }
}

pub(crate) fn withdraw() -> TicketCommand {
    TicketCommand::Withdraw { by: seller(), reason: "sold elsewhere".to_owned() }
}

/// A ticket on sale with so many units.
pub(crate) async fn listed(log: &EventLog, quantity: u32) -> TicketId {
    let ticket = new_ticket();
    log.execute::<Ticket>(&ticket, list(quantity), &cause()).await.unwrap();
    ticket
}

pub(crate) fn held(executed: &Executed<Ticket>) -> u32 {
    executed.state.listing().unwrap().held
}

/// Asks until the answer is there.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}
