//! Who may see what: every field of the schema, asked by everybody. A field that is in no table here
//! fails the test.

use std::collections::BTreeSet;

use serde_json::Value;
use web::testing::bad_credentials;

use crate::support::{Shop, Visitor, open_session, somebody};

/// Who sees something of a shop in which one person sells and another one buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Everybody,
    /// Whoever is signed in, of themselves.
    SignedIn,
    Seller,
    Buyer,
    /// There is nothing to see in this shop.
    Nobody,
}

use Who::{Buyer, Everybody, Nobody, Seller, SignedIn};

/// How to come to the fields of a type; `$…` are put in.
struct Way {
    kind: &'static str,
    ask: &'static str,
    /// Where in the answer they are.
    at: &'static str,
    /// Names, with what is asked of them, and who sees them.
    fields: &'static [(Who, &'static str)],
}

const WAYS: &[Way] = &[
    Way {
        kind: "Query",
        ask: "{ $fields }",
        at: "",
        fields: &[
            (Everybody, "tickets { nodes { id } }"),
            (Everybody, "ticket(id: \"$ticket\") { id }"),
            (Everybody, "consistency { stale }"),
            (Everybody, "node(id: \"$ticket\") { id }"),
            (Buyer, "node(id: \"$order\") { id }"),
            (Buyer, "node(id: \"$buyer\") { id }"),
            (Buyer, "orders { nodes { id } }"),
            (Buyer, "order(id: \"$order\") { id }"),
            (Buyer, "order(id: \"$order\", asOf: \"$now\") { id }"),
            (SignedIn, "me { id }"),
            (Seller, "cause(id: \"$reserved\") { request }"),
            (Buyer, "cause(id: \"$placed\") { request }"),
        ],
    },
    Way {
        kind: "Ticket",
        ask: "{ ticket(id: \"$ticket\") { $fields } }",
        at: "/ticket",
        fields: &[
            (Everybody, "id"),
            (Everybody, "title"),
            (Everybody, "price { minor }"),
            (Everybody, "quantity"),
            (Everybody, "reserved"),
            (Everybody, "sold"),
            (Everybody, "available"),
            (Everybody, "maxPerOrder"),
            (Everybody, "seller"),
            (Everybody, "orderId"),
            (Everybody, "withdrawn"),
            (Everybody, "version"),
            (Everybody, "listedAt"),
            (Buyer, "myOrders { id }"),
            (Seller, "history { nodes { id } }"),
        ],
    },
    Way {
        kind: "Order",
        ask: "{ order(id: \"$order\") { $fields } }",
        at: "/order",
        fields: &[
            (Buyer, "id"),
            (Buyer, "status"),
            (Buyer, "ticketId"),
            (Buyer, "ticket { id }"),
            (Buyer, "buyer"),
            (Buyer, "title"),
            (Buyer, "quantity"),
            (Buyer, "unitPrice { minor }"),
            (Buyer, "total { minor }"),
            (Buyer, "paymentId"),
            (Buyer, "expiresAt"),
            (Buyer, "version"),
            (Buyer, "placedAt"),
            (Buyer, "history { nodes { id } }"),
        ],
    },
    Way {
        kind: "Me",
        ask: "{ me { $fields } }",
        at: "/me",
        fields: &[
            (SignedIn, "id"),
            (SignedIn, "email"),
            // The people of this shop have no account in the log.
            (Nobody, "registeredAt"),
            (SignedIn, "openSessions"),
            (Seller, "sales { units }"),
            (Seller, "disputes { id }"),
        ],
    },
    Way {
        kind: "Sales",
        ask: "{ me { sales { $fields } } }",
        at: "/me/sales/0",
        fields: &[
            (Seller, "day"),
            (Seller, "units"),
            (Seller, "gross { minor }"),
            (Seller, "refunded { minor }"),
        ],
    },
    Way {
        kind: "Dispute",
        ask: "{ me { disputes { $fields } } }",
        at: "/me/disputes/0",
        fields: &[
            (Seller, "id"),
            (Seller, "orderId"),
            (Seller, "ticketId"),
            (Seller, "amount { minor }"),
            (Seller, "reason"),
            (Seller, "status"),
            (Seller, "openedAt"),
            (Nobody, "decidedAt"),
        ],
    },
    Way {
        kind: "HistoryEntry",
        ask: "{ ticket(id: \"$ticket\") { history { nodes { $fields } } } }",
        at: "/ticket/history/nodes/1",
        fields: &[
            (Seller, "id"),
            (Seller, "version"),
            (Seller, "position"),
            (Seller, "event"),
            (Seller, "what"),
            (Nobody, "why"),
            (Seller, "by { kind }"),
            (Seller, "at"),
            (Seller, "command"),
            (Seller, "causedBy"),
        ],
    },
    Way {
        kind: "Actor",
        ask: "{ order(id: \"$order\") { history { nodes { by { $fields } } } } }",
        at: "/order/history/nodes/0/by",
        fields: &[(Buyer, "kind"), (Buyer, "process")],
    },
    Way {
        kind: "Cause",
        ask: "{ cause(id: \"$reserved\") { $fields } }",
        at: "/cause",
        fields: &[(Seller, "request"), (Seller, "leadsTo { id }"), (Seller, "events { id }")],
    },
    Way {
        kind: "CausedEvent",
        ask: "{ cause(id: \"$reserved\") { events { $fields } } }",
        at: "/cause/events/0",
        fields: &[
            (Seller, "id"),
            (Seller, "event"),
            (Seller, "thing"),
            (Seller, "thingId"),
            (Seller, "by { kind }"),
            (Seller, "at"),
            (Seller, "position"),
            (Seller, "command"),
            (Seller, "causedBy"),
            (Seller, "leadsTo { id }"),
        ],
    },
];

