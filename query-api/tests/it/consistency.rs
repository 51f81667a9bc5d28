//! How far an answer has come, and how far one wants it to.

use std::time::Duration;

use domain::Position;
use serde_json::{Value, json};

use crate::support::{Shop, somebody};

fn consistency(answer: &Value) -> (Option<Position>, bool) {
    let consistency = &answer["extensions"]["consistency"];
    let position = consistency["position"].as_str().map(|text| text.parse().unwrap());
    (position, consistency["stale"].as_bool().unwrap())
}

#[tokio::test]
async fn what_is_asked_for_at_least_is_waited_for_by_argument_extension_and_header() {
    let mut shop = Shop::open().await;
    shop.stop_projectors().await;
    let listed = shop.list(somebody(), "Concert", 1).await;
    let (ticket, at) = (listed.ticket, listed.position);
    let visitor = shop.site.nobody();
    let plain = format!("{{ ticket(id: \"{ticket}\") {{ title }} }}");
    let argument = format!("{{ ticket(id: \"{ticket}\", atLeast: \"{at}\") {{ title }} }}");

    // Not there, and nobody waits for it.
    let answer = visitor.ask(&plain).await;
    assert_eq!(answer["data"]["ticket"], Value::Null);
    assert!(consistency(&answer).0 < Some(at) && !consistency(&answer).1);
    // Waited for in vain.
    let answer = visitor.ask(&argument).await;
    assert!(consistency(&answer).1, "{answer}");
    let lag = until_behind(&shop).await;
    assert!(lag >= 0);

    shop.start_projectors();
    let extension = json!({"query": plain, "extensions": {"atLeast": at.to_string()}});
    let bodies = [json!({"query": argument}), extension];
    for body in bodies {
        let response = visitor.post(&body).await;
        let seen = response.headers()["ticketing-position"].to_str().unwrap().to_owned();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["data"]["ticket"]["title"], "Concert", "{answer}");
        assert!(consistency(&answer).0 >= Some(at) && !consistency(&answer).1);
        assert_eq!(consistency(&answer).0, Some(seen.parse().unwrap()));
    }
    let asked = visitor.data("{ consistency { position lag stale } }").await;
    assert!(asked["consistency"]["position"].as_str().unwrap().parse::<Position>().unwrap() >= at);
    let nonsense = format!("{{ ticket(id: \"{ticket}\", atLeast: \"soon\") {{ title }} }}");
    assert_eq!(visitor.refusal(&nonsense).await, "INVALID_QUERY");
    let nonsense = json!({"query": plain, "extensions": {"atLeast": 7}});
    let answer: Value = visitor.post(&nonsense).await.json().await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_INPUT");
}

/// Until it is known that the read models are behind the log.
async fn until_behind(shop: &Shop) -> i64 {
    let visitor = shop.site.nobody();
    let behind = async {
        loop {
            let answer = visitor.data("{ consistency { lag } }").await;
            match answer["consistency"]["lag"].as_i64() {
                Some(lag) if lag > 0 => return lag,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), behind).await.expect("the lag is seen")
}
