//! What the old shop got wrong with money and time, each by its name.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::id::{AccountId, OrderId, PaymentId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, OrderRejection, Status};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Aggregate, Order, Ticket};
use eventlog::ExecuteError;
use uuid::Uuid;

use crate::world::{LONG, World, cause, eventually};

async fn refused<A: Aggregate>(world: &World, id: &A::Id, command: A::Command) -> A::Rejection {
    match world.log.execute::<A>(id, command, &cause()).await {
        Err(ExecuteError::Rejected(why)) => why,
        other => panic!("not refused: {:?}", other.map(|executed| executed.events)),
    }
}

#[tokio::test]
async fn two_buyers_do_not_both_reserve_one_ticket() {
    let world = World::new().await;
    let ticket = world.list(1).await;
    let reserve = |order: u128| TicketCommand::Reserve {
        order: OrderId(Uuid::from_u128(order)),
        buyer: world.buyer,
        quantity: Quantity::ONE,
        expires_at: Utc::now() + TimeDelta::minutes(15),
    };
    let causes = [cause(), cause()];
    let (one, other) = tokio::join!(
        world.log.execute::<Ticket>(&ticket, reserve(1), &causes[0]),
        world.log.execute::<Ticket>(&ticket, reserve(2), &causes[1]),
    );
    assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|reserved| **reserved).count(), 1);
    let why = refused::<Ticket>(&world, &ticket, reserve(3)).await;
    assert_eq!(why.to_string(), "Ticket is already reserved.");
}

#[tokio::test]
async fn an_order_is_not_paid_twice() {
    let world = World::new().await;
    let _working = world.start();
    let (_, order, _) = world.sold("tok_visa").await;
    let payment = PaymentId(Uuid::new_v4());
    let again = OrderCommand::StartPayment { payment, by: world.buyer, now: Utc::now() };
    refused::<Order>(&world, &order, again).await;
    // Though it was not asked: as a request does that started before the other was done.
    world.initiate(payment, order, "tok_visa").await;
    world.until_idle().await;
    assert_eq!(world.captured().iter().filter(|taken| taken.refunded == 0).count(), 1);
}

#[tokio::test]
async fn deleting_a_paid_order_does_not_free_its_ticket() {
    let world = World::new().await;
    let _working = world.start();
    let (ticket, order, payment) = world.sold("tok_visa").await;
    refused::<Order>(&world, &order, OrderCommand::Cancel { by: world.buyer }).await;
    world.until_idle().await;
    world.until_sold(ticket, order, payment).await;
    assert_eq!(world.captured()[0].refunded, 0);
}

#[tokio::test]
async fn a_late_payment_does_not_complete_an_order_whose_ticket_was_sold_again() {
    let world = World::new().await;
    let (ticket, order, _) = world.taken_too_late().await;
    let other = world.order(ticket, LONG).await;
    let others = world.pay(other, "tok_visa").await;
    let _working = world.start();
    world.until_sold(ticket, other, others).await;
    world.until_idle().await;
    assert_eq!(world.status(order).await, Some(Status::Cancelled));
    let kept: i64 = world.captured().iter().map(|taken| taken.amount - taken.refunded).sum();
    assert_eq!(kept, crate::world::price().minor);
}

#[tokio::test]
async fn a_crash_after_the_charge_loses_neither_the_money_nor_the_order() {
    let world = World::new().await;
    let (ticket, order, payment) = world.taken_unrecorded().await;
    let _working = world.start();
    world.until_sold(ticket, order, payment).await;
    assert_eq!(world.captured().len(), 1);
}

