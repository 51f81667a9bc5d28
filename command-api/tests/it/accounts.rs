use chrono::TimeDelta;
use domain::id::SessionId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, PASSWORD, bad_fields, header, ok, refused};

#[tokio::test]
async fn who_signs_up_is_signed_in() {
    let app = App::start().await;
    let visitor = app.visitor();
    assert_eq!(visitor.current_user().await, Value::Null);
    let body = json!({"email": " Ann@Example.COM ", "password": PASSWORD});
    let response = visitor.post("/api/users/signup", &body).await;
    let headers = response.headers().clone();
    let user = ok(response, StatusCode::CREATED).await;
    assert_eq!(user["email"], "ann@example.com");
    assert!(user["id"].as_str().unwrap().parse::<Uuid>().is_ok());
    assert!(!header(&headers, "ticketing-position").is_empty());
    assert_eq!(visitor.current_user().await, user);
}

#[tokio::test]
async fn signing_up_names_every_bad_field() {
    let app = App::start().await;
    let visitor = app.visitor();
    let bodies = [
        json!({}),
        json!({"email": "ann", "password": "short"}),
        json!({"email": 1, "password": []}),
        json!({"email": null, "password": "x".repeat(201)}),
    ];
    for body in bodies {
        let response = visitor.post("/api/users/signup", &body).await;
        let problem = ok(response, StatusCode::BAD_REQUEST).await;
        assert_eq!(
            problem["errors"],
            json!([
                {"message": "Email must be valid", "field": "email"},
                {"message": "Password must be between 8 and 200 characters", "field": "password"},
            ])
        );
    }
}

#[tokio::test]
async fn an_address_belongs_to_one_account_however_it_is_written() {
    let app = App::start().await;
    let person = app.person().await;
    let body = json!({"email": person.email.to_uppercase(), "password": "another password"});
    let response = app.visitor().post("/api/users/signup", &body).await;
    assert_eq!(refused(response, StatusCode::BAD_REQUEST).await, "Email in use");
    // The first one's password is still the one.
    let body = json!({"email": person.email, "password": PASSWORD});
    ok(app.visitor().post("/api/users/signin", &body).await, StatusCode::OK).await;
}

#[tokio::test]
async fn of_several_who_sign_up_at_once_with_one_address_one_wins() {
    let app = App::start().await;
    let mut requests = Vec::new();
    for number in 0..6 {
        let visitor = app.visitor();
        requests.push(tokio::spawn(async move {
            let password = format!("password number {number}");
            let body = json!({"email": "same@example.com", "password": password});
            (visitor.post("/api/users/signup", &body).await.status(), body)
        }));
    }
    let mut winners = Vec::new();
    for request in requests {
        match request.await.unwrap() {
            (StatusCode::CREATED, body) => winners.push(body),
            (status, _) => assert_eq!(status, StatusCode::BAD_REQUEST),
        }
    }
    assert_eq!(winners.len(), 1);
    ok(app.visitor().post("/api/users/signin", &winners[0]).await, StatusCode::OK).await;
}

