//! What only a sandbox has: the page where a person is the bank, the list to reckon by, faults.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::Sandbox;
use crate::book::Line;
use crate::faults::Fault;
use crate::intent::{Intent, Status};

/// Payments shown on the page at most, the newest first.
const SHOWN_MAX: usize = 200;

pub(crate) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/", get(page))
        .route("/sandbox/payments", get(payments))
        .route("/sandbox/payments/{id}/approve", post(approve))
        .route("/sandbox/payments/{id}/refuse", post(refuse))
        .route("/sandbox/faults", post(add_fault).delete(clear_faults))
}

async fn page(State(sandbox): State<Sandbox>) -> Html<String> {
    let state = sandbox.state();
    let mut rows = String::new();
    for intent in state.book.intents().rev().take(SHOWN_MAX) {
        row(&mut rows, intent);
    }
    if rows.is_empty() {
        rows.push_str("<tr><td colspan=5>No payments yet.</td></tr>");
    }
    Html(include_str!("page.html").replace("<!-- rows -->", &rows))
}

async fn payments(State(sandbox): State<Sandbox>) -> Response {
    match sandbox.payments_kept().await {
        Ok(payments) => Json(payments).into_response(),
        Err(failed) => (StatusCode::INTERNAL_SERVER_ERROR, failed.to_string()).into_response(),
    }
}

async fn approve(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    authenticate(&sandbox, &id, true).await
}

async fn refuse(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    authenticate(&sandbox, &id, false).await
}

/// The bank's word on a payment that waits for it; then back to the page.
async fn authenticate(sandbox: &Sandbox, id: &str, approved: bool) -> Response {
    let receipt = {
        let mut state = sandbox.state();
        let Some(intent) = state.book.intent(id) else {
            return (StatusCode::NOT_FOUND, "no such payment").into_response();
        };
        let mut intent = Intent::clone(intent);
        if let Err(error) = intent.authenticate(approved) {
            return (StatusCode::CONFLICT, error.message).into_response();
        }
        state.commit(Line { intent: Arc::new(intent), kept: None })
    };
    match receipt.wait().await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(failed) => (StatusCode::INTERNAL_SERVER_ERROR, failed.to_string()).into_response(),
    }
}

async fn add_fault(State(sandbox): State<Sandbox>, Json(fault): Json<Fault>) -> StatusCode {
    if sandbox.faults().add(fault) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

async fn clear_faults(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.faults().clear();
    StatusCode::NO_CONTENT
}

fn row(rows: &mut String, intent: &Intent) {
    let id = escaped(&intent.id);
    let card = intent.method.as_ref().map_or("", |method| &method.card);
    let error = intent.last_error.as_ref().map_or("", |last| &last.error.message);
    let mut note = escaped(error);
    for (name, value) in &intent.metadata {
        note += &format!("<br>{} {}", escaped(name), escaped(value));
    }
    let refunded = intent.refunded();
    if refunded > 0 {
        note += &format!("<br>refunded {refunded}");
    }
    if intent.status == Status::RequiresAction {
        note += &format!(
            "<form method=post action=\"/sandbox/payments/{id}/approve\">\
             <button>Bank approves</button></form> \
             <form method=post action=\"/sandbox/payments/{id}/refuse\">\
             <button>Bank refuses</button></form>"
        );
    }
    let status = intent.status.as_str();
    // Writing to a String cannot fail.
    let _written = writeln!(
        rows,
        "<tr id=\"{id}\"><td>{id}<td class=amount>{} {}<td>{}<td class={status}>{status}<td>{note}",
        intent.amount,
        escaped(&intent.currency),
        escaped(card),
    );
}

fn escaped(text: &str) -> String {
    let escape = |character| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => String::from(other),
    };
    text.chars().map(escape).collect()
}
