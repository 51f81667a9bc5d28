//! How often one may ask.

use reqwest::StatusCode;
use serde_json::json;

use crate::app::{App, PASSWORD, header, ok};

#[tokio::test]
async fn an_answer_tells_what_is_left_of_the_limits() {
    let app = App::start().await;
    let anonymous = app.visitor().get("/api/users/currentuser").await;
    assert_eq!(header(anonymous.headers(), "ratelimit-policy"), "\"address\";q=2000;w=2");
    assert!(header(anonymous.headers(), "ratelimit").starts_with("\"address\";r=19"));
    let person = app.person().await;
    let signed_in = person.get("/api/users/currentuser").await;
    let policies = header(signed_in.headers(), "ratelimit-policy");
    assert!(policies.ends_with(", \"account\";q=1000;w=2"), "{policies}");
}

#[tokio::test]
async fn the_password_of_an_account_can_be_guessed_only_slowly() {
    let app = App::start().await;
    let (victim, other) = (app.person().await, app.person().await);
    let guess = async |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        app.visitor().post("/api/users/signin", &body).await
    };
    // Too short to be anybody's: it costs no time and counts all the same.
    for _ in 0..10 {
        ok(guess(&victim.email, "x").await, StatusCode::BAD_REQUEST).await;
    }
    for path in ["/api/users/signin", "/api/users/token"] {
        let body = json!({"email": victim.email.to_uppercase(), "password": PASSWORD});
        let response = app.visitor().post(path, &body).await;
        let wait: u32 = header(response.headers(), "retry-after").parse().unwrap();
        assert!((1..=7).contains(&wait), "{wait}");
        let problem = ok(response, StatusCode::TOO_MANY_REQUESTS).await;
        assert_eq!(problem["title"], "Too many requests");
    }
    ok(guess(&other.email, PASSWORD).await, StatusCode::OK).await;
    // Whoever is signed in is not disturbed.
    assert_eq!(victim.current_user().await["email"], victim.email);
}
