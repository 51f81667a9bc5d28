//! Subscriptions: what changes arrives, to whom it concerns, and nothing is missed.

mod events;
mod outage;
mod protocol;
mod socket;

use std::time::Duration;

use query_api::{Settings, SubscriptionLimits};
use serde_json::{Value, json};

use self::socket::{Heard, Socket};
use crate::support::{Shop, somebody};

const AVAILABLE: &str = "position ticket { id available version }";

fn limited(change: impl FnOnce(&mut SubscriptionLimits)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings.subscriptions);
    settings
}

fn watching(arguments: &str) -> Value {
    json!({"query": format!("subscription {{ ticketChanged{arguments} {{ {AVAILABLE} }} }}")})
}

#[tokio::test]
async fn what_changes_arrives_and_what_was_missed_is_made_up_for() {
    let shop = Shop::open().await;
    let ticket = shop.list(somebody(), "Concert", 10).await.ticket;
    let other = shop.list(somebody(), "Another", 10).await.ticket;
    shop.caught_up().await;
    let only = format!("(ids: [\"{ticket}\"])");
    let mut socket = Socket::greeted(&shop.site.nobody()).await;
    socket.subscribe("a", &watching(&only)).await;
    // Until it has answered to this, it may not have begun to watch.
    socket.ping().await;

    shop.order(somebody(), other).await;
    shop.order(somebody(), ticket).await;
    let change = socket.next("a").await["ticketChanged"].clone();
    assert_eq!(change["ticket"], json!({"id": ticket, "available": 9, "version": 1}));
    let position = change["position"].as_str().unwrap().to_owned();
    socket.say(&json!({"type": "complete", "id": "a"})).await;
    socket.ping().await;
    drop(socket);

    // Meanwhile things go on; somebody who comes back sees how they are now.
    shop.order(somebody(), ticket).await;
    shop.order(somebody(), ticket).await;
    shop.caught_up().await;
    let since = format!("(ids: [\"{ticket}\"], after: \"{position}\")");
    let mut socket = Socket::greeted(&shop.site.nobody()).await;
    socket.subscribe("b", &watching(&since)).await;
    let change = socket.next("b").await["ticketChanged"].clone();
    assert_eq!(change["ticket"]["available"], 7);
    shop.order(somebody(), ticket).await;
    assert_eq!(socket.next("b").await["ticketChanged"]["ticket"]["available"], 6);
    // A position of another log, as after a start anew: all there is lies before it.
    let far = format!("(ids: [\"{ticket}\"], after: \"{0}-{0}\")", u64::MAX / 4);
    socket.subscribe("c", &watching(&far)).await;
    socket.ping().await;
    shop.order(somebody(), ticket).await;
    let mut both = [socket.next_of_any().await, socket.next_of_any().await];
    both.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(both[0].0, "b");
    assert_eq!(both[1].0, "c");
}

#[tokio::test]
async fn people_hear_of_their_own_orders_only() {
    let shop = Shop::open().await;
    let (buyer, other) = (somebody(), somebody());
    let ticket = shop.list(somebody(), "Concert", 10).await.ticket;
    shop.caught_up().await;
    let query = "subscription { orderChanged { position order { id status ticket { title } } } }";
    let subscription = json!({"query": query});

    let mut anonymous = Socket::greeted(&shop.site.nobody()).await;
    anonymous.subscribe("a", &subscription).await;
    let Heard::Error(errors) = anonymous.heard("a").await else { panic!("nobody is signed in") };
    assert_eq!(errors[0]["extensions"]["code"], "UNAUTHENTICATED");

    // By cookie, and by a token in the first message, which takes the cookie's place.
    let mut by_cookie = Socket::greeted(&shop.site.visitor(buyer)).await;
    let session = crate::support::open_session(buyer);
    let token = shop.site.web.access_token(&session, chrono::Utc::now()).unwrap();
    let payload = json!({"authorization": format!("Bearer {token}")});
    let mut by_token = Socket::open(&shop.site.visitor(other)).await;
    by_token.say(&json!({"type": "connection_init", "payload": payload})).await;
    assert_eq!(by_token.said().await["type"], "connection_ack");
    for socket in [&mut by_cookie, &mut by_token] {
        socket.subscribe("mine", &subscription).await;
        socket.ping().await;
    }
    shop.order(other, ticket).await;
    let order = shop.order(buyer, ticket).await;
    for socket in [&mut by_cookie, &mut by_token] {
        let change = socket.next("mine").await["orderChanged"].clone();
        assert_eq!(change["order"]["id"], order.to_string());
        assert_eq!(change["order"]["ticket"]["title"], "Concert");
    }
    shop.pay(order, buyer, ticket).await;
    let last = async {
        loop {
            let change = by_cookie.next("mine").await["orderChanged"]["order"].clone();
            if change["status"] == "COMPLETE" {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), last).await.unwrap();
}

#[tokio::test]
async fn one_who_does_not_listen_is_dropped_and_holds_up_nobody() {
    let settings = limited(|limits| limits.taken_within = Duration::from_millis(300));
    let shop = Shop::open_with(settings).await;
    let title = "A concert with a title that is as long as titles may be ".repeat(3);
    let ticket = shop.list(somebody(), title.trim(), 1_000).await.ticket;
    shop.caught_up().await;
    let fields: String = (0..50).map(|number| format!("t{number}: title ")).collect();
    let query = format!("subscription {{ ticketChanged {{ ticket {{ version {fields} }} }} }}");
    let mut deaf = Socket::greeted_and_narrow(&shop.site.nobody()).await;
    for number in 0..20 {
        deaf.subscribe(&number.to_string(), &json!({"query": query})).await;
    }
    deaf.ping().await;
    let mut good = Socket::greeted(&shop.site.nobody()).await;
    good.subscribe("a", &watching("")).await;
    good.ping().await;
    // Far more than the system holds for one who reads nothing.
    for version in 1..=50 {
        shop.order(somebody(), ticket).await;
        good.until(|data| data["ticketChanged"]["ticket"]["version"].as_u64() >= Some(version))
            .await;
    }
    assert_eq!(deaf.until_closed().await, 1013);
}

#[tokio::test]
async fn who_is_signed_out_hears_no_more() {
    let settings = limited(|limits| limits.check_every = Duration::from_millis(100));
    let shop = Shop::open_with(settings).await;
    let session = crate::support::open_session(somebody());
    let mut socket = Socket::greeted(&shop.site.with_session(&session)).await;
    let subscription = json!({"query": "subscription { orderChanged { position } }"});
    socket.subscribe("a", &subscription).await;
    socket.ping().await;
    shop.site.sessions.close(session.session);
    assert_eq!(socket.until_closed().await, 4403);
}

#[tokio::test]
async fn at_the_end_everybody_is_told() {
    let shop = Shop::open().await;
    let mut socket = Socket::greeted(&shop.site.nobody()).await;
    socket.subscribe("a", &watching("")).await;
    socket.ping().await;
    shop.site.shutdown.cancel();
    assert_eq!(socket.until_closed().await, 1001);
}
