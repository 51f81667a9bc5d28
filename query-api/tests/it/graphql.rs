use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Shop, ids, somebody};

#[tokio::test]
async fn tickets_come_in_pages_with_exact_money() {
    let shop = Shop::open().await;
    let seller = somebody();
    let mut expected = Vec::new();
    for number in 0..25 {
        let listed = shop.list(seller, &format!("Concert {number}"), 3).await;
        expected.insert(0, listed.ticket.to_string());
    }
    shop.caught_up().await;

    let visitor = shop.site.nobody();
    let query = "query($after: String) { tickets(first: 10, after: $after) {
        nodes { id title price { amount minor currency } quantity available version }
        pageInfo { hasNextPage endCursor } } }";
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let response = visitor.ask_raw(query, json!({"after": after})).await;
        let mut answer: Value = response.json().await.unwrap();
        let mut page = answer["data"]["tickets"].take();
        found.extend(page["nodes"].as_array().unwrap().iter().cloned());
        after = page["pageInfo"]["endCursor"].take();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(ids(&found), expected);
    let newest = json!({
        "id": expected[0], "title": "Concert 24", "quantity": 3, "available": 3, "version": 0,
        "price": {"amount": "19.99", "minor": 1999, "currency": "usd"},
    });
    assert_eq!(found[0], newest);
}

#[tokio::test]
async fn everybody_sees_themselves_and_their_own_orders_only() {
    let shop = Shop::open().await;
    let (buyer, other) = (somebody(), somebody());
    let ticket = shop.list(somebody(), "Concert", 10).await.ticket;
    let order = shop.order(buyer, ticket).await;
    shop.caught_up().await;

    let query = format!(
        "{{ me {{ id email }} order(id: \"{order}\") {{ status ticket {{ id title }} }}
            orders {{ nodes {{ id }} }} ticket(id: \"{ticket}\") {{ myOrders {{ id }} }} }}"
    );
    let own = shop.site.visitor(buyer).data(&query).await;
    let expected = json!({
        "me": {"id": buyer, "email": format!("{buyer}@example.com")},
        "order": {"status": "CREATED", "ticket": {"id": ticket, "title": "Concert"}},
        "orders": {"nodes": [{"id": order}]},
        "ticket": {"myOrders": [{"id": order}]},
    });
    assert_eq!(own, expected);
    let others = shop.site.visitor(other).data(&query).await;
    assert_eq!(others["order"], Value::Null);
    assert_eq!(others["orders"]["nodes"], json!([]));
    assert_eq!(others["ticket"]["myOrders"], json!([]));

    let nobody = shop.site.nobody();
    let anonymous = format!("{{ me {{ id }} ticket(id: \"{ticket}\") {{ myOrders {{ id }} }} }}");
    let expected = json!({"me": null, "ticket": {"myOrders": []}});
    assert_eq!(nobody.data(&anonymous).await, expected);
    for query in ["{ orders { nodes { id } } }", "{ order(id: \"x\") { id } }"] {
        assert_eq!(code(&nobody.ask(query).await), "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_a_code() {
    let shop = Shop::open().await;
    let visitor = shop.site.nobody();
    let deep =
        format!("{{ __schema {{ types {}{} }} }}", "{ fields { type ".repeat(9), "} }".repeat(9));
    for (query, expected) in [
        ("{ ticket(id: \"nonsense\") { id } }", "BAD_INPUT"),
        ("{ tickets(first: 0) { nodes { id } } }", "BAD_INPUT"),
        ("{ tickets(first: -5) { nodes { id } } }", "BAD_INPUT"),
        ("{ tickets(first: 101) { nodes { id } } }", "BAD_INPUT"),
        ("{ tickets(after: \"nonsense\") { nodes { id } } }", "BAD_INPUT"),
        ("{ colour }", "INVALID_QUERY"),
        ("{", "INVALID_QUERY"),
        ("mutation { buy }", "INVALID_QUERY"),
        (deep.as_str(), "QUERY_TOO_LARGE"),
        // 100 tickets with 20 orders each, of which some fields each.
        (
            "{ tickets(first: 100) { nodes { myOrders { id status version quantity } } } }",
            "QUERY_TOO_LARGE",
        ),
    ] {
        assert_eq!(code(&visitor.ask(query).await), expected, "{query}");
    }
    let client = reqwest::Client::new();
    let address = format!("{}/graphql", shop.site.url);
    let text = client.post(&address).body("{ me { id } }").send().await.unwrap();
    assert_eq!(text.status(), 415);
    for body in ["{", "[]", "{\"query\": 1}"] {
        let request = client.post(&address).header("content-type", "application/json").body(body);
        assert_eq!(request.send().await.unwrap().status(), 400, "{body}");
    }
}

#[tokio::test]
async fn the_address_can_hold_a_query_and_a_browser_finds_a_page() {
    let shop = Shop::open().await;
    let visitor = shop.site.nobody();
    let answer = visitor.get_json("/graphql?query=%7B__typename%7D").await;
    assert_eq!(answer["data"], json!({"__typename": "Query"}));
    assert_eq!(
        visitor.get("/graphql?query=%7B__typename%7D&variables=nonsense").await.status(),
        400
    );

    let page = visitor.get("/graphql").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text().await.unwrap();
    // All that the page and what it loads name is here.
    let mut named: Vec<String> = paths(&html);
    assert!(named.len() >= 2, "{named:?}");
    while let Some(asset) = named.pop() {
        let response = visitor.get(&asset).await;
        assert_eq!(response.status(), 200, "{asset}");
        named.extend(paths(&response.text().await.unwrap()));
    }
}

/// As explorers and generators of types ask it.
#[tokio::test]
async fn tools_can_ask_for_the_whole_schema() {
    let shop = Shop::open().await;
    let of_types = format!("{}{}", "ofType { kind name ".repeat(8), "}".repeat(8));
    let of = format!("{{ kind name {of_types} }}");
    let query = format!(
        "{{ __schema {{ queryType {{ name }} types {{ kind name description
            fields(includeDeprecated: true) {{ name args {{ name type {of} }} type {of} }}
            inputFields {{ name type {of} }} interfaces {of}
            enumValues(includeDeprecated: true) {{ name }} possibleTypes {of} }}
            directives {{ name locations args {{ name type {of} }} }} }} }}"
    );
    let schema = shop.site.nobody().data(&query).await;
    assert_eq!(schema["__schema"]["queryType"]["name"], "Query");
}

/// `UPDATE_SNAPSHOTS=1 cargo test -p query-api` writes it anew.
#[test]
fn the_schema_in_the_repository_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let served = query_api::schema_sdl();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, served, "run this test with UPDATE_SNAPSHOTS=1 and look at the difference");
}

/// Of files of the explorer.
fn paths(text: &str) -> Vec<String> {
    let quoted = text.split('"').filter(|part| part.starts_with("/graphql/explorer"));
    quoted.map(str::to_owned).collect()
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none")
}
