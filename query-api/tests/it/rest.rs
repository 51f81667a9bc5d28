use domain::id::TicketId;
use domain::payment::DisputeOutcome;
use domain::ticket::TicketCommand;
use serde_json::{Value, json};

use crate::support::{Shop, ids, somebody};

#[tokio::test]
async fn the_list_pages_through_everything_on_sale_newest_first() {
    let shop = Shop::open().await;
    let seller = somebody();
    let mut listed = Vec::new();
    for number in 0..45 {
        listed.push(shop.list(seller, &format!("Concert {number}"), 1).await.ticket);
    }
    // Neither sold out nor withdrawn tickets are on sale.
    shop.order(somebody(), listed[7]).await;
    let withdraw = TicketCommand::Withdraw { by: seller, reason: "rain".to_owned() };
    shop.change(listed[8], withdraw).await;
    shop.caught_up().await;
    let on_sale = |ticket: &&TicketId| ![listed[7], listed[8]].contains(ticket);
    let expected: Vec<String> =
        listed.iter().rev().filter(on_sale).map(TicketId::to_string).collect();

    let visitor = shop.site.nobody();
    assert_eq!(ids(&visitor.get_all("/api/tickets").await), expected);
    assert_eq!(ids(&visitor.get_all("/api/tickets?limit=7").await), expected);
    assert_eq!(ids(&visitor.get_all("/api/tickets?limit=43").await), expected);
    let first = visitor.get_json("/api/tickets").await;
    assert_eq!(first.as_array().unwrap().len(), 20);

    // What is listed meanwhile moves nothing to another page.
    let page = visitor.get("/api/tickets?limit=10").await;
    let next = page.headers()["link"].to_str().unwrap().to_owned();
    let next = next.split_once('>').unwrap().0.trim_start_matches('<').to_owned();
    shop.list(seller, "Just now", 1).await;
    shop.caught_up().await;
    let second = visitor.get_json(&next).await;
    assert_eq!(ids(second.as_array().unwrap()), expected[10..20]);
}

#[tokio::test]
async fn a_ticket_is_shown_as_it_is_also_when_it_is_sold_out() {
    let shop = Shop::open().await;
    let (seller, buyer) = (somebody(), somebody());
    let ticket = shop.list(seller, "Concert", 1).await.ticket;
    let order = shop.order(buyer, ticket).await;
    shop.caught_up().await;

    let visitor = shop.site.nobody();
    let response = visitor.get(&format!("/api/tickets/{ticket}")).await;
    assert_eq!(response.headers()["etag"], "\"1\"");
    let shown: Value = response.json().await.unwrap();
    let expected = json!({
        "id": ticket, "title": "Concert", "price": 19.99, "currency": "usd", "quantity": 1,
        "available": 0, "userId": seller, "version": 1, "orderId": order,
    });
    assert_eq!(shown, expected);
    for nothing in [somebody().to_string(), "nonsense".to_owned()] {
        let response = visitor.get(&format!("/api/tickets/{nothing}")).await;
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn what_no_page_can_be_is_refused_by_name() {
    let shop = Shop::open().await;
    let visitor = shop.site.visitor(somebody());
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("after=nonsense", "after"),
        ("after=18446744073709551615-1", "after"),
    ] {
        for list in ["tickets", "orders"] {
            let response = visitor.get(&format!("/api/{list}?{query}")).await;
            assert_eq!(response.status(), 400, "{query}");
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["errors"][0]["field"], field, "{query}");
        }
    }
    assert_eq!(visitor.get("/api/tickets?limit=1&limit=2").await.status(), 400);
    assert_eq!(visitor.get_json("/api/tickets?limit=&after=&colour=red").await, json!([]));
}

