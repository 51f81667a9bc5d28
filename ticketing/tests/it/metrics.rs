//! What the roles tell Prometheus: that it is what the alerts and the dashboard ask for, and that it
//! moves when what it tells of does.

#![allow(clippy::float_arithmetic, clippy::float_cmp, reason = "Prometheus knows no other numbers")]

use reqwest::StatusCode;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::exported::Exported;
use crate::program::until;
use crate::roles_alone::Roles;

/// Waits until a role tells of a value that is as it should be.
async fn told(roles: &Roles, role: &str, name: &str, labels: &[(&str, &str)], is: fn(f64) -> bool) {
    until(&format!("{role} tells {name} {labels:?}"), || async {
        roles.told_by(role).await.value(name, labels).filter(|value| is(*value))
    })
    .await;
}

fn of(exported: &Exported, name: &str, labels: &[(&str, &str)]) -> f64 {
    exported.value(name, labels).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_dashboard_ask_for_what_the_roles_tell() {
    let roles = Roles::start().await;
    let (ann, bob) = (roles.sign_up().await, roles.sign_up().await);
    let ticket = ann.list_ticket().await;
    bob.buy(&ticket).await;

    // A sale, as the side that takes commands tells it.
    let before = roles.told_by("command-api").await;
    let accepted = [("aggregate", "order"), ("outcome", "accepted")];
    assert!(of(&before, "commands_total", &accepted) >= 2.0, "placed, and its payment begun");
    assert_eq!(of(&before, "log_append_conflicts_total", &[]), 0.0);
    let (status, body) = bob.order(&ticket).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let after = roles.told_by("command-api").await;
    let refused = [("aggregate", "ticket"), ("outcome", "refused")];
    let requests = [("method", "POST"), ("route", "/api/orders"), ("status", "400")];
    for (name, labels) in [("commands_total", &refused[..]), ("http_requests_total", &requests[..])]
    {
        assert_eq!(of(&after, name, labels) - of(&before, name, labels), 1.0, "{name}");
    }
    assert!(of(&after, "command_seconds_count", &[("aggregate", "ticket")]) > 0.0);
    assert!(of(&after, "log_appends_total", &[]) > 0.0);

    // Two replicas that decide about one ticket in turns.
    let mut ann = ann;
    let ticket = ann.list_ticket().await;
    for price in 1..=6 {
        ann = ann.commanding(if price % 2 == 0 { &roles.replica } else { &roles.commands });
        let body = json!({"title": "Concert", "price": price});
        let (status, body) = ann.put(&format!("/api/tickets/{ticket}"), body).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let conflicts = of(&roles.told_by_all().await, "log_append_conflicts_total", &[]);
    assert!(conflicts >= 1.0, "{conflicts}");

    told(&roles, "projectors", "follower_events_total", &[], |it| it > 0.0).await;
    told(&roles, "relay", "relay_published_total", &[], |it| it >= 5.0).await;
    let log = roles.told_by("log").await;
    assert!(
        of(&log, "log_events_total", &[]) > 0.0 && of(&log, "log_sync_seconds_count", &[]) > 0.0
    );
    let problems = roles.told_by_all().await.problems();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_is_told() {
    let mut roles = Roles::start().await;
    let (ann, bob) = (roles.sign_up().await, roles.sign_up().await);
    let ticket = ann.list_ticket().await;
    told(&roles, "projectors", "follower_events_total", &[], |it| it > 0.0).await;

    // No checkpoint can be moved, and no payment be made.
    let mut db = PgConnection::connect(roles.database.url()).await.unwrap();
    let mut standing = db.begin().await.unwrap();
    let hold = "LOCK TABLE follower.checkpoint IN EXCLUSIVE MODE";
    sqlx::query(hold).execute(&mut *standing).await.unwrap();
    roles.lose_stripe().await;
    let (status, order) = bob.order(&ticket).await;
    assert_eq!(status, StatusCode::CREATED, "{order}");
    let (status, body) = bob.pay(order["id"].as_str().unwrap()).await;
    assert!(status == StatusCode::ACCEPTED || status.is_server_error(), "{status} {body}");
    for name in ["follower_lag_events", "follower_lag_seconds"] {
        told(&roles, "projectors", name, &[], |it| it >= 1.0).await;
    }
    standing.rollback().await.unwrap();
    told(&roles, "projectors", "follower_lag_events", &[], |it| it == 0.0).await;
    let payment = [("process", "payment")];
    told(&roles, "process-managers", "process_manager_tasks_failing", &payment, |it| it == 1.0)
        .await;

    // As if it had failed for good.
    let park =
        "UPDATE process_managers.task SET parked_at = now(), claim = NULL, claimed_until = NULL
                WHERE process = 'payment'";
    sqlx::query(park).execute(&mut db).await.unwrap();
    told(&roles, "process-managers", "process_manager_tasks_parked", &payment, |it| it == 1.0)
        .await;
    told(&roles, "process-managers", "process_manager_tasks_failing", &payment, |it| it == 0.0)
        .await;
}
