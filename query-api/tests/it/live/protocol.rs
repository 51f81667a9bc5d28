//! What the protocol demands.

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::Request;

use super::socket::{Heard, Socket};
use super::{limited, watching};
use crate::support::{Shop, somebody};

#[tokio::test]
async fn what_is_against_the_protocol_ends_it_with_the_code_that_says_so() {
    let settings = limited(|limits| limits.init_within = Duration::from_millis(300));
    let shop = Shop::open_with(settings).await;
    let visitor = shop.site.nobody();
    let init = json!({"type": "connection_init"});

    let mut silent = Socket::open(&visitor).await;
    assert_eq!(silent.until_closed().await, 4408);
    let mut other = Socket::request(&visitor);
    other.headers_mut().remove("sec-websocket-protocol");
    assert_eq!(Socket::with(other).await.until_closed().await, 4406);
    let mut hasty = Socket::open(&visitor).await;
    hasty.subscribe("a", &watching("")).await;
    assert_eq!(hasty.until_closed().await, 4401);
    let mut twice = Socket::greeted(&visitor).await;
    twice.say(&init).await;
    assert_eq!(twice.until_closed().await, 4429);
    let mut again = Socket::greeted(&visitor).await;
    again.subscribe("a", &watching("")).await;
    again.subscribe("a", &watching("")).await;
    assert_eq!(again.until_closed().await, 4409);
    for nonsense in [json!({"type": "buy"}), json!(7), json!({"type": "subscribe", "id": "a"})] {
        let mut socket = Socket::greeted(&visitor).await;
        socket.say(&nonsense).await;
        assert_eq!(socket.until_closed().await, 4400, "{nonsense}");
    }
    let mut forged = Socket::open(&shop.site.visitor(somebody())).await;
    let payload = json!({"authorization": "Bearer a.b.c"});
    forged.say(&json!({"type": "connection_init", "payload": payload})).await;
    assert_eq!(forged.until_closed().await, 4403);
}

#[tokio::test]
async fn queries_and_refusals_travel_the_same_way() {
    let shop = Shop::open_with(limited(|limits| limits.per_connection_max = 2)).await;
    let mut socket = Socket::greeted(&shop.site.visitor(somebody())).await;
    socket.subscribe("q", &json!({"query": "{ me { __typename } }"})).await;
    assert_eq!(socket.next("q").await, json!({"me": {"__typename": "Me"}}));
    assert_eq!(socket.heard("q").await, Heard::Complete);

    let deep = format!("{}{}", "{ a ".repeat(100), "}".repeat(100));
    for (query, code) in [
        ("subscription { colour }", "INVALID_QUERY"),
        (deep.as_str(), "QUERY_TOO_LARGE"),
        ("subscription { ticketChanged(ids: [\"x\"]) { position } }", "BAD_INPUT"),
    ] {
        socket.subscribe("bad", &json!({"query": query})).await;
        let Heard::Error(errors) = socket.heard("bad").await else { panic!("{query}") };
        assert_eq!(errors[0]["extensions"]["code"], code, "{query}");
    }
    for id in ["a", "b"] {
        socket.subscribe(id, &watching("")).await;
    }
    socket.subscribe("c", &watching("")).await;
    let Heard::Error(errors) = socket.heard("c").await else { panic!("one too many") };
    assert_eq!(errors[0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
}

#[tokio::test]
async fn other_sites_and_more_clients_than_there_is_room_for_are_turned_away() {
    let shop = Shop::open_with(limited(|limits| limits.connections_max = 1)).await;
    let visitor = shop.site.visitor(somebody());
    let mut foreign = Socket::request(&visitor);
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(status(foreign).await, 403);
    let _first = Socket::greeted(&visitor).await;
    assert_eq!(status(Socket::request(&visitor)).await, 503);
}

async fn status(request: Request) -> u16 {
    match connect_async(request).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}
