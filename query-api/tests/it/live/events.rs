//! The same as a stream of server-sent events.

use reqwest::Response;
use serde_json::{Value, json};

use super::{limited, watching};
use crate::support::{Shop, Visitor, somebody};

/// Reads events as they come.
struct Events {
    response: Response,
    text: String,
}

#[derive(Debug, Default, PartialEq)]
struct Event {
    kind: String,
    id: String,
    data: Value,
}

impl Events {
    async fn ask(visitor: &Visitor, request: &Value) -> Self {
        let post = visitor.client.post(format!("{}/graphql", visitor.url)).json(request);
        Self::of(post.header("accept", "text/event-stream").send().await.unwrap())
    }

    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// None at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = read(event);
                self.text = rest.to_owned();
                if !event.kind.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.response.chunk();
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), chunk).await;
            let chunk = chunk.expect("something is told").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

fn read(text: &str) -> Event {
    let mut event = Event::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("event", kind)) => event.kind = kind.to_owned(),
            Some(("id", id)) => event.id = id.to_owned(),
            Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    event
}

#[tokio::test]
async fn changes_are_told_and_a_browser_goes_on_where_it_was() {
    let shop = Shop::open().await;
    let listed = shop.list(somebody(), "Concert", 10).await;
    let ticket = listed.ticket;
    shop.caught_up().await;
    let visitor = shop.site.nobody();
    let arguments = format!("(ids: [\"{ticket}\"], after: \"0-0\")");
    let mut events = Events::ask(&visitor, &watching(&arguments)).await;
    let first = events.next().await.unwrap();
    assert_eq!(first.kind, "next");
    assert_eq!(first.data["data"]["ticketChanged"]["ticket"]["available"], 10);
    assert_eq!(first.id, listed.position.to_string());
    shop.order(somebody(), ticket).await;
    let second = events.next().await.unwrap();
    assert_eq!(second.data["data"]["ticketChanged"]["ticket"]["available"], 9);
    drop(events);

    // As a browser's EventSource asks again.
    shop.order(somebody(), ticket).await;
    let query = format!(
        "subscription {{ ticketChanged(ids: [\"{ticket}\"]) {{ position ticket {{ available }} }} }}"
    );
    let request = visitor.client.get(format!("{}/graphql", visitor.url));
    let request = request.query(&[("query", &query)]).header("accept", "text/event-stream");
    let response = request.header("last-event-id", second.id).send().await.unwrap();
    let mut events = Events::of(response);
    let third = events.next().await.unwrap();
    assert_eq!(third.data["data"]["ticketChanged"]["ticket"]["available"], 8);

    shop.site.shutdown.cancel();
    let last = events.next().await.unwrap();
    assert_eq!(last.kind, "error");
    assert_eq!(last.data["errors"][0]["extensions"]["code"], "GOING_AWAY");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_query_is_answered_once_and_refusals_have_codes() {
    let shop = Shop::open_with(limited(|limits| limits.connections_max = 1)).await;
    let visitor = shop.site.nobody();
    let mut events = Events::ask(&visitor, &json!({"query": "{ __typename }"})).await;
    let answer = events.next().await.unwrap();
    assert_eq!(answer.data["data"]["__typename"], "Query");
    assert_eq!(events.next().await.unwrap().kind, "complete");
    assert_eq!(events.next().await, None);
    drop(events);

    let orders = json!({"query": "subscription { orderChanged { position } }"});
    let mut events = Events::ask(&visitor, &orders).await;
    let refused = events.next().await.unwrap();
    assert_eq!(refused.data["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(events.next().await.unwrap().kind, "complete");
    // Without the header a subscription is refused.
    assert_eq!(visitor.refusal(orders["query"].as_str().unwrap()).await, "INVALID_QUERY");

    let _held = Events::ask(&visitor, &watching("")).await;
    let post = visitor.client.post(format!("{}/graphql", visitor.url)).json(&watching(""));
    let turned_away = post.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(turned_away.status(), 503);
}
