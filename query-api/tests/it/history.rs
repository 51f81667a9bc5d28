//! What only the log can tell, and to whom.

use domain::ticket::TicketCommand;
use serde_json::{Value, json};

use crate::support::{Shop, by, somebody, usd};

#[tokio::test]
async fn a_seller_sees_what_happened_to_a_ticket_and_not_who_bought_it() {
    let shop = Shop::open().await;
    let (seller, buyer) = (somebody(), somebody());
    let ticket = shop.list(seller, "Concert", 5).await.ticket;
    let title = domain::text::Title::parse("Better concert").unwrap();
    let edit = TicketCommand::Edit { by: seller, title, price: usd(2_500) };
    shop.execute::<domain::Ticket>(ticket, edit, &by(seller)).await;
    let order = shop.order(buyer, ticket).await;
    shop.pay(order, buyer, ticket).await;
    let withdraw = TicketCommand::Withdraw { by: seller, reason: "It rains".to_owned() };
    shop.execute::<domain::Ticket>(ticket, withdraw, &by(seller)).await;
    shop.caught_up().await;

    let fields = "nodes { version event what why by { kind process } at position }
        pageInfo { hasNextPage hasPreviousPage endCursor }";
    let query = |arguments: &str| {
        format!("{{ ticket(id: \"{ticket}\") {{ history({arguments}) {{ {fields} }} }} }}")
    };
    let visitor = shop.site.visitor(seller);
    let all = visitor.data(&query("first: 10")).await["ticket"]["history"].clone();
    let events: Vec<&str> =
        all["nodes"].as_array().unwrap().iter().map(|it| it["event"].as_str().unwrap()).collect();
    let expected =
        ["TicketListed", "TicketEdited", "TicketReserved", "TicketSold", "TicketWithdrawn"];
    assert_eq!(events, expected);
    assert_eq!(all["nodes"][0]["what"], "Listed “Concert” at 19.99 usd, 5 units");
    assert_eq!(all["nodes"][0]["by"]["kind"], "YOU");
    assert_eq!(all["nodes"][2]["by"]["kind"], "SOMEBODY_ELSE");
    assert_eq!(all["nodes"][4]["why"], "It rains");
    assert!(!all.to_string().contains(&buyer.to_string()));

    // In pages, from both ends.
    let page = visitor.data(&query("first: 2")).await["ticket"]["history"].clone();
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let after = format!("first: 2, after: {}", page["pageInfo"]["endCursor"]);
    let page = visitor.data(&query(&after)).await["ticket"]["history"].clone();
    assert_eq!(page["nodes"][0]["event"], "TicketReserved");
    let page = visitor.data(&query("last: 2")).await["ticket"]["history"].clone();
    assert_eq!(page["nodes"][1]["event"], "TicketWithdrawn");
    assert_eq!(page["pageInfo"]["hasPreviousPage"], true);
    let page = visitor.data(&query("last: 5, before: \"1\"")).await["ticket"]["history"].clone();
    assert_eq!(page["nodes"].as_array().unwrap().len(), 1);

    // Nobody else sees any of it.
    for other in [shop.site.visitor(buyer), shop.site.nobody()] {
        assert_eq!(other.data(&query("first: 10")).await["ticket"]["history"], Value::Null);
    }
    let query = format!("{{ order(id: \"{order}\") {{ history {{ nodes {{ event what }} }} }} }}");
    let own = shop.site.visitor(buyer).data(&query).await["order"]["history"]["nodes"].clone();
    assert_eq!(own[0]["event"], "OrderPlaced");
    assert_eq!(own[2]["what"], "Paid");
    assert_eq!(visitor.data(&query).await["order"], Value::Null);
}