#[tokio::test]
async fn nobody_sees_the_orders_of_others() {
    let shop = Shop::open().await;
    let (buyer, other) = (somebody(), somebody());
    let ticket = shop.list(somebody(), "Concert", 10).await.ticket;
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(shop.order(buyer, ticket).await);
        shop.order(other, ticket).await;
    }
    shop.caught_up().await;

    let visitor = shop.site.visitor(buyer);
    let expected: Vec<String> = own.iter().rev().map(ToString::to_string).collect();
    assert_eq!(ids(&visitor.get_all("/api/orders?limit=2").await), expected);
    let one = format!("/api/orders/{}", own[0]);
    let response = visitor.get(&one).await;
    assert_eq!(response.headers()["etag"], "\"0\"");
    let order: Value = response.json().await.unwrap();
    assert_eq!(order["status"], "created");
    let agreed = json!({"id": ticket, "title": "As it was", "price": 19.99, "currency": "usd"});
    assert_eq!(order["ticket"], agreed);

    assert_eq!(shop.site.visitor(other).get(&one).await.status(), 404);
    assert_eq!(shop.site.nobody().get(&one).await.status(), 401);
    assert_eq!(shop.site.nobody().get("/api/orders").await.status(), 401);
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let shop = Shop::open().await;
    let (seller, buyer) = (somebody(), somebody());
    let ticket = shop.list(seller, "Concert", 5).await.ticket;
    let order = shop.order(buyer, ticket).await;
    shop.caught_up().await;
    let visitor = shop.site.visitor(buyer);
    let again = async |path: &str, tag: &str| {
        let request = visitor.client.get(format!("{}{path}", visitor.url));
        request.header("if-none-match", tag).send().await.unwrap()
    };
    let mut tags = Vec::new();
    for (path, whose) in [
        ("/api/tickets".to_owned(), "public"),
        (format!("/api/tickets/{ticket}"), "public"),
        ("/api/orders".to_owned(), "private"),
        (format!("/api/orders/{order}"), "private"),
    ] {
        let first = visitor.get(&path).await;
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(first.headers()["cache-control"], format!("{whose}, no-cache"));
        let known = again(&path, &format!("\"other\", {tag}")).await;
        assert_eq!(known.status(), 304, "{path}");
        assert_eq!(known.headers()["etag"].to_str().unwrap(), tag);
        assert!(known.headers().contains_key("ticketing-position"));
        assert_eq!(known.text().await.unwrap(), "");
        assert_eq!(again(&path, "\"other\"").await.status(), 200);
        tags.push((path, tag));
    }
    shop.order(buyer, ticket).await;
    shop.caught_up().await;
    for (path, tag) in &tags[..3] {
        assert_eq!(again(path, tag).await.status(), 200, "{path} has changed");
    }
}

#[tokio::test]
async fn a_seller_sees_what_is_contested_of_his_tickets_newest_first() {
    let shop = Shop::open().await;
    let (seller, buyer) = (somebody(), somebody());
    let ticket = shop.list(seller, "Concert", 3).await.ticket;
    let decisions = [None, Some(DisputeOutcome::Won), Some(DisputeOutcome::Lost)];
    let mut orders = Vec::new();
    for (number, outcome) in decisions.into_iter().enumerate() {
        let order = shop.order(buyer, ticket).await;
        shop.dispute(order, buyer, &format!("du_{number}"), outcome).await;
        orders.push(order);
    }
    shop.caught_up().await;
    let visitor = shop.site.visitor(seller);
    let seen = visitor.get_all("/api/disputes?limit=2").await;
    assert_eq!(ids(&seen), ["du_2", "du_1", "du_0"]);
    let status: Vec<_> = seen.iter().map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["lost", "won", "open"]);
    let mut open = seen[2].clone();
    let opened_at = open.as_object_mut().unwrap().remove("openedAt").unwrap();
    assert!(opened_at.is_string() && seen[0]["decidedAt"].is_string(), "{seen:?}");
    let expected = json!({
        "id": "du_0", "orderId": orders[0], "ticketId": ticket, "amount": 19.99, "currency": "usd",
        "reason": "fraudulent", "status": "open",
    });
    assert_eq!(open, expected);
    let by_graphql = visitor.data("{ me { disputes { id orderId status } } }").await;
    let expected = json!({ "id": "du_2", "orderId": orders[2], "status": "LOST" });
    assert_eq!(by_graphql["me"]["disputes"][0], expected);
    // Neither the buyer nor anybody else.
    for other in [buyer, somebody()] {
        assert!(shop.site.visitor(other).get_all("/api/disputes").await.is_empty());
    }
    assert_eq!(shop.site.nobody().get("/api/disputes").await.status(), 401);
}