#[tokio::test]
async fn the_end_of_a_cancelled_orders_time_does_not_cancel_it_again() {
    let world = World::new().await;
    let _working = world.start();
    let ticket = world.list(1).await;
    let order = world.order(ticket, Duration::from_millis(300)).await;
    world.execute::<Order>(&order, OrderCommand::Cancel { by: world.buyer }).await;
    world.until_released(ticket, order).await;
    let before = world.log.load::<Order>(&order).await.unwrap().revision;
    let late = Utc::now() + TimeDelta::seconds(1);
    world.execute::<Order>(&order, OrderCommand::Expire { now: late }).await;
    // Another order's time ends later, so this one's has come and gone.
    let other = world.order(ticket, Duration::from_millis(600)).await;
    world.until_order(other, |status| *status == Status::Expired).await;
    world.until_idle().await;
    let after = world.log.load::<Order>(&order).await.unwrap();
    assert_eq!((after.state.status(), after.revision), (Some(&Status::Cancelled), before));
}

#[tokio::test]
async fn money_is_charged_to_the_cent() {
    let world = World::new().await;
    let _working = world.start();
    // In binary floats 19.99 × 100 is 1998.9999999999998.
    let price = Money::parse("19.99", Currency::USD).unwrap();
    let payment = PaymentId(Uuid::new_v4());
    let ticket = world.list(1).await;
    let order = world.order(ticket, LONG).await;
    let start = OrderCommand::StartPayment { payment, by: world.buyer, now: Utc::now() };
    world.execute::<Order>(&order, start).await;
    let intent = domain::payment::PaymentInitiated {
        order,
        buyer: world.buyer,
        amount: price.times(3).unwrap(),
        source: "tok_visa".to_owned(),
        provider_key: payment.to_string(),
    };
    world
        .execute::<domain::Payment>(&payment, domain::payment::PaymentCommand::Initiate(intent))
        .await;
    eventually("charged", async || world.captured().len() == 1).await;
    assert_eq!(world.captured()[0].amount, 5997);
}

#[tokio::test]
async fn timers_are_not_lost_with_what_keeps_them() {
    let world = World::new().await;
    let ticket = world.list(1).await;
    let killed = world.start();
    let order = world.order(ticket, Duration::from_millis(1500)).await;
    eventually("on the list", async || !world.tasks().await.is_empty()).await;
    drop(killed);
    // All that Postgres knew of it; the log has it still.
    for table in ["process_managers.task", "follower.checkpoint"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}")))
            .execute(&world.pool)
            .await
            .unwrap();
    }
    let _working = world.start();
    world.until_order(order, |status| *status == Status::Expired).await;
    world.until_released(ticket, order).await;
}

#[tokio::test]
async fn an_order_costs_what_the_ticket_cost_when_it_was_reserved() {
    let world = World::new().await;
    let ticket = world.list(2).await;
    let order = world.reserve(ticket, Utc::now() + TimeDelta::minutes(15)).await;
    let seller = world.log.load::<Ticket>(&ticket).await.unwrap().state;
    let by: AccountId = seller.listing().unwrap().seller;
    let dearer = Money { minor: 9900, currency: Currency::USD };
    let edit = TicketCommand::Edit { by, title: Title::parse("Dearer").unwrap(), price: dearer };
    world.execute::<Ticket>(&ticket, edit).await;
    let _working = world.start();
    world.until_order(order, |status| *status == Status::Created).await;
    let placed = world.log.load::<Order>(&order).await.unwrap().state;
    assert_eq!(placed.terms().unwrap().total, crate::world::price());
}

#[tokio::test]
async fn an_order_is_neither_paid_nor_ended_out_of_time() {
    let world = World::new().await;
    let ticket = world.list(1).await;
    let order = world.order(ticket, Duration::from_millis(100)).await;
    let early = OrderCommand::Expire { now: Utc::now() - TimeDelta::minutes(1) };
    let why = refused::<Order>(&world, &order, early).await;
    assert!(matches!(why, OrderRejection::NotYetExpired { .. }), "{why}");
    let late = Utc::now() + TimeDelta::minutes(1);
    let payment = PaymentId(Uuid::new_v4());
    let pay = OrderCommand::StartPayment { payment, by: world.buyer, now: late };
    refused::<Order>(&world, &order, pay).await;
}
