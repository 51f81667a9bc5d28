//! Lists: filtered, sorted, and paged in both directions.

use domain::id::AccountId;
use domain::money::Money;
use domain::ticket::TicketCommand;
use serde_json::{Value, json};

use crate::support::{Listed, Shop, Visitor, ids, somebody, usd};

/// Prices in the order of listing.
const PRICES: [i64; 7] = [500, 300, 300, 900, 100, 300, 700];

async fn listed(shop: &Shop, seller: AccountId) -> Vec<String> {
    let mut tickets = Vec::new();
    for minor in PRICES {
        tickets.push(shop.list_at(seller, "Concert", 1, usd(minor)).await.ticket.to_string());
    }
    tickets
}

/// The whole list, some at a time, forwards or backwards.
async fn paged(visitor: &Visitor, arguments: &str, forwards: bool) -> Vec<String> {
    let (count, from, more, cursor) = match forwards {
        true => ("first", "after", "hasNextPage", "endCursor"),
        false => ("last", "before", "hasPreviousPage", "startCursor"),
    };
    let query = format!(
        "query($from: String) {{ tickets({count}: 2, {from}: $from, {arguments}) {{
            nodes {{ id }} edges {{ cursor }} pageInfo {{ {more} {cursor} }} }} }}"
    );
    let (mut all, mut at) = (Vec::new(), Value::Null);
    loop {
        let response = visitor.ask_raw(&query, json!({"from": at})).await;
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer.get("errors"), None, "{arguments}");
        let page = &answer["data"]["tickets"];
        let nodes = ids(page["nodes"].as_array().unwrap());
        if forwards {
            all.extend(nodes)
        } else {
            all.splice(0..0, nodes).for_each(drop)
        }
        at = page["pageInfo"][cursor].clone();
        if page["pageInfo"][more] == json!(false) {
            return all;
        }
    }
}

#[tokio::test]
async fn every_order_can_be_paged_in_both_directions() {
    let shop = Shop::open().await;
    let seller = somebody();
    let tickets = listed(&shop, seller).await;
    // In another currency: never compared with these.
    let euros = Money { minor: 1, currency: "eur".parse().unwrap() };
    let euro = shop.list_at(seller, "Concert", 1, euros).await.ticket.to_string();
    shop.caught_up().await;
    let visitor = shop.site.nobody();

    let mut newest: Vec<String> = tickets.iter().rev().cloned().collect();
    let mut cheapest: Vec<usize> = (0..PRICES.len()).collect();
    cheapest.sort_by_key(|index| (PRICES[*index], *index));
    let cheapest: Vec<String> = cheapest.into_iter().map(|index| tickets[index].clone()).collect();
    let dearest: Vec<String> = cheapest.iter().rev().cloned().collect();
    let in_usd = "where: {currency: \"usd\"}";
    for forwards in [true, false] {
        assert_eq!(paged(&visitor, in_usd, forwards).await, newest);
        let by_price = format!("{in_usd}, sort: CHEAPEST");
        assert_eq!(paged(&visitor, &by_price, forwards).await, cheapest);
        let by_price = format!("{in_usd}, sort: DEAREST");
        assert_eq!(paged(&visitor, &by_price, forwards).await, dearest);
    }
    newest.insert(0, euro);
    assert_eq!(paged(&visitor, "sort: NEWEST", true).await, newest);
}

#[tokio::test]
async fn tickets_are_filtered_by_seller_currency_price_and_whether_they_can_be_bought() {
    let shop = Shop::open().await;
    let (seller, other) = (somebody(), somebody());
    let tickets = listed(&shop, seller).await;
    let theirs = shop.list(other, "Theirs", 1).await.ticket.to_string();
    let Listed { ticket: withdrawn, .. } = shop.list(seller, "Gone", 1).await;
    let withdraw = TicketCommand::Withdraw { by: seller, reason: "rain".to_owned() };
    shop.change(withdrawn, withdraw).await;
    shop.caught_up().await;
    let visitor = shop.site.nobody();

    let list = async |arguments: &str| paged(&visitor, arguments, true).await;
    assert_eq!(list(&format!("where: {{seller: \"{other}\"}}")).await, [theirs]);
    let three: Vec<String> = [5, 2, 1].map(|index: usize| tickets[index].clone()).into();
    let range = "where: {currency: \"USD\", priceMin: \"2.5\", priceMax: \"3\"}";
    assert_eq!(list(range).await, three);
    let all = list(&format!("where: {{seller: \"{seller}\", onSale: false}}")).await;
    assert_eq!(all.len(), PRICES.len() + 1);
    assert_eq!(all[0], withdrawn.to_string());

    for (bad, argument) in [
        ("where: {onSale: false}", "onSale"),
        ("where: {priceMin: \"1\"}", "priceMin"),
        ("where: {currency: \"usd\", priceMax: \"1.999\"}", "priceMax"),
        ("where: {currency: \"shells\"}", "currency"),
        ("where: {seller: \"nobody\"}", "seller"),
        ("sort: CHEAPEST", "where"),
        ("after: \"1-1_5\"", "after"),
        ("where: {currency: \"usd\"}, sort: DEAREST, after: \"1-1\"", "after"),
        ("first: 1, last: 1", "none"),
        ("last: 0", "last"),
        ("last: 101", "last"),
        ("before: \"x\"", "before"),
    ] {
        let answer = visitor.ask(&format!("{{ tickets({bad}) {{ nodes {{ id }} }} }}")).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "BAD_INPUT", "{bad}: {answer}");
        assert_eq!(extensions["argument"].as_str().unwrap_or("none"), argument, "{bad}");
    }
}

