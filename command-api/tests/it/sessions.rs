//! Passwords that change, and sessions that end.

use chrono::{TimeDelta, Utc};
use domain::Account;
use domain::account::{AccountCommand, SESSIONS_MAX};
use domain::id::SessionId;
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use uuid::Uuid;

use crate::app::{App, PASSWORD, bad_fields, cause, ok, refused};
use crate::bank::count;

const NEW: &str = "a better password";
const CHANGE: &str = "/api/users/me/password";

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_ends_the_other_sessions() {
    let app = App::start().await;
    let person = app.person().await;
    let signed_in = |password| json!({"email": person.email, "password": password});
    let elsewhere = app.visitor();
    ok(elsewhere.post("/api/users/signin", &signed_in(PASSWORD)).await, StatusCode::OK).await;
    let (program, refresh) = person.tokens().await;

    let body = json!({"password": PASSWORD, "newPassword": NEW});
    // Once more, as after a lost answer: nothing more happens.
    for _ in 0..2 {
        assert_eq!(person.put(CHANGE, &body).await.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(count(&app.log, "PasswordChanged").await, 1);
    assert_eq!(person.current_user().await["email"], person.email);
    assert_eq!(elsewhere.current_user().await, Value::Null);
    let request = person.program(Method::GET, "/api/users/sessions", &program);
    ok(request.send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
    ok(person.refresh(&refresh).await, StatusCode::UNAUTHORIZED).await;
    let old = app.visitor().post("/api/users/signin", &signed_in(PASSWORD)).await;
    ok(old, StatusCode::BAD_REQUEST).await;
    ok(app.visitor().post("/api/users/signin", &signed_in(NEW)).await, StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_with_the_old_password_while_it_is_changed_is_not_signed_in_after_it() {
    let app = App::start().await;
    let person = app.person().await;
    let old = json!({"email": person.email, "password": PASSWORD});
    let visitors: Vec<_> = (0..6).map(|_| app.visitor()).collect();
    let sign_in = async |n: usize| {
        let path = if n.is_multiple_of(2) { "/api/users/signin" } else { "/api/users/token" };
        visitors[n].post(path, &old).await.status()
    };
    let change = json!({"password": PASSWORD, "newPassword": NEW});
    let (answers, changed) =
        tokio::join!(join_all((0..6).map(sign_in)), person.put(CHANGE, &change));
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    let told = [StatusCode::OK, StatusCode::BAD_REQUEST];
    assert!(answers.iter().all(|status| told.contains(status)), "{answers:?}");
    let answer = ok(person.get("/api/users/sessions").await, StatusCode::OK).await;
    assert_eq!(answer["sessions"].as_array().unwrap().len(), 1, "{answer}");
}

#[tokio::test]
async fn a_password_is_changed_only_by_whoever_knows_it() {
    let app = App::start().await;
    let person = app.person().await;
    ok(app.visitor().put(CHANGE, &json!({})).await, StatusCode::UNAUTHORIZED).await;
    assert_eq!(bad_fields(person.put(CHANGE, &json!({})).await).await, ["password", "newPassword"]);
    for wrong in ["wrong horse battery", "x"] {
        let response = person.put(CHANGE, &json!({"password": wrong, "newPassword": NEW})).await;
        assert_eq!(refused(response, StatusCode::BAD_REQUEST).await, "Invalid credentials");
    }
    assert_eq!(count(&app.log, "PasswordChanged").await, 0);
}

#[tokio::test]
async fn a_person_sees_the_open_sessions_and_ends_one() {
    let app = App::start().await;
    let person = app.person().await;
    let (program, _) = person.tokens().await;
    let list = async || {
        let answer = ok(person.get("/api/users/sessions").await, StatusCode::OK).await;
        answer["sessions"].as_array().unwrap().clone()
    };
    let sessions = list().await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let find = |holder: &str| sessions.iter().find(|session| session["holder"] == holder).unwrap();
    assert_eq!(find("browser")["current"], true);
    assert_eq!(find("program")["current"], false);

    let path = format!("/api/users/sessions/{}", find("program")["id"].as_str().unwrap());
    // Somebody else's attempt ends nothing.
    let other = app.person().await;
    assert_eq!(other.delete(&path).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(list().await.len(), 2);
    for _ in 0..2 {
        assert_eq!(person.delete(&path).await.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(list().await.len(), 1);
    let request = person.program(Method::GET, "/api/users/sessions", &program);
    ok(request.send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn nobody_has_more_than_so_many_sessions_and_the_one_that_would_end_first_gives_way() {
    let app = App::start().await;
    let person = app.person().await;
    // Signing in by password is limited, and means to be slow; a program's session counts the same.
    let known = app.log.load::<Account>(&person.id).await.unwrap().state;
    let Account::Registered { password: verified, .. } = known else { panic!("{known:?}") };
    let now = Utc::now();
    for n in 1..SESSIONS_MAX {
        let open = AccountCommand::OpenSession {
            verified: verified.clone(),
            session: SessionId(Uuid::now_v7()),
            now,
            // They end before the first one, each a little later.
            expires_at: now + TimeDelta::minutes(i64::try_from(n).unwrap()),
        };
        app.log.execute::<Account>(&person.id, open, &cause()).await.unwrap();
    }
    let sessions = async || {
        let answer = ok(person.get("/api/users/sessions").await, StatusCode::OK).await;
        let sessions = answer["sessions"].as_array().unwrap().clone();
        sessions.into_iter().map(|it| it["id"].clone()).collect::<Vec<_>>()
    };
    let full = sessions().await;
    assert_eq!(full.len(), SESSIONS_MAX);

    let body = json!({"email": person.email, "password": PASSWORD});
    let elsewhere = app.visitor();
    ok(elsewhere.post("/api/users/signin", &body).await, StatusCode::OK).await;
    let still = sessions().await;
    assert_eq!(still.len(), SESSIONS_MAX, "one more has come, so one has gone");
    assert_eq!(full.iter().filter(|id| !still.contains(id)).count(), 1);
    assert_eq!(elsewhere.current_user().await["email"], person.email);
    assert_eq!(person.current_user().await["email"], person.email, "it lasts longest, it stays");
}
