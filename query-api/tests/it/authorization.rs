//! Every route that is described, asked by everybody.

use std::collections::BTreeSet;

use domain::id::SessionId;
use uuid::Uuid;
use web::testing::{asked, bad_credentials};

use crate::support::{Shop, somebody};

#[tokio::test]
async fn only_the_buyer_sees_an_order_and_everybody_sees_the_tickets() {
    let shop = Shop::open().await;
    let (buyer, other) = (somebody(), somebody());
    let listed = shop.list(somebody(), "Concert", 1).await;
    let order = shop.order(buyer, listed.ticket).await;
    shop.caught_up().await;
    // By route: whether it is open, and what somebody else is told.
    let routes = [
        ("GET /api/orders", false, 200),
        ("GET /api/orders/{id}", false, 404),
        ("GET /api/disputes", false, 200),
        ("GET /api/tickets", true, 200),
        ("GET /api/tickets/{id}", true, 200),
    ];
    let described: BTreeSet<_> = asked(query_api::api().into_openapi()).into_iter().collect();
    let known = routes.map(|(route, open, _)| (route.to_owned(), !open));
    assert_eq!(described, known.into(), "a route is missing in this test");

    let bad = bad_credentials(&shop.site.web, buyer, SessionId(Uuid::now_v7()));
    for (route, open, others) in routes {
        let id =
            if route.contains("orders") { order.to_string() } else { listed.ticket.to_string() };
        let path = route.trim_start_matches("GET ").replace("{id}", &id);
        let nobody = if open { 200 } else { 401 };
        assert_eq!(shop.site.nobody().get(&path).await.status(), nobody, "{route}: anonymous");
        for credential in &bad {
            let asking = shop.site.with_header(credential.header, &credential.value);
            assert_eq!(asking.get(&path).await.status(), nobody, "{route}: {}", credential.name);
        }
        assert_eq!(shop.site.visitor(other).get(&path).await.status(), others, "{route}: other");
        assert_eq!(shop.site.visitor(buyer).get(&path).await.status(), 200, "{route}: buyer");
    }
}
