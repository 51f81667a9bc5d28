//! Programs and their tokens.

use std::sync::Arc;

use command_api::LogAccounts;
use reqwest::{Method, StatusCode};
use serde_json::json;
use web::Web;

use crate::app::{App, PASSWORD, TOKEN_KEY, concert, ok, refused, settings, tokens};
use crate::bank::{count, everything};

#[tokio::test]
async fn a_program_works_with_its_token_like_the_person() {
    let app = App::start().await;
    let person = app.person().await;
    let body = json!({"email": person.email, "password": PASSWORD});
    let response = app.visitor().post("/api/users/token", &body).await;
    assert!(!response.headers()["ticketing-position"].is_empty());
    let answer = ok(response, StatusCode::OK).await;
    assert_eq!((&answer["tokenType"], &answer["expiresIn"]), (&json!("Bearer"), &json!(600)));
    let (access, _) = tokens(answer);

    // Another site cannot send a token, so where the request comes from does not matter.
    let request = person.program(Method::POST, "/api/tickets", &access);
    let request = request.header("sec-fetch-site", "cross-site").json(&concert());
    let ticket = ok(request.send().await.unwrap(), StatusCode::CREATED).await;
    assert_eq!(ticket["userId"], person.id.to_string());
    let request = person.program(Method::GET, "/api/users/currentuser", &access);
    let answer = ok(request.send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(answer["currentUser"]["email"], person.email);
    let log = everything(&app.log).await;
    assert!(!log.contains(&access), "a token is in the log");

    // Signing out is for programs too.
    let request = person.program(Method::POST, "/api/users/signout", &access);
    ok(request.json(&json!({})).send().await.unwrap(), StatusCode::OK).await;
    let request = person.program(Method::POST, "/api/tickets", &access).json(&concert());
    ok(request.send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
    assert_eq!(person.current_user().await["email"], person.email);
}

#[tokio::test]
async fn tokens_are_given_only_for_the_right_password() {
    let app = App::start().await;
    let person = app.person().await;
    let body = json!({"email": person.email, "password": "wrong horse battery"});
    let response = app.visitor().post("/api/users/token", &body).await;
    assert_eq!(refused(response, StatusCode::BAD_REQUEST).await, "Invalid credentials");
    assert_eq!(count(&app.log, "SessionOpened").await, 1);
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_the_session() {
    let app = App::start().await;
    let person = app.person().await;
    let (_, first) = person.tokens().await;
    let (access, second) = tokens(ok(person.refresh(&first).await, StatusCode::OK).await);
    let reads = async || {
        let request = person.program(Method::GET, "/api/users/sessions", &access);
        request.send().await.unwrap().status()
    };
    assert_eq!(reads().await, StatusCode::OK);

    // The thief's attempt, or the victim's; nobody can tell.
    ok(person.refresh(&first).await, StatusCode::UNAUTHORIZED).await;
    assert_eq!(reads().await, StatusCode::UNAUTHORIZED);
    ok(person.refresh(&second).await, StatusCode::UNAUTHORIZED).await;
    assert_eq!(count(&app.log, "RefreshReused").await, 1);
    // The person's other sessions go on.
    assert_eq!(person.current_user().await["email"], person.email);
}

#[tokio::test]
async fn of_two_who_trade_one_refresh_token_at_once_neither_keeps_the_session() {
    let app = App::start().await;
    let person = app.person().await;
    let (_, token) = person.tokens().await;
    let (one, other) = tokio::join!(person.refresh(&token), person.refresh(&token));
    let statuses = [one.status(), other.status()];
    assert!(statuses.contains(&StatusCode::UNAUTHORIZED), "{statuses:?}");
    assert_eq!(count(&app.log, "RefreshReused").await, 1);
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_made_again_under_its_key() {
    let app = App::start().await;
    let person = app.person().await;
    let (_, token) = person.tokens().await;
    let body = json!({"refreshToken": token});
    let path = "/api/users/token/refresh";
    let (_, first) = tokens(ok(person.post_as("k", path, &body).await, StatusCode::OK).await);
    let (access, again) = tokens(ok(person.post_as("k", path, &body).await, StatusCode::OK).await);
    assert_eq!(first, again);
    let request = person.program(Method::GET, "/api/users/sessions", &access);
    ok(request.send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(count(&app.log, "TokenRefreshed").await, 1);
    assert_eq!(count(&app.log, "RefreshReused").await, 0);
}

#[tokio::test]
async fn keys_are_changed_without_anybody_noticing() {
    let app = App::start().await;
    let person = app.person().await;
    let keys = ok(app.visitor().get("/.well-known/jwks.json").await, StatusCode::OK).await;
    let keys = keys["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 1);
    let shown = (&keys[0]["kty"], &keys[0]["crv"], &keys[0]["alg"], &keys[0]["use"]);
    assert_eq!(shown, (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig")));
    assert!(keys[0].get("d").is_none());

    // The next process signs with a new key and still believes the old one.
    let accounts = Arc::new(LogAccounts { log: app.log.clone(), vault: app.vault.clone() });
    let next = Web::new(settings(vec![[4; 32], TOKEN_KEY]), accounts.clone());
    let known: Vec<_> =
        next.public_keys().keys.iter().map(|key| key.common.key_id.clone()).collect();
    assert_eq!(known.len(), 2);
    assert_eq!(known[1].as_deref(), keys[0]["kid"].as_str());
    let (_, refresh) = person.tokens().await;
    let read = next.read_refresh_token(&refresh).unwrap();
    assert_eq!(read.account, person.id);
    // The one after that has forgotten the old one.
    assert_eq!(Web::new(settings(vec![[4; 32]]), accounts).read_refresh_token(&refresh), None);
}