#[tokio::test]
async fn tickets_and_orders_are_shown_as_they_once_were() {
    let shop = Shop::open().await;
    let (seller, buyer) = (somebody(), somebody());
    let listed = shop.list(seller, "Concert", 5).await;
    let ticket = listed.ticket;
    let before = chrono::Utc::now();
    let title = domain::text::Title::parse("Better concert").unwrap();
    shop.change(ticket, TicketCommand::Edit { by: seller, title, price: usd(2_500) }).await;
    let order = shop.order(buyer, ticket).await;
    let ordered = shop.log.head().await.unwrap().unwrap();
    shop.pay(order, buyer, ticket).await;
    shop.caught_up().await;

    let visitor = shop.site.visitor(buyer);
    let fields = "title price { amount } available reserved sold version";
    let ticket_at = async |as_of: &str| {
        let query = format!("{{ ticket(id: \"{ticket}\", asOf: \"{as_of}\") {{ {fields} }} }}");
        visitor.data(&query).await["ticket"].clone()
    };
    let shown = |title: &str, amount: &str, units: [u32; 3], version: u32| {
        let [available, reserved, sold] = units;
        json!({"title": title, "price": {"amount": amount}, "available": available,
            "reserved": reserved, "sold": sold, "version": version})
    };
    let first = shown("Concert", "19.99", [5, 0, 0], 0);
    assert_eq!(ticket_at(&listed.position.to_string()).await, first);
    assert_eq!(ticket_at(&before.to_rfc3339()).await, first);
    assert_eq!(
        ticket_at(&ordered.to_string()).await,
        shown("Better concert", "25.00", [4, 1, 0], 2)
    );
    let now = shown("Better concert", "25.00", [4, 0, 1], 3);
    assert_eq!(ticket_at(&chrono::Utc::now().to_rfc3339()).await, now);
    let query = format!("{{ ticket(id: \"{ticket}\") {{ {fields} }} }}");
    assert_eq!(visitor.data(&query).await["ticket"], now, "the fold is the row");
    assert_eq!(ticket_at("1970-01-01T00:00:00Z").await, Value::Null);
    let bad = format!("{{ ticket(id: \"{ticket}\", asOf: \"yesterday\") {{ id }} }}");
    assert_eq!(visitor.refusal(&bad).await, "BAD_INPUT");

    let query = format!(
        "{{ then: order(id: \"{order}\", asOf: \"{ordered}\") {{ status version paymentId }}
            now: order(id: \"{order}\") {{ status version }} }}"
    );
    let own = visitor.data(&query).await;
    assert_eq!(own["then"], json!({"status": "CREATED", "version": 0, "paymentId": null}));
    assert_eq!(own["now"]["status"], "COMPLETE");
    let others = shop.site.visitor(seller).data(&query).await;
    assert_eq!(others, json!({"then": null, "now": null}));
}

#[tokio::test]
async fn the_chain_from_a_request_to_everything_that_came_of_it_is_shown_to_whom_it_concerns() {
    let shop = Shop::open().await;
    let (seller, buyer) = (somebody(), somebody());
    let ticket = shop.list(seller, "Concert", 5).await.ticket;
    let order = shop.order(buyer, ticket).await;
    shop.caught_up().await;
    let history =
        format!("{{ ticket(id: \"{ticket}\") {{ history(last: 1) {{ nodes {{ id }} }} }} }}");
    let sellers = shop.site.visitor(seller);
    let reserved = sellers.data(&history).await["ticket"]["history"]["nodes"][0]["id"].clone();

    let query = format!(
        "{{ cause(id: {reserved}) {{ leadsTo {{ id event thing thingId by {{ kind process }}
            leadsTo {{ id event thing thingId by {{ kind process }} }} }} events {{ id }} }} }}"
    );
    let cause = sellers.data(&query).await["cause"].clone();
    assert_eq!(cause["events"].as_array().unwrap().len(), 2);
    let first = &cause["leadsTo"][0];
    assert_eq!((&first["event"], &first["id"]), (&json!("TicketReserved"), &reserved));
    assert_eq!(first["thingId"], ticket.to_string());
    assert_eq!(first["by"]["kind"], "SOMEBODY_ELSE");
    let second = &first["leadsTo"][0];
    assert_eq!(second["event"], "OrderPlaced");
    assert_eq!(second["thingId"], Value::Null, "the order is the buyer's");
    assert_eq!(second["by"], json!({"kind": "PROCESS", "process": "order-placement"}));
    assert!(!cause.to_string().contains(&buyer.to_string()));

    // The buyer cannot ask by the ticket's event, but by the order's.
    let buyers = shop.site.visitor(buyer);
    assert_eq!(buyers.data(&query).await["cause"], Value::Null);
    let placed = &second["id"];
    let query = format!("{{ cause(id: {placed}) {{ events {{ event thingId by {{ kind }} }} }} }}");
    let events = buyers.data(&query).await["cause"]["events"].clone();
    assert_eq!(
        events[0],
        json!({"event": "TicketReserved", "thingId": null, "by": {"kind": "YOU"}})
    );
    assert_eq!(events[1]["thingId"], order.to_string());
    assert_eq!(sellers.data(&query).await["cause"], Value::Null);
    assert_eq!(shop.site.nobody().refusal(&query).await, "UNAUTHENTICATED");
}
