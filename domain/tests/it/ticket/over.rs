//! What is over: tickets that are withdrawn, and commands that come again.

use domain::ticket::TicketSold;

use super::*;

// === A withdrawn ticket sells no more, but honours what is reserved ===

#[derive(Default)]
struct Withdrawals {
    withdrawn: bool,
    reserved: BTreeSet<OrderId>,
}

impl Witness for Withdrawals {
    type Of = Ticket;

    fn see(&mut self, step: &Step<'_, Ticket>) -> Result<(), String> {
        if let TicketCommand::Sell { order } | TicketCommand::Release { order, .. } = step.command
            && self.reserved.contains(order)
            && step.events().is_empty()
        {
            return Err("what is reserved is neither sold nor released".to_owned());
        }
        for event in step.events() {
            match event {
                TicketEvent::TicketReserved(_)
                | TicketEvent::TicketEdited(_)
                | TicketEvent::TicketQuantityChanged(_)
                    if self.withdrawn =>
                {
                    return Err("a withdrawn ticket is on sale again".to_owned());
                }
                TicketEvent::TicketReserved(reserved) => {
                    self.reserved.insert(reserved.order);
                }
                TicketEvent::TicketSold(TicketSold { order })
                | TicketEvent::TicketReleased(TicketReleased { order, .. }) => {
                    self.reserved.remove(order);
                }
                TicketEvent::TicketWithdrawn(_) => self.withdrawn = true,
                _ => {}
            }
        }
        if self.withdrawn && step.after.available() > 0 {
            return Err("units of a withdrawn ticket are offered".to_owned());
        }
        Ok(())
    }
}

#[test]
fn a_withdrawn_ticket_sells_no_more_but_honours_what_is_reserved() {
    upheld::<Withdrawals>(commands());
}

#[test]
fn a_withdrawn_ticket_that_is_reserved_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (
                Err(TicketRejection::Withdrawn),
                TicketCommand::Reserve { order, buyer, quantity, expires_at },
            ) => {
                let unit_price = usd(2000);
                let reserved = TicketReserved { order, buyer, quantity, unit_price, expires_at };
                Ok(vec![TicketEvent::TicketReserved(reserved)])
            }
            (decided, _) => decided,
        }
    }
    caught::<Withdrawals>(&Rules::deciding(decide), commands());
}

#[test]
fn a_withdrawn_ticket_that_honours_nothing_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state, &command) {
            (Ticket::Withdrawn(_), TicketCommand::Sell { .. }) => Err(TicketRejection::Withdrawn),
            _ => state.decide(command),
        }
    }
    caught::<Withdrawals>(&Rules::deciding(decide), commands());
}

// === Releasing, selling and returning again is already so ===

#[derive(Default)]
struct Again {
    released: BTreeSet<OrderId>,
    sold: BTreeSet<OrderId>,
    returned: BTreeSet<(OrderId, RefundId)>,
}

impl Witness for Again {
    type Of = Ticket;

    fn see(&mut self, step: &Step<'_, Ticket>) -> Result<(), String> {
        let done = match step.command {
            TicketCommand::Release { order, .. } => self.released.contains(order),
            TicketCommand::Sell { order } => self.sold.contains(order),
            TicketCommand::Return { order, refund, .. } => {
                self.returned.contains(&(*order, *refund))
            }
            _ => false,
        };
        if done && !matches!(step.decided.as_deref(), Ok([])) {
            return Err(format!("{:?} again: {:?}", step.command, step.decided));
        }
        for event in step.events() {
            match event {
                TicketEvent::TicketReserved(reserved) => {
                    self.released.remove(&reserved.order);
                }
                TicketEvent::TicketReleased(released) => {
                    self.released.insert(released.order);
                }
                TicketEvent::TicketSold(sold) => {
                    self.sold.insert(sold.order);
                }
                TicketEvent::TicketReturned(returned) => {
                    self.returned.insert((returned.order, returned.refund));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn what_was_released_sold_or_returned_is_so_already() {
    upheld::<Again>(commands());
}

#[test]
fn units_sold_once_more_are_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Ok(events), TicketCommand::Sell { order }) if events.is_empty() => {
                Ok(vec![TicketEvent::TicketSold(TicketSold { order })])
            }
            (decided, _) => decided,
        }
    }
    caught::<Again>(&Rules::deciding(decide), commands());
}

#[test]
fn a_second_release_that_is_refused_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Ok(events), TicketCommand::Release { .. }) if events.is_empty() => {
                Err(TicketRejection::NotReserved)
            }
            (decided, _) => decided,
        }
    }
    caught::<Again>(&Rules::deciding(decide), commands());
}

#[test]
fn a_second_return_that_is_refused_is_noticed() {
    fn decide(state: &Ticket, command: TicketCommand) -> Decided<Ticket> {
        match (state.decide(command.clone()), command) {
            (Ok(events), TicketCommand::Return { .. }) if events.is_empty() => {
                Err(TicketRejection::NotSold)
            }
            (decided, _) => decided,
        }
    }
    caught::<Again>(&Rules::deciding(decide), commands());
}
