//! What a query may not be, however it is asked.

use std::time::{Duration, Instant};

use query_api::Settings;
use serde_json::{Value, json};

use crate::support::{Shop, somebody};

#[tokio::test]
async fn a_query_that_would_take_too_much_is_refused_at_once() {
    let shop = Shop::open().await;
    let visitor = shop.site.nobody();
    let mut doubling = "query { ...f0 }".to_owned();
    for number in 0..45 {
        let next = number + 1;
        doubling.push_str(&format!(" fragment f{number} on Query {{ ...f{next} ...f{next} }}"));
    }
    doubling.push_str(" fragment f45 on Query { me { id } }");
    let circle = "{ ...a } fragment a on Query { ...b ...b } fragment b on Query { ...a ...a }";
    let aliases: String = (0..51).map(|number| format!("a{number}: me {{ id }} ")).collect();
    let deep = format!("{}{}", "{ a ".repeat(5_000), "}".repeat(5_000));
    let wide = format!("{{ {} }}", "__typename ".repeat(5_000));
    let directives = format!("{{ me {} {{ id }} }}", "@include(if: true) ".repeat(200));
    for (query, code) in [
        (doubling.as_str(), "QUERY_TOO_LARGE"),
        (circle, "QUERY_TOO_LARGE"),
        (&format!("{{ {aliases} }}"), "QUERY_TOO_LARGE"),
        (&deep, "QUERY_TOO_LARGE"),
        (&wide, "QUERY_TOO_LARGE"),
        (&directives, "QUERY_TOO_LARGE"),
        // Histories may be long: not ten of them.
        (
            "{ a: ticket(id: \"a\", asOf: \"1-1\") { id } b: ticket(id: \"a\", asOf: \"1-1\") { id }
               c: ticket(id: \"a\", asOf: \"1-1\") { id } d: ticket(id: \"a\", asOf: \"1-1\") { id }
               e: ticket(id: \"a\", asOf: \"1-1\") { id } f: ticket(id: \"a\", asOf: \"1-1\") { id }
               g: ticket(id: \"a\", asOf: \"1-1\") { id } h: ticket(id: \"a\", asOf: \"1-1\") { id }
               i: ticket(id: \"a\", asOf: \"1-1\") { id } j: ticket(id: \"a\", asOf: \"1-1\") { id } }",
            "QUERY_TOO_LARGE",
        ),
    ] {
        let began = Instant::now();
        assert_eq!(visitor.refusal(query).await, code, "{query:.80}");
        assert!(began.elapsed() < Duration::from_secs(2), "{query:.80}: {:?}", began.elapsed());
    }
    let large = json!({"query": format!("# {}", "x".repeat(70_000))});
    assert_eq!(visitor.post(&large).await.status(), 413);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_bounded() {
    let shop = Shop::open().await;
    let visitor = shop.site.visitor(somebody());
    let one = |query: &str| json!({"query": query});
    let batch = json!([one("{ __typename }"), one("{ colour }"), one("{ me { __typename } }")]);
    let answers: Value = visitor.post(&batch).await.json().await.unwrap();
    assert_eq!(answers[0]["data"]["__typename"], "Query");
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "INVALID_QUERY");
    assert_eq!(answers[2]["data"]["me"]["__typename"], "Me");
    assert!(answers[2]["extensions"]["consistency"]["position"].is_null());

    let many: Vec<Value> = (0..11).map(|_| one("{ __typename }")).collect();
    assert_eq!(visitor.post(&json!(many)).await.status(), 400);
    assert_eq!(visitor.post(&json!([1])).await.status(), 400);
}

/// As Apollo's clients do it: the hash alone, and with the text only when it is not known.
#[tokio::test]
async fn a_query_can_be_sent_as_its_hash_once_it_is_known() {
    let shop = Shop::open().await;
    let visitor = shop.site.nobody();
    let query = "query Mine($n: Int) { tickets(first: $n) { nodes { id } } }";
    let hash = &"0".repeat(64);
    let extension = |hash: &str| json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    let hash_alone = |hash: &str| json!({"extensions": extension(hash), "variables": {"n": 5}});
    let code = async |body: &Value| -> Value {
        let answer: Value = visitor.post(body).await.json().await.unwrap();
        answer["errors"][0]["extensions"]["code"].clone()
    };
    assert_eq!(code(&hash_alone(hash)).await, "PERSISTED_QUERY_NOT_FOUND");
    // Another text under this hash would be asked by all who know the hash.
    let lie = json!({"query": query, "extensions": extension(hash)});
    assert_eq!(code(&lie).await, "BAD_INPUT");
    assert_eq!(code(&hash_alone("nonsense")).await, "BAD_INPUT");
    assert_eq!(code(&json!({"extensions": {"persistedQuery": 7}})).await, "BAD_INPUT");
    assert_eq!(code(&json!({})).await, "INVALID_QUERY");

    let hash = sha256(query);
    let told = json!({"query": query, "extensions": extension(&hash)});
    let first: Value = visitor.post(&told).await.json().await.unwrap();
    assert_eq!(first["data"]["tickets"]["nodes"], json!([]));
    let again: Value = visitor.post(&hash_alone(&hash)).await.json().await.unwrap();
    assert_eq!(again["data"]["tickets"]["nodes"], json!([]));
}

#[tokio::test]
async fn the_schema_can_be_kept_to_oneself() {
    let settings = Settings { introspection: false, ..Settings::default() };
    let shop = Shop::open_with(settings).await;
    let visitor = shop.site.nobody();
    for query in ["{ __schema { types { name } } }", "{ __type(name: \"Ticket\") { name } }"] {
        let answer = visitor.ask(query).await;
        let text = answer.to_string();
        assert!(!text.contains("\"name\":"), "{text}");
    }
    let hint = visitor.ask("{ tickts { id } }").await.to_string();
    assert!(!hint.contains("tickets"), "{hint}");
    assert_eq!(visitor.data("{ __typename }").await["__typename"], "Query");
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hex::encode(digest)
}
