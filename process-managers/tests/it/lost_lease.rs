//! A lease ran out unnoticed, and two workers perform the same task at the same time: whatever each
//! of them has found, an order gets its money or the buyer gets it back.

use std::time::Duration;

use chrono::Utc;
use domain::id::{OrderId, PaymentId, TicketId};
use domain::order::{OrderCommand, Status};
use domain::payment::RefundState;
use domain::ticket::{ReleaseReason, TicketCommand};
use domain::{Order, Payment, Ticket};
use process_managers::payment::PaymentProcess;
use process_managers::process_manager::{Clock, ProcessManager};

use crate::world::{LONG, World, eventually};

const ORDERS: usize = 63;
/// When the unit comes free, after the first worker has begun: before it looks, while it works, and
/// long after it has found the unit gone, on a busy machine too.
const FREED_AFTER: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_micros(700),
    Duration::from_micros(1_400),
    Duration::from_micros(2_800),
    Duration::from_micros(5_600),
    Duration::from_millis(12),
    Duration::from_millis(250),
];

/// An order that is gone, its unit with somebody else, and its money taken.
struct Late {
    ticket: TicketId,
    order: OrderId,
    payment: PaymentId,
    other: OrderId,
}

async fn late(world: &World) -> Late {
    let (ticket, order, payment) = world.taken_too_late().await;
    let other = world.order(ticket, LONG).await;
    Late { ticket, order, payment, other }
}

/// The other gives the unit up.
async fn give_up(world: &World, late: &Late) {
    let (order, reason) = (late.other, ReleaseReason::Cancelled);
    world.execute::<Order>(&order, OrderCommand::Cancel { by: world.buyer }).await;
    world.execute::<Ticket>(&late.ticket, TicketCommand::Release { order, reason }).await;
}

#[tokio::test]
async fn workers_that_find_the_units_gone_and_free_do_not_both_refund_and_reinstate() {
    let world = World::new().await;
    let workers = [world.replica(), world.replica()];
    let [one, two] = workers.each_ref().map(PaymentProcess::new);
    let mut orders = Vec::new();
    for round in 0..ORDERS {
        let late = late(&world).await;
        let settle = world.record_captured(late.payment).await;
        let step = |number: usize| Duration::from_micros(u64::try_from(number).unwrap() * 700);
        let settle = async |worker: &PaymentProcess, wait| {
            tokio::time::sleep(wait).await;
            // It may have to look again; that is left to those who are started below.
            let _later = worker.perform(settle.clone(), Clock::showing(Utc::now())).await;
        };
        let free = async {
            tokio::time::sleep(FREED_AFTER[round % FREED_AFTER.len()]).await;
            give_up(&world, &late).await;
        };
        // Each round the second worker and the freeing of the unit come at other moments.
        tokio::join!(settle(&one, Duration::ZERO), settle(&two, step(round % 9)), free);
        orders.push(late);
    }
    let _working = world.start();
    world.until_idle().await;
    let (mut paid, mut back) = (0, 0);
    for late in &orders {
        let (is_paid, went_back) = (is_paid(&world, late).await, went_back(&world, late).await);
        assert_ne!(is_paid, went_back, "order {} is paid XOR has its money back", late.order);
        assert!(units_agree(&world, late).await, "order {}", late.order);
        paid += usize::from(is_paid);
        back += usize::from(went_back);
    }
    assert!(paid > 0 && back > 0, "{paid} paid, {back} given back: nothing was raced for");
    let refunded = world.captured().iter().filter(|taken| taken.refunded > 0).count();
    assert_eq!(refunded, back);
}

#[tokio::test]
async fn who_dies_between_turning_away_and_giving_back_is_followed_by_one_who_gives_back() {
    let world = World::new().await;
    let late = late(&world).await;
    let turn_away = OrderCommand::TurnAway { payment: late.payment };
    world.execute::<Order>(&late.order, turn_away).await;
    // Free again: whoever looked at nothing but the units would take them.
    give_up(&world, &late).await;
    let _working = world.start();
    eventually("given back", async || went_back(&world, &late).await).await;
    world.until_idle().await;
    assert_eq!(world.status(late.order).await, Some(Status::Cancelled));
    assert!(world.hold(late.ticket, late.order).await.is_none());
}

#[tokio::test]
async fn units_sold_to_an_order_that_turned_its_money_away_are_taken_back() {
    let world = World::new().await;
    let late = late(&world).await;
    give_up(&world, &late).await;
    // One worker dies when it has sold the units, which the other did not find free.
    let expires_at = Utc::now() + LONG;
    let (order, buyer, quantity) = (late.order, world.buyer, domain::text::Quantity::ONE);
    let reserve = TicketCommand::Reserve { order, buyer, quantity, expires_at };
    world.execute::<Ticket>(&late.ticket, reserve).await;
    world.execute::<Ticket>(&late.ticket, TicketCommand::Sell { order }).await;
    let turn_away = OrderCommand::TurnAway { payment: late.payment };
    world.execute::<Order>(&order, turn_away).await;
    let working = world.start();
    eventually("given back", async || went_back(&world, &late).await).await;
    world.until_idle().await;
    assert_eq!(world.hold(late.ticket, order).await.map_or(0, |hold| hold.units), 0);
    // And somebody can have it.
    world.order(late.ticket, LONG).await;
    working.stop().await;
}

async fn is_paid(world: &World, late: &Late) -> bool {
    world.status(late.order).await == Some(Status::Complete { payment: late.payment })
}

/// Sold to a paid order, and free otherwise.
async fn units_agree(world: &World, late: &Late) -> bool {
    let hold = world.hold(late.ticket, late.order).await;
    if is_paid(world, late).await {
        hold.is_some_and(|hold| hold.sold && hold.units == 1)
    } else {
        hold.is_none_or(|hold| hold.units == 0)
    }
}

async fn went_back(world: &World, late: &Late) -> bool {
    let Payment::Initiated { refunds, .. } = world.payment(late.payment).await else {
        return false;
    };
    refunds.values().any(|refund| refund.state == RefundState::Succeeded)
}
