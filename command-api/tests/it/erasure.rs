//! Somebody is forgotten.

use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use domain::account::AccountCommand;
use domain::email::Email;
use domain::email_claim::EmailClaimCommand;
use domain::id::SessionId;
use domain::{Account, EmailClaim};
use eventlog::VaultError;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::app::{App, PASSWORD, Person, cause, concert, ok, refused};
use crate::bank::{count, everything};

const ME: &str = "/api/users/me";

async fn sign_up(app: &App, email: &str) -> Response {
    let body = json!({"email": email, "password": "somebody else's password"});
    app.visitor().post("/api/users/signup", &body).await
}

async fn sign_in(app: &App, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD});
    app.visitor().post("/api/users/signin", &body).await
}

#[tokio::test]
async fn who_is_erased_is_signed_out_everywhere_and_the_address_is_free() {
    let app = App::start().await;
    let person = app.person().await;
    let (access, refresh) = person.tokens().await;
    ok(app.visitor().delete(ME).await, StatusCode::UNAUTHORIZED).await;
    let foreign = person.request(Method::DELETE, ME);
    let foreign = foreign.header("sec-fetch-site", "cross-site").send().await.unwrap();
    ok(foreign, StatusCode::FORBIDDEN).await;

    let response = person.delete(ME).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let cookies = response.headers().get_all("set-cookie").iter();
    assert!(cookies.into_iter().any(|cookie| cookie.to_str().unwrap().starts_with("session=;")));
    let listing = person.program(Method::POST, "/api/tickets", &access).json(&concert());
    ok(listing.send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
    ok(person.refresh(&refresh).await, StatusCode::UNAUTHORIZED).await;
    let answer = sign_in(&app, &person.email).await;
    assert_eq!(refused(answer, StatusCode::BAD_REQUEST).await, "Invalid credentials");

    let user = ok(sign_up(&app, &person.email).await, StatusCode::CREATED).await;
    assert_ne!(user["id"], person.id.to_string());
    // The old account's program asks once more: the new one keeps its address.
    let again = person.program(Method::DELETE, ME, &access).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    ok(sign_up(&app, &person.email).await, StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn the_sign_up_of_an_erased_account_made_again_is_refused() {
    let app = App::start().await;
    let visitor = app.visitor();
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    ok(visitor.post_as("k", "/api/users/signup", &body).await, StatusCode::CREATED).await;
    assert_eq!(visitor.delete(ME).await.status(), StatusCode::NO_CONTENT);
    let again = app.visitor().post_as("k", "/api/users/signup", &body).await;
    ok(again, StatusCode::CONFLICT).await;
    ok(app.visitor().post("/api/users/signup", &body).await, StatusCode::CREATED).await;
}

/// Leaves an erasure where a crash after that many of its steps would.
async fn begin(app: &App, person: &Person, steps: usize) {
    let claim = app.vault.email_claim_id(&Email::parse(&person.email).unwrap()).await.unwrap();
    let request = AccountCommand::RequestErasure { claim: claim.clone() };
    app.log.execute::<Account>(&person.id, request, &cause()).await.unwrap();
    if steps > 1 {
        app.vault.erase(person.id).await.unwrap();
    }
    if steps > 2 {
        let release = EmailClaimCommand::Release { account: person.id };
        app.log.execute::<EmailClaim>(&claim, release, &cause()).await.unwrap();
    }
}

#[tokio::test]
async fn an_erasure_that_broke_off_anywhere_goes_on_when_it_is_asked_for_again() {
    let app = App::start().await;
    for steps in 1..=3 {
        let person = app.person().await;
        begin(&app, &person, steps).await;
        let answer = sign_in(&app, &person.email).await;
        ok(answer, StatusCode::BAD_REQUEST).await;
        let cookie = app.cookie(person.id, SessionId(Uuid::now_v7()), TimeDelta::days(1));
        for _ in 0..2 {
            let again = app.visitor().request(Method::DELETE, ME).header("cookie", &cookie);
            assert_eq!(again.send().await.unwrap().status(), StatusCode::NO_CONTENT);
        }
        assert_eq!(count(&app.log, "PersonalDataErased").await, steps);
        ok(sign_up(&app, &person.email).await, StatusCode::CREATED).await;
    }
}

#[tokio::test]
async fn an_erasure_that_broke_off_is_finished_by_who_takes_the_address_next() {
    let app = App::start().await;
    for steps in 1..=2 {
        let person = app.person().await;
        begin(&app, &person, steps).await;
        ok(sign_up(&app, &person.email).await, StatusCode::CREATED).await;
        assert_eq!(count(&app.log, "PersonalDataErased").await, steps);
        assert!(matches!(app.vault.seal(person.id, "email", "x").await, Err(VaultError::Erased)));
    }
}

#[tokio::test]
async fn nothing_of_who_was_erased_is_found_anywhere() {
    const CANARIES: [&str; 4] = ["canary-7391", "canary.example", "canary-password", "argon2id"];
    let app = App::start().await;
    let visitor = app.visitor();
    let email = "Canary-7391@canary.example";
    let body = json!({"email": email, "password": "canary-password 7391"});
    let user = ok(visitor.post("/api/users/signup", &body).await, StatusCode::CREATED).await;
    ok(visitor.post("/api/users/token", &body).await, StatusCode::OK).await;
    visitor.lists(&concert()).await;
    let id = user["id"].as_str().unwrap().parse().unwrap();
    let known = app.log.load::<Account>(&id).await.unwrap().state;
    let Account::Registered { email: sealed, .. } = known else { panic!("{known:?}") };
    assert!(app.vault.open(id, "email", &sealed).await.is_ok());

    assert_eq!(visitor.delete(ME).await.status(), StatusCode::NO_CONTENT);
    assert!(matches!(app.vault.open(id, "email", &sealed).await, Err(VaultError::Erased)));
    let keys: i64 =
        sqlx::query_scalar("select count(*) from vault.person_key where wrapped is not null")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!(keys, 0);

    let mut answers = String::new();
    for answer in [
        visitor.get("/api/users/currentuser").await,
        visitor.get("/api/users/sessions").await,
        visitor.post("/api/users/signin", &body).await,
        visitor.delete(ME).await,
    ] {
        answers.push_str(&format!(
            "{:?} {}\n",
            answer.headers().clone(),
            answer.text().await.unwrap()
        ));
    }
    let places = [
        ("the log", everything(&app.log).await),
        ("the files of the log", files(app.test_log.directory())),
        ("Postgres", dump(&app.pool).await),
        ("an answer", answers),
    ];
    for (place, text) in places {
        assert!(text.len() > 100, "nothing to look through in {place}");
        let text = text.to_lowercase();
        for canary in CANARIES {
            assert!(!text.contains(canary), "{canary} is in {place}");
        }
    }
}

/// Every file below a directory, what is no text replaced.
fn files(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&files(&path));
        } else if path.is_file() {
            text.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
    text
}

/// Every row of every table.
async fn dump(pool: &PgPool) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
         where schemaname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut text = tables.join("\n");
    for table in tables {
        let query = AssertSqlSafe(format!("select row::text from {table} as row"));
        let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(pool).await.unwrap();
        text.push_str(&rows.join("\n"));
    }
    text
}
