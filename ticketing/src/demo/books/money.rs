//! Whether the log, the provider and the ledger say the same of every order's money.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::Payment;
use domain::id::{OrderId, PaymentId};
use domain::order::Status;
use domain::payment::{Outcome, RefundState};
use projectors::ledger::Report;
use stripe_sandbox::PaymentView;

use super::{Books, History};

/// Compares for each order what it should have cost, what the log says was taken and kept, and
/// what the provider has; then all of it with the ledger.
pub(super) fn check(
    history: &History,
    provider: Option<&[PaymentView]>,
    ledger: &Report,
    books: &mut Books,
) {
    let kept = kept_by_log(history, books);
    for (id, (order, _)) in &history.orders {
        let Some(status) = order.status() else { continue };
        let due = due(history, status, order.terms().map_or(0, |terms| terms.total.minor));
        let kept = kept.get(id).copied().unwrap_or_default();
        if let Some(due) = due
            && kept != due
        {
            let status = status.as_str();
            books.disagreements.push(format!("order {id} is {status} and has {kept}, not {due}"));
        }
    }
    if let Some(payments) = provider {
        check_provider(history, payments, &kept, books);
        check_ledger_at_provider(payments, ledger, books);
    }
    books.ledger_entries = ledger.entries;
    if let Some(off) = &ledger.off {
        books.disagreements.push(format!("the ledger: {off}"));
    }
    let on_their_way = ledger.balances.get("refunds").into_iter().flatten();
    for (currency, minor) in on_their_way.filter(|(_, minor)| **minor != 0) {
        books.disagreements.push(format!("the ledger has {minor} {currency} on their way back"));
    }
}

/// What was taken for each order and has not gone back.
fn kept_by_log(history: &History, books: &mut Books) -> HashMap<OrderId, i64> {
    let mut kept: HashMap<OrderId, i64> = HashMap::new();
    for payment in history.payments.values() {
        let Payment::Initiated {
            intent,
            outcome: Outcome::Captured { .. },
            refunds,
            taken_back,
            ..
        } = payment
        else {
            continue;
        };
        books.captured += 1;
        let back = refunds.values().filter(|refund| refund.state == RefundState::Succeeded);
        let back: i64 = back.map(|refund| refund.amount.minor).sum();
        *kept.entry(intent.order).or_default() += intent.amount.minor - back - taken_back.minor();
    }
    kept
}

/// What an order should have cost by now; none while its money is on its way back.
fn due(history: &History, status: &Status, total: i64) -> Option<i64> {
    let taken_back = |payment: &PaymentId| match history.payments.get(payment) {
        Some(Payment::Initiated { taken_back, .. }) => taken_back.minor(),
        Some(Payment::None) | None => 0,
    };
    match status {
        Status::Complete { payment } => Some(total - taken_back(payment)),
        Status::Refunding { .. } | Status::Refunded { .. } => None,
        Status::Created | Status::AwaitingPayment { .. } | Status::Cancelled | Status::Expired => {
            Some(0)
        }
    }
}

fn check_provider(
    history: &History,
    payments: &[PaymentView],
    kept: &HashMap<OrderId, i64>,
    books: &mut Books,
) {
    let (mut held, mut keys) = (HashMap::<OrderId, i64>::new(), HashSet::new());
    let succeeded: Vec<_> = payments.iter().filter(|it| it.status == "succeeded").collect();
    books.charged = Some(succeeded.len());
    for charge in &succeeded {
        let order = charge.metadata.get("order").and_then(|order| order.parse().ok());
        let payment = charge.metadata.get("payment");
        let key: Option<PaymentId> = payment.and_then(|payment| payment.parse().ok());
        if key.is_none_or(|key| !keys.insert(key) || !history.payments.contains_key(&key)) {
            let id = &charge.id;
            books.disagreements.push(format!("the provider took {id}, which nobody asked for"));
        }
        if let Some(order) = order {
            *held.entry(order).or_default() += charge.amount - charge.refunded - charge.disputed;
        }
    }
    let orders: HashSet<_> = kept.keys().chain(held.keys()).collect();
    for order in orders {
        let (kept, held) = (kept.get(order).copied(), held.get(order).copied());
        let (kept, held) = (kept.unwrap_or_default(), held.unwrap_or_default());
        if kept != held {
            let line = format!("order {order}: the provider has {held}, the log says {kept}");
            books.disagreements.push(line);
        }
    }
}

fn check_ledger_at_provider(payments: &[PaymentView], ledger: &Report, books: &mut Books) {
    let mut held: BTreeMap<&str, i128> = BTreeMap::new();
    for charge in payments.iter().filter(|it| it.status == "succeeded") {
        *held.entry(&charge.currency).or_default() +=
            i128::from(charge.amount - charge.refunded - charge.disputed - charge.fees);
    }
    let known = ledger.balances.get("provider").cloned().unwrap_or_default();
    for (currency, held) in held {
        let known = known.get(currency).copied().unwrap_or_default();
        if known != held {
            let line =
                format!("the provider has {held} {currency} in all, the ledger says {known}");
            books.disagreements.push(line);
        }
    }
}