#[tokio::test]
async fn orders_are_filtered_by_status_and_everything_is_found_by_its_id() {
    let shop = Shop::open().await;
    let (buyer, seller) = (somebody(), somebody());
    let ticket = shop.list(seller, "Concert", 5).await.ticket;
    let open = shop.order(buyer, ticket).await;
    let paid = shop.order(buyer, ticket).await;
    shop.pay(paid, buyer, ticket).await;
    shop.caught_up().await;
    let visitor = shop.site.visitor(buyer);
    let of = async |status: &str| {
        let query = format!("{{ orders(status: {status}) {{ nodes {{ id }} }} }}");
        ids(visitor.data(&query).await["orders"]["nodes"].as_array().unwrap())
    };
    assert_eq!(of("CREATED").await, [open.to_string()]);
    assert_eq!(of("COMPLETE").await, [paid.to_string()]);
    assert_eq!(of("EXPIRED").await, [""; 0]);

    for (id, kind) in [(ticket.0, "Ticket"), (open.0, "Order"), (buyer.0, "Me")] {
        let query = format!(
            "{{ node(id: \"{id}\") {{ __typename id ... on Ticket {{ title }}
                ... on Order {{ status }} ... on Me {{ email }} }} }}"
        );
        let found = visitor.data(&query).await["node"].clone();
        assert_eq!((&found["__typename"], &found["id"]), (&json!(kind), &json!(id)));
    }
    let query = format!("{{ node(id: \"{open}\") {{ id }} }}");
    assert_eq!(shop.site.visitor(seller).data(&query).await["node"], Value::Null);
    let query = format!("{{ node(id: \"{}\") {{ id }} }}", somebody());
    assert_eq!(visitor.data(&query).await["node"], Value::Null);

    let sold = "{ me { registeredAt openSessions
        sales { day units gross { amount currency } refunded { minor } } } }";
    let me = shop.site.visitor(seller).data(sold).await["me"].clone();
    let today = &me["sales"][0];
    assert_eq!((&today["units"], &today["gross"]["amount"]), (&json!(1), &json!("19.99")));
    assert_eq!(today["refunded"]["minor"], 0);
    assert_eq!(visitor.data(sold).await["me"]["sales"], json!([]));
    let bad = "{ me { sales(from: \"2020-01-01\", to: \"2024-01-01\") { units } } }";
    assert_eq!(visitor.refusal(bad).await, "BAD_INPUT");
}

/// Plain fields are written another way than those that take more; both must say the same.
#[tokio::test]
async fn a_list_says_the_same_however_it_is_asked() {
    let shop = Shop::open().await;
    let seller = somebody();
    for quantity in [1, 5] {
        shop.list(seller, "Concert", quantity).await;
    }
    let sold = shop.list(seller, "Gone", 1).await.ticket;
    shop.order(somebody(), sold).await;
    shop.caught_up().await;
    let visitor = shop.site.nobody();
    let schema = "{ __type(name: \"Ticket\") { fields { name type { kind ofType { kind } } } } }";
    let fields = visitor.data(schema).await["__type"]["fields"].clone();
    let plain = fields.as_array().unwrap().iter().filter(|field| {
        let kinds = [&field["type"]["kind"], &field["type"]["ofType"]["kind"]];
        kinds.iter().any(|kind| **kind == json!("SCALAR"))
    });
    let plain: Vec<&str> = plain.map(|field| field["name"].as_str().unwrap()).collect();
    assert!(plain.len() >= 12, "{plain:?}");
    let all = format!(
        "__typename {} price {{ __typename amount minor currency }} named: title",
        plain.join(" ")
    );
    let of = "where: {seller: \"SELLER\", onSale: false}".replace("SELLER", &seller.to_string());
    let at_once = format!("{{ tickets({of}) {{ nodes {{ {all} }} }} }}");
    // A fragment takes the long way; so does a name that comes twice.
    let long = format!("{{ tickets({of}) {{ nodes {{ ... on Ticket {{ {all} }} }} }} }}");
    let twice = format!("{{ tickets({of}) {{ nodes {{ {all} price {{ amount }} }} }} }}");
    let expected = visitor.data(&long).await;
    assert_eq!(expected["tickets"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(visitor.data(&at_once).await, expected);
    assert_eq!(visitor.data(&twice).await, expected);
}