#[tokio::test]
async fn signing_up_again_with_the_same_key_gives_the_same_account() {
    let app = App::start().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let first = app.visitor().post_as("k1", "/api/users/signup", &body).await;
    let first = ok(first, StatusCode::CREATED).await;
    let visitor = app.visitor();
    let again = visitor.post_as("k1", "/api/users/signup", &body).await;
    assert_eq!(ok(again, StatusCode::CREATED).await, first);
    assert_eq!(visitor.current_user().await, first);

    // The same key with another address is refused, and that address stays free.
    let other = json!({"email": "bob@example.com", "password": PASSWORD});
    let reused = app.visitor().post_as("k1", "/api/users/signup", &other).await;
    ok(reused, StatusCode::UNPROCESSABLE_ENTITY).await;
    ok(app.visitor().post("/api/users/signup", &other).await, StatusCode::CREATED).await;
    // And so is another password.
    let other = json!({"email": "ann@example.com", "password": "some other password"});
    let reused = app.visitor().post_as("k1", "/api/users/signup", &other).await;
    ok(reused, StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_sign_up_that_stopped_after_claiming_the_address_can_be_made_again() {
    use domain::EmailClaim;
    use domain::email::Email;
    use domain::email_claim::EmailClaimCommand;
    use domain::id::{AccountId, CommandId};
    use domain::{Actor, Cause};

    let app = App::start().await;
    let claim = app.vault.email_claim_id(&Email::parse("ann@example.com").unwrap()).await.unwrap();
    let id = Uuid::now_v7();
    let cause = Cause {
        command: CommandId(id),
        fingerprint: None,
        correlation: id,
        causation: id,
        actor: Actor::Anonymous,
        trace: None,
        now: chrono::Utc::now(),
    };
    let command = EmailClaimCommand::Claim { account: AccountId(id) };
    app.log.execute::<EmailClaim>(&claim, command, &cause).await.unwrap();
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let user = ok(app.visitor().post("/api/users/signup", &body).await, StatusCode::CREATED).await;
    assert_eq!(user["id"], id.to_string());
}

#[tokio::test]
async fn a_wrong_address_and_a_wrong_password_are_answered_alike() {
    let app = App::start().await;
    let person = app.person().await;
    let mut answers = Vec::new();
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        (&person.email, "wrong horse battery"),
        (&person.email, "x"),
    ] {
        let body = json!({"email": email, "password": password});
        let response = app.visitor().post("/api/users/signin", &body).await;
        assert!(response.headers().get("set-cookie").is_none());
        answers.push(ok(response, StatusCode::BAD_REQUEST).await);
    }
    assert_eq!(answers[0]["errors"], json!([{"message": "Invalid credentials"}]));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let body = json!({"email": "ann", "password": ""});
    let response = app.visitor().post("/api/users/signin", &body).await;
    assert_eq!(bad_fields(response).await, ["email", "password"]);
}

#[tokio::test]
async fn who_signs_out_is_signed_out_of_that_session_alone() {
    let app = App::start().await;
    let person = app.person().await;
    let elsewhere = app.visitor();
    let body = json!({"email": person.email, "password": PASSWORD});
    ok(elsewhere.post("/api/users/signin", &body).await, StatusCode::OK).await;

    // Somebody has copied the cookie before.
    let response = elsewhere.post("/api/users/signin", &body).await;
    let copied = header(response.headers(), "set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(
        ok(elsewhere.post("/api/users/signout", &json!({})).await, StatusCode::OK).await,
        json!({})
    );
    assert_eq!(elsewhere.current_user().await, Value::Null);
    let request = app.visitor().request(Method::GET, "/api/users/currentuser");
    let answer = ok(request.header("cookie", copied).send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(answer["currentUser"], Value::Null);

    assert_eq!(person.current_user().await["email"], person.email);
    // Once more, and by nobody: nothing to do.
    ok(elsewhere.post("/api/users/signout", &json!({})).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_signed_cookie_of_a_session_that_was_never_opened_is_nobody() {
    let app = App::start().await;
    let person = app.person().await;
    let cookie = app.cookie(person.id, SessionId(Uuid::now_v7()), TimeDelta::days(1));
    let request = app.visitor().request(Method::POST, "/api/tickets").header("cookie", cookie);
    let response = request.json(&crate::app::concert()).send().await.unwrap();
    ok(response, StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn another_site_can_neither_sign_somebody_in_nor_use_the_session() {
    let app = App::start().await;
    let person = app.person().await;
    let credentials = json!({"email": person.email, "password": PASSWORD});
    let attempts = [
        ("/api/users/signin", credentials),
        ("/api/users/signup", json!({"email": "x@example.com", "password": PASSWORD})),
        ("/api/users/signout", json!({})),
        ("/api/tickets", crate::app::concert()),
    ];
    for (path, body) in attempts {
        let request = person.request(Method::POST, path).header("sec-fetch-site", "cross-site");
        ok(request.json(&body).send().await.unwrap(), StatusCode::FORBIDDEN).await;
    }
    assert_eq!(person.current_user().await["email"], person.email);
}

#[tokio::test]
async fn what_is_in_the_log_tells_neither_address_nor_password() {
    let app = App::start().await;
    let body = json!({"email": "ann.secret@example.com", "password": "very-secret-password"});
    ok(app.visitor().post("/api/users/signup", &body).await, StatusCode::CREATED).await;
    ok(app.visitor().post("/api/users/signin", &body).await, StatusCode::OK).await;
    let seen = crate::bank::everything(&app.log).await;
    assert!(seen.contains("SessionOpened"), "{seen}");
    for secret in ["ann.secret", "example.com", "very-secret", "argon2id"] {
        assert!(!seen.contains(secret), "{secret} is in the log");
    }
}
