//! Passwords that change, and sessions that end.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{App, PASSWORD, bad_fields, ok, refused};
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
