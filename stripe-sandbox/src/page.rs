//! The page: payments and events, and buttons for what others than the shop do.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;

use crate::Sandbox;
use crate::intent::dispute::DisputeState;
use crate::intent::{Intent, Status};
use crate::news::Event;

/// Payments and events shown at most, the newest first.
const SHOWN_MAX: usize = 100;

pub(crate) fn router() -> Router<Sandbox> {
    Router::new().route("/", get(page))
}

async fn page(State(sandbox): State<Sandbox>) -> Html<String> {
    let state = sandbox.state();
    let (mut payments, mut events) = (String::new(), String::new());
    for intent in state.book.intents().rev().take(SHOWN_MAX) {
        payment_row(&mut payments, intent);
    }
    for event in state.book.events().rev().take(SHOWN_MAX) {
        event_row(&mut events, event);
    }
    let told = match &sandbox.manner().to {
        Some(to) => format!("They are sent to {}.", escaped(&to.url)),
        None => "They are sent nowhere.".to_owned(),
    };
    let page = include_str!("page.html")
        .replace("<!-- payments -->", or(&payments, "No payments yet."))
        .replace("<!-- events -->", or(&events, "No events yet."))
        .replace("<!-- told -->", &told);
    Html(page)
}

fn or<'a>(rows: &'a str, nothing: &'a str) -> &'a str {
    if rows.is_empty() { nothing } else { rows }
}

fn payment_row(rows: &mut String, intent: &Intent) {
    let id = escaped(&intent.id);
    let card = intent.method.as_ref().map_or("", |method| &method.card);
    let error = intent.last_error.as_ref().map_or("", |last| &last.error.message);
    let mut note = escaped(error);
    for (name, value) in &intent.metadata {
        note += &format!("<br>{} {}", escaped(name), escaped(value));
    }
    for refund in &intent.refunds {
        note += &format!("<br>refund of {} {}", refund.amount, refund.state.as_str());
    }
    for dispute in &intent.disputes {
        let reason = escaped(&dispute.reason);
        note += &format!("<br>dispute of {} ({reason}) {}", dispute.amount, dispute.state.as_str());
    }
    note += "<br>";
    for (deed, label) in deeds(intent) {
        note += &format!(
            "<form method=post action=\"/sandbox/payments/{id}/{deed}\">\
             <button>{label}</button></form> "
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

/// What can be done to a payment as it is.
fn deeds(intent: &Intent) -> &'static [(&'static str, &'static str)] {
    let open = intent.disputes.iter().any(|it| it.state == DisputeState::NeedsResponse);
    match intent.status {
        Status::RequiresAction | Status::Processing => {
            &[("approve", "Bank approves"), ("refuse", "Bank refuses")]
        }
        Status::Succeeded if open => {
            &[("win", "Bank decides for the shop"), ("lose", "Bank decides for the buyer")]
        }
        Status::Succeeded if !intent.is_disputed() && intent.refunded() < intent.amount => {
            &[("refund", "Refund, as in the dashboard"), ("dispute", "Buyer disputes")]
        }
        Status::RequiresPaymentMethod
        | Status::RequiresConfirmation
        | Status::Succeeded
        | Status::Canceled => &[],
    }
}

fn event_row(rows: &mut String, event: &Event) {
    let id = escaped(&event.news.id);
    let taken = if event.is_delivered() { "taken" } else { "" };
    let _written = writeln!(
        rows,
        "<tr><td>{id}<td>{}<td>{}<td>{taken}<td><form method=post \
         action=\"/sandbox/events/{id}/send\"><button>Send again</button></form>",
        escaped(&event.news.kind),
        escaped(&event.intent.id),
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
