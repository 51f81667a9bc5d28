//! How many SQL statements an answer takes, as sqlx logs them.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{Shop, somebody};

/// What is asked for within a millisecond is read at once. On a busy machine it may take longer to ask
/// for fifty things, and then they are read in some parts; never one by one.
const SPLIT_MAX: usize = 4;

/// Keeps the statements that read from the read models.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        if text.0.contains("read.tickets") || text.0.contains("read.orders") {
            self.0.lock().unwrap().push(text.0);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

// One thread, so that the subscriber hears of everything that the test causes.
#[tokio::test(flavor = "current_thread")]
async fn the_number_of_statements_does_not_grow_with_the_number_of_things() {
    let shop = Shop::open().await;
    let buyer = somebody();
    for number in 0..30 {
        let ticket = shop.list(somebody(), &format!("Concert {number}"), 5).await.ticket;
        shop.order(buyer, ticket).await;
        shop.order(buyer, ticket).await;
    }
    shop.caught_up().await;
    let visitor = shop.site.visitor(buyer);
    let statements = Statements::default();
    let _listening = tracing::subscriber::set_default(statements.clone());

    let orders = visitor.data("{ orders(first: 50) { nodes { id ticket { id title } } } }").await;
    assert_eq!(orders["orders"]["nodes"].as_array().unwrap().len(), 50);
    let asked = statements.take();
    assert!((2..=2 + SPLIT_MAX).contains(&asked.len()), "{asked:#?}");

    let tickets =
        visitor.data("{ tickets(first: 30) { nodes { id myOrders { id ticket { id } } } } }");
    let tickets = tickets.await;
    assert_eq!(tickets["tickets"]["nodes"][29]["myOrders"].as_array().unwrap().len(), 2);
    let asked = statements.take();
    assert!((3..=3 + SPLIT_MAX).contains(&asked.len()), "{asked:#?}");

    visitor.get_json("/api/orders?limit=100").await;
    let asked = statements.take();
    assert_eq!(asked.len(), 1, "{asked:#?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_list_that_many_ask_for_is_read_once_until_something_changes() {
    const MANY: usize = 50;
    let mut shop = Shop::open().await;
    let ticket = shop.list(somebody(), "Concert", 5).await.ticket;
    shop.caught_up().await;
    let visitor = shop.site.nobody();
    let statements = Statements::default();
    let listening = tracing::subscriber::set_default(statements.clone());
    let answers = join_all((0..MANY).map(|_| visitor.data("{ tickets { nodes { available } } }")));
    for answer in answers.await {
        assert_eq!(answer["tickets"]["nodes"], json!([{ "available": 5 }]));
    }
    // It is kept for a second at most, and a busy machine may take longer for so many.
    let asked = statements.take();
    assert!((1..=SPLIT_MAX).contains(&asked.len()), "{asked:#?}");
    drop(listening);

    // What somebody has done is in the list for everybody who asks for what came of it.
    for left in (0..5).rev() {
        shop.order(somebody(), ticket).await;
        let at_least = shop.log.head().await.unwrap().unwrap();
        let asked = format!(
            "{{ tickets(where: {{ onSale: true }}, atLeast: \"{at_least}\") {{ nodes {{ available }} }} }}"
        );
        let expected = if left > 0 { json!([{ "available": left }]) } else { json!([]) };
        assert_eq!(visitor.data(&asked).await["tickets"]["nodes"], expected);
    }
    shop.stop_projectors().await;
}