/// Values, and what only leads from one thing to another: as visible as where they stand.
const CARRIERS: &[(&str, &[&str])] = &[
    ("Money", &["amount", "minor", "currency"]),
    ("Consistency", &["position", "lag", "stale"]),
    ("PageInfo", &["hasPreviousPage", "hasNextPage", "startCursor", "endCursor"]),
    ("TicketConnection", &["pageInfo", "edges", "nodes"]),
    ("TicketEdge", &["node", "cursor"]),
    ("OrderConnection", &["pageInfo", "edges", "nodes"]),
    ("OrderEdge", &["node", "cursor"]),
    ("HistoryEntryConnection", &["pageInfo", "edges", "nodes"]),
    ("HistoryEntryEdge", &["node", "cursor"]),
    ("TicketChange", &["position", "ticket"]),
    ("OrderChange", &["position", "order"]),
    ("Node", &["id"]),
    // Who may subscribe to what: tests/it/live.rs.
    ("Subscription", &["ticketChanged", "orderChanged"]),
];

fn name(field: &str) -> &str {
    field.split([' ', '(']).next().unwrap()
}

#[tokio::test]
async fn every_field_is_seen_by_whom_it_concerns_and_by_nobody_else() {
    let shop = Shop::open().await;
    let (seller, buyer) = (open_session(somebody()), open_session(somebody()));
    let ticket = shop.list(seller.account, "Concert", 1).await.ticket;
    let order = shop.order(buyer.account, ticket).await;
    shop.pay(order, buyer.account, ticket).await;
    shop.dispute(order, buyer.account, "du_1", None).await;
    // Something on sale.
    shop.list(seller.account, "Another", 1).await;
    shop.caught_up().await;
    let event = async |account, query: String, at: &str| {
        let data = shop.site.visitor(account).data(&query).await;
        data.pointer(at).unwrap().as_str().unwrap().to_owned()
    };
    let of_ticket = format!("{{ ticket(id: \"{ticket}\") {{ history {{ nodes {{ id }} }} }} }}");
    let of_order = format!("{{ order(id: \"{order}\") {{ history {{ nodes {{ id }} }} }} }}");
    let words = [
        ("$ticket", ticket.to_string()),
        ("$order", order.to_string()),
        ("$buyer", buyer.account.to_string()),
        ("$now", shop.log.head().await.unwrap().unwrap().to_string()),
        ("$reserved", event(seller.account, of_ticket, "/ticket/history/nodes/1/id").await),
        ("$placed", event(buyer.account, of_order, "/order/history/nodes/0/id").await),
    ];
    let filled = |text: &str| {
        words.iter().fold(text.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
    };

    everything_is_known(&shop.site.visitor(somebody())).await;
    let mut visitors = vec![
        ("anonymous".to_owned(), shop.site.nobody(), vec![Everybody]),
        ("other".to_owned(), shop.site.visitor(somebody()), vec![Everybody, SignedIn]),
        ("seller".to_owned(), shop.site.with_session(&seller), vec![Everybody, SignedIn, Seller]),
        ("buyer".to_owned(), shop.site.with_session(&buyer), vec![Everybody, SignedIn, Buyer]),
    ];
    for session in [seller, buyer] {
        for bad in bad_credentials(&shop.site.web, session.account, session.session) {
            let visitor = shop.site.with_header(bad.header, &bad.value);
            visitors.push((bad.name.to_owned(), visitor, vec![Everybody]));
        }
        let closed = open_session(session.account);
        shop.site.sessions.close(closed.session);
        visitors.push(("closed".to_owned(), shop.site.with_session(&closed), vec![Everybody]));
    }
    for (who, visitor, may) in visitors {
        for way in WAYS {
            // One by one, as an error in one hides the others.
            let queries: Vec<Value> = way
                .fields
                .iter()
                .map(|(_, field)| {
                    let query = filled(&way.ask.replace("$fields", field));
                    serde_json::json!({"query": query})
                })
                .collect();
            let mut answers: Vec<Value> = Vec::new();
            for batch in queries.chunks(10) {
                let batch = serde_json::json!(batch);
                answers.extend(visitor.post(&batch).await.json::<Vec<Value>>().await.unwrap());
            }
            for ((whom, field), answer) in way.fields.iter().zip(answers) {
                let at = format!("/data{}/{}", way.at, name(field));
                let seen = answer.pointer(&at).is_some_and(is_something);
                let kind = way.kind;
                assert_eq!(seen, may.contains(whom), "{who}: {kind}.{field}: {answer}");
            }
        }
    }
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => members.get("nodes").is_none_or(is_something),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// That the tables name each type and each field of the schema.
async fn everything_is_known(visitor: &Visitor) {
    let query = "{ __schema { types { name kind fields { name } } } }";
    let schema = visitor.data(query).await;
    let mut served = BTreeSet::new();
    for kind in schema["__schema"]["types"].as_array().unwrap() {
        let type_name = kind["name"].as_str().unwrap();
        let fields = kind["fields"].as_array().into_iter().flatten();
        if !type_name.starts_with("__") {
            served.extend(fields.map(|it| format!("{type_name}.{}", it["name"].as_str().unwrap())));
        }
    }
    let ways = WAYS.iter().flat_map(|way| {
        way.fields.iter().map(|(_, field)| format!("{}.{}", way.kind, name(field)))
    });
    let carriers = CARRIERS
        .iter()
        .flat_map(|(kind, fields)| fields.iter().map(move |field| format!("{kind}.{field}")));
    let known: BTreeSet<String> = ways.chain(carriers).collect();
    assert_eq!(served, known, "say in this test who may see a field");
}
