//! What may not happen on the way, whatever the books come to in the end.
//!
//! An order lets go of its units only when no payment can take money for it any more. The provider
//! alone can say so, by calling the payment off for ever; so it must have, and not later than the
//! log says that the payment came to nothing. A shop that let go first, and found out afterwards
//! that money was taken, would give it back and have balanced books, and a buyer who paid in time
//! would stand there with a refund and no ticket.

use std::collections::HashMap;

use domain::Payment;
use domain::id::PaymentId;
use domain::payment::{AT_THE_DOOR, Outcome};
use stripe_sandbox::PaymentView;

use super::{Books, History};

pub(super) fn check(history: &History, provider: Option<&[PaymentView]>, books: &mut Books) {
    books.disagreements.extend(history.too_soon.iter().cloned());
    for payment in &history.taken_after_all {
        let line = format!("payment {payment} took money after the log had called it off");
        books.disagreements.push(line);
    }
    let Some(provider) = provider else { return };
    let mut at_provider = HashMap::new();
    for view in provider {
        let payment = view.metadata.get("payment").and_then(|payment| payment.parse().ok());
        if let Some(payment) = payment {
            at_provider.insert(payment, view);
        }
    }
    check_called_off(history, &at_provider, books);
    check_paid_in_time(history, &at_provider, books);
}

/// What came to nothing can take no money any more.
fn check_called_off(
    history: &History,
    at_provider: &HashMap<PaymentId, &PaymentView>,
    books: &mut Books,
) {
    for (payment, said_at) in &history.came_to_nothing {
        let Some(Payment::Initiated { intent, outcome, .. }) = history.payments.get(payment) else {
            continue;
        };
        let wrong = match at_provider.get(payment) {
            // There is no provider at the door.
            _ if intent.source == AT_THE_DOOR => continue,
            Some(view) => match view.canceled_at {
                Some(at) if at <= said_at.timestamp() => continue,
                Some(_) => "was called off there only afterwards".to_owned(),
                None => format!("is {} there", view.status),
            },
            None if *outcome == Outcome::Voided => "is not known there".to_owned(),
            // It refused to make it.
            None => continue,
        };
        let line = format!("payment {payment} was let go without asking the provider: it {wrong}");
        books.disagreements.push(line);
    }
}

/// Whoever paid in time gets what they paid for.
fn check_paid_in_time(
    history: &History,
    at_provider: &HashMap<PaymentId, &PaymentView>,
    books: &mut Books,
) {
    for (id, (order, _)) in &history.orders {
        let Some(terms) = order.terms() else { continue };
        for payment in order.turned_away() {
            let captured_at = at_provider.get(&payment).and_then(|view| view.captured_at);
            if captured_at.is_some_and(|at| at < terms.expires_at.timestamp()) {
                let line = format!("order {id} was paid in time by {payment}, and was refused");
                books.disagreements.push(line);
            }
        }
    }
}

#[cfg(test)]
mod tests;
