use std::time::{Duration, Instant};

use domain::Position;
use local_services::testing::TestPostgres;
use reqwest::Response;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;

use crate::support::{Site, Visitor, somebody};

const ANSWER_WITHIN: Duration = Duration::from_millis(3_500);
const BACK_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn with_postgres_away_reads_are_503_at_once_and_they_come_back_with_it() {
    let mut postgres = TestPostgres::start().await;
    let pool = PgPoolOptions::new().connect(postgres.url()).await.unwrap();
    let site = Site::serve(&pool, None).await;
    let visitor = site.visitor(somebody());

    // Nothing has been installed yet: not an error of ours, only too early.
    assert_unavailable(visitor.get("/api/tickets").await).await;
    assert_eq!(visitor.get("/readyz").await.status(), 503);
    assert_eq!(visitor.get("/livez").await.status(), 200);
    projectors::install(&pool).await.unwrap();
    until_ready(&visitor).await;
    assert_eq!(visitor.get_json("/api/tickets").await, json!([]));

    postgres.stop().await;
    let wanted = Position { commit: 9, prepare: 9 };
    // Pages that nobody has asked for just now: those may be kept for a second.
    for path in
        ["/api/tickets?limit=7", "/api/orders", "/api/tickets/00000000-0000-0000-0000-000000000001"]
    {
        let began = Instant::now();
        assert_unavailable(visitor.get_after(path, wanted).await).await;
        assert!(began.elapsed() < ANSWER_WITHIN, "{path} took {:?}", began.elapsed());
    }
    let began = Instant::now();
    assert_unavailable(visitor.ask_raw("{ tickets(first: 8) { nodes { id } } }", json!({})).await)
        .await;
    assert!(began.elapsed() < ANSWER_WITHIN, "graphql took {:?}", began.elapsed());
    assert_eq!(visitor.get("/readyz").await.status(), 503);

    postgres.start_again().await;
    until_ready(&visitor).await;
    assert_eq!(visitor.get_json("/api/tickets").await, json!([]));
}

async fn assert_unavailable(response: Response) {
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], 503);
}

async fn until_ready(visitor: &Visitor) {
    let ready = async {
        while visitor.get("/readyz").await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(BACK_WITHIN, ready).await.expect("ready again");
}
