//! What can happen next, and what must never be.

use std::sync::Arc;

use domain::account::Sealed;
use domain::id::PaymentId;
use domain::order::{OrderCommand, Status};
use domain::payment::{Outcome, PaymentCommand, ProviderResult, RefundResult};
use domain::text::Quantity;
use domain::ticket::{ReleaseReason, TicketCommand};
use domain::{Aggregate, Order, Ticket};
use stateright::{Model, Property};

use super::process::{Hand, Then};
use super::world::{
    Attempt, Basket, Provider, World, buyer, early, intent, list, order_id, order_over_id, over,
    payment_id, refund_id, reserve, terms,
};
use crate::rules::Rules;

const BASKETS: usize = 2;

/// The rules and the numbers of one search.
pub(crate) struct Checkout {
    pub(crate) units: u32,
    /// By attempt to pay: whose order.
    pub(crate) payers: &'static [usize],
    /// Whether it is also looked at from each state whether all comes to rest, which takes as long
    /// again.
    pub(crate) to_the_end: bool,
    /// How many work on one payment at once: one, or two when a lease has run out unnoticed.
    pub(crate) workers: usize,
    /// The provider takes money that it has called off or declined.
    pub(crate) unruly: bool,
    pub(crate) orders: Rules<Order>,
    pub(crate) tickets: Rules<Ticket>,
}

/// The number of a basket or of an attempt goes with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The time to pay is over.
    TimePasses,
    // What people do.
    Reserve(usize),
    StartPayment(usize),
    Cancel(usize),
    /// The buyer finishes what the bank asked for.
    BankDecides(usize, Provider),
    // What goes on by itself, some time or never.
    Place(usize),
    Initiate(usize),
    Expire(usize),
    Release(usize),
    /// Units sold to an order that is over come back, or first a payment is turned away that may
    /// still bring the order back.
    TakeBack(usize),
    /// Word from the provider, as the answer to a question or as a webhook, early, late or again.
    Learn(usize, Provider),
    Read(Worker),
    /// The provider's answer matters only to a charge.
    Act(Worker, Provider),
    Crash(Worker),
}

/// One of those who take a payment to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    attempt: usize,
    number: usize,
}

pub(crate) const NEVER_OVERSOLD: &str = "never oversold";
pub(crate) const PAID_KEEPS_UNITS: &str = "a paid order keeps its units";
pub(crate) const NOT_OVER_WHILE_UNDECIDED: &str = "no order ends while its payment is undecided";
pub(crate) const ONE_CHARGE: &str = "at most one charge an order";
pub(crate) const NOT_BOTH: &str = "an order is not both paid and refunded";
const PAID_XOR_RELEASED: &str = "in the end an order is paid and has its units, or neither";
const MONEY_SETTLED: &str = "in the end money is with a paid order, or back";

const COMES_TO_REST: &str = "whatever was interrupted goes on to its end";

/// More than any undisturbed end takes.
const STEPS_MAX: usize = 100;

type Promise = fn(&Checkout, &World) -> bool;

pub(crate) const PROMISES: &[(&str, Promise)] = &[
    (NEVER_OVERSOLD, |checkout, world| {
        let listing = world.ticket.listing().unwrap();
        let held: u32 = listing.holds.values().map(|hold| hold.units).sum();
        let paid = world.baskets.iter().filter(|basket| basket.is_paid()).count();
        held <= checkout.units && paid <= checkout.units as usize
    }),
    (PAID_KEEPS_UNITS, |_, world| {
        let holds = &world.ticket.listing().unwrap().holds;
        let mut baskets = world.baskets.iter().enumerate();
        let has = |number| holds.get(&order_id(number)).is_some_and(|hold| hold.units > 0);
        baskets.all(|(number, basket)| !basket.is_paid() || has(number))
    }),
    (NOT_OVER_WHILE_UNDECIDED, |checkout, world| {
        let mut attempts = world.attempts.iter().zip(checkout.payers);
        let over = |payer: &usize| world.baskets[*payer].is_over();
        !checkout.is_orderly()
            || attempts.all(|(attempt, payer)| !(attempt.is_charged_for() && over(payer)))
    }),
    (ONE_CHARGE, |checkout, world| {
        let charged = |basket| {
            let attempts = world.attempts.iter().zip(checkout.payers);
            let own = attempts.filter(|(_, payer)| **payer == basket);
            own.filter(|(attempt, _)| attempt.provider == Provider::Captured).count()
        };
        !checkout.is_orderly() || (0..BASKETS).all(|basket| charged(basket) <= 1)
    }),
    (NOT_BOTH, |checkout, world| {
        let mut attempts = world.attempts.iter().enumerate().zip(checkout.payers);
        attempts.all(|((number, attempt), payer)| {
            !(attempt.refunded && world.baskets[*payer].is_paid_by(number))
        })
    }),
    (PAID_XOR_RELEASED, |checkout, world| {
        let holds = &world.ticket.listing().unwrap().holds;
        let kept = |number, basket: &Basket| {
            let hold = holds.get(&order_id(number));
            let units = hold.map_or(0, |hold| hold.units);
            if basket.is_paid() {
                units > 0 && hold.is_some_and(|hold| hold.sold)
            } else {
                units == 0
            }
        };
        let mut baskets = world.baskets.iter().enumerate();
        baskets.all(|(number, basket)| kept(number, basket)) || !checkout.at_rest(world)
    }),
    (MONEY_SETTLED, |checkout, world| {
        let mut attempts = world.attempts.iter().enumerate().zip(checkout.payers);
        let settled = attempts.all(|((number, attempt), payer)| {
            attempt.provider != Provider::Captured
                || attempt.refunded != world.baskets[*payer].is_paid_by(number)
        });
        settled || !checkout.at_rest(world)
    }),
    (COMES_TO_REST, |checkout, world| {
        let restarted = world.late && !world.attempts.iter().any(Attempt::is_worked_on);
        !(checkout.to_the_end && restarted) || checkout.comes_to_rest(world.clone())
    }),
];

impl Basket {
    fn is_paid(&self) -> bool {
        matches!(self.order.status(), Some(Status::Complete { .. }))
    }

    fn is_paid_by(&self, attempt: usize) -> bool {
        matches!(
            self.order.status(),
            Some(Status::Complete { payment }) if *payment == payment_id(attempt)
        )
    }

    fn is_over(&self) -> bool {
        matches!(self.order.status(), Some(Status::Cancelled | Status::Expired))
    }
}

impl Attempt {
    fn workers(&self, attempt: usize) -> impl Iterator<Item = (Worker, Hand)> {
        let hands = self.hands.iter().copied().enumerate();
        hands.map(move |(number, hand)| (Worker { attempt, number }, hand))
    }

    fn is_worked_on(&self) -> bool {
        self.hands.iter().any(|hand| *hand != Hand::Empty)
    }

    /// The provider may still take the money, or has.
    fn is_charged_for(&self) -> bool {
        match self.provider {
            Provider::BankAsks | Provider::Captured => !self.refunded,
            Provider::Unasked | Provider::Declined | Provider::Voided => false,
        }
    }
}

impl Model for Checkout {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut ticket = Arc::default();
        self.tickets.ask(&mut ticket, list(self.units));
        vec![World {
            late: false,
            ticket,
            baskets: vec![Basket::default(); BASKETS],
            attempts: vec![self.attempt(); self.payers.len()],
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if !world.late {
            actions.push(Action::TimePasses);
        }
        for number in 0..BASKETS {
            actions.extend([Action::Reserve(number), Action::Cancel(number)]);
        }
        for (number, attempt) in world.attempts.iter().enumerate() {
            actions.push(Action::StartPayment(number));
            match attempt.provider {
                Provider::BankAsks => {
                    let ends = [Provider::Captured, Provider::Declined];
                    actions.extend(ends.map(|end| Action::BankDecides(number, end)));
                }
                Provider::Declined | Provider::Voided if self.unruly => {
                    actions.push(Action::BankDecides(number, Provider::Captured));
                }
                _ => {}
            }
            let busy = attempt.workers(number).filter(|(_, hand)| *hand != Hand::Empty);
            actions.extend(busy.map(|(worker, _)| Action::Crash(worker)));
        }
        self.by_itself(world, actions);
    }

    /// None: nothing changes.
    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::TimePasses => next.late = true,
            Action::Reserve(number) => self.reserve(&mut next, number),
            Action::Place(number) => {
                self.ask_order(&mut next, number, OrderCommand::Place(terms(number)));
            }
            Action::Cancel(number) => {
                self.ask_order(&mut next, number, OrderCommand::Cancel { by: buyer(number) });
            }
            Action::Expire(number) => {
                self.ask_order(&mut next, number, OrderCommand::Expire { now: over() });
            }
            Action::Release(number) => {
                let (order, reason) = (order_id(number), ReleaseReason::Expired);
                let release = TicketCommand::Release { order, reason };
                self.tickets.ask(&mut next.ticket, release);
            }
            Action::TakeBack(number) => self.take_back(&mut next, number),
            Action::StartPayment(number) => self.start_payment(&mut next, number),
            Action::Initiate(number) => {
                let intent = intent(self.payers[number], number);
                next.attempts[number].record(PaymentCommand::Initiate(intent));
            }
            Action::BankDecides(number, end) => next.attempts[number].provider = end,
            Action::Learn(number, fact) => next.attempts[number].learn(fact),
            Action::Read(worker) => {
                let task = world.next_task(self.payers[worker.attempt], worker.attempt);
                next.attempts[worker.attempt].hands[worker.number] = task;
            }
            Action::Act(worker, answer) => self.act(&mut next, worker, answer),
            Action::Crash(Worker { attempt, number }) => {
                next.attempts[attempt].hands[number] = Hand::Empty;
            }
        }
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let promises = PROMISES.iter().map(|(name, kept)| Property::always(name, *kept));
        let stories: [(&'static str, Promise); 4] = [
            ("somebody pays", |_, world| world.baskets.iter().any(Basket::is_paid)),
            ("an order runs out", |_, world| world.baskets.iter().any(Basket::is_over)),
            ("the bank asks", |_, world| world.attempts.iter().any(|attempt| attempt.bank_asked)),
            ("all is at rest", |checkout, world| checkout.at_rest(world)),
        ];
        let late: [(&'static str, Promise); 2] = [
            ("an order comes back", |_, world| {
                world.baskets.iter().any(|basket| basket.seen_over && basket.is_paid())
            }),
            ("money goes back", |_, world| world.attempts.iter().any(|attempt| attempt.refunded)),
        ];
        let late = late.into_iter().filter(|_| self.unruly);
        let stories =
            stories.into_iter().chain(late).map(|(name, told)| Property::sometimes(name, told));
        promises.chain(stories).collect()
    }
}

impl Checkout {
    /// What goes on without anybody's doing.
    fn by_itself(&self, world: &World, actions: &mut Vec<Action>) {
        for (number, basket) in world.baskets.iter().enumerate() {
            if basket.reserved && *basket.order == Order::Unplaced {
                actions.push(Action::Place(number));
            }
            if world.late {
                actions.push(Action::Expire(number));
            }
            if basket.seen_over {
                actions.extend([Action::Release(number), Action::TakeBack(number)]);
            }
        }
        for (number, attempt) in world.attempts.iter().enumerate() {
            if attempt.started {
                actions.push(Action::Initiate(number));
            }
            if attempt.bank_asked {
                actions.push(Action::Learn(number, Provider::BankAsks));
            }
            actions.push(Action::Learn(number, attempt.provider));
            for (worker, hand) in attempt.workers(number) {
                match hand {
                    Hand::Empty => actions.push(Action::Read(worker)),
                    Hand::Charge if attempt.provider == Provider::Unasked => {
                        let answers = [Provider::BankAsks, Provider::Declined, Provider::Captured];
                        actions.extend(answers.map(|answer| Action::Act(worker, answer)));
                    }
                    _ => actions.push(Action::Act(worker, attempt.provider)),
                }
            }
        }
    }

    /// Nothing goes wrong that only makes a charge too many, which then goes back.
    fn is_orderly(&self) -> bool {
        !self.unruly && self.workers == 1
    }

    fn attempt(&self) -> Attempt {
        Attempt { hands: vec![Hand::Empty; self.workers], ..Attempt::default() }
    }

    /// The time is over and nothing is left to do.
    fn at_rest(&self, world: &World) -> bool {
        world.late
            && !world.attempts.iter().any(Attempt::is_worked_on)
            && self.undisturbed(world, 0).is_none()
    }

    /// Each in its turn, with nobody asking for more and nothing crashing.
    fn comes_to_rest(&self, mut world: World) -> bool {
        for turn in 0..STEPS_MAX {
            match self.undisturbed(&world, turn) {
                Some(next) => world = next,
                None => return true,
            }
        }
        false
    }

    /// What changes next by itself, whoever's turn it is.
    fn undisturbed(&self, world: &World, turn: usize) -> Option<World> {
        let mut actions = Vec::new();
        self.by_itself(world, &mut actions);
        // A request that died before the intent is nobody's to finish.
        actions.retain(|action| !matches!(action, Action::Initiate(_)));
        let count = actions.len();
        (0..count).find_map(|next| self.next_state(world, actions[(turn + next) % count]))
    }

    fn reserve(&self, world: &mut World, number: usize) {
        if world.baskets[number].reserved {
            return;
        }
        world.baskets[number].reserved = self.tickets.ask(&mut world.ticket, reserve(number));
    }

    /// The request looked at the clock before the time was over, and may be slow.
    fn start_payment(&self, world: &mut World, number: usize) {
        let basket = self.payers[number];
        let (payment, by) = (payment_id(number), buyer(basket));
        let command = OrderCommand::StartPayment { payment, by, now: early() };
        if !world.attempts[number].started {
            world.attempts[number].started = self.ask_order(world, basket, command);
        }
    }

    /// While a payment may still bring the order back it has the word.
    fn take_back(&self, world: &mut World, number: usize) {
        let (order, basket) = (order_id(number), &world.baskets[number]);
        let hold = world.ticket.listing().and_then(|listing| listing.holds.get(&order));
        if !basket.is_over() || !hold.is_some_and(|hold| hold.sold && hold.units > 0) {
            return;
        }
        let begun: Vec<PaymentId> = basket.order.not_turned_away().collect();
        for payment in &begun {
            let mut attempts = world.attempts.iter().enumerate();
            let attempt = attempts.find(|(attempt, _)| payment_id(*attempt) == *payment);
            match attempt.and_then(|(_, attempt)| attempt.payment.outcome()) {
                None | Some(Outcome::Failed { .. } | Outcome::Voided) => {}
                Some(
                    Outcome::Undecided | Outcome::ActionRequired { .. } | Outcome::Captured { .. },
                ) => return,
            }
        }
        if let Some(payment) = begun.first().copied() {
            self.ask_order(world, number, OrderCommand::TurnAway { payment });
            return;
        }
        let (quantity, refund) = (Quantity::ONE, order_over_id(number));
        self.tickets.ask(&mut world.ticket, TicketCommand::Return { order, quantity, refund });
    }

    /// Whether it was accepted.
    fn ask_order(&self, world: &mut World, number: usize, command: OrderCommand) -> bool {
        let basket = &mut world.baskets[number];
        let accepted = self.orders.ask(&mut basket.order, command);
        basket.seen_over |= basket.is_over();
        accepted
    }

    fn act(&self, world: &mut World, worker: Worker, answer: Provider) {
        let number = worker.attempt;
        let basket = self.payers[number];
        let payment = payment_id(number);
        let hand = std::mem::take(&mut world.attempts[number].hands[worker.number]);
        let next = match hand {
            Hand::Empty => Hand::Empty,
            Hand::Charge => world.attempts[number].charge(answer),
            Hand::CallOff => world.attempts[number].call_off(),
            Hand::FreeOrder => {
                self.ask_order(world, basket, OrderCommand::FailPayment { payment });
                Hand::Empty
            }
            Hand::Complete => {
                let complete = OrderCommand::Complete { payment };
                let completed = self.ask_order(world, basket, complete);
                if completed { world.take_units(basket, Then::Done) } else { Hand::Empty }
            }
            Hand::ReserveAgain(then) => {
                match (self.tickets.ask(&mut world.ticket, reserve(basket)), then) {
                    (true, then) => Hand::Sell(then),
                    (false, Then::Reinstate) => Hand::TurnAway,
                    (false, Then::Done) => Hand::Empty,
                }
            }
            Hand::Sell(then) => {
                let sell = TicketCommand::Sell { order: order_id(basket) };
                match (self.tickets.ask(&mut world.ticket, sell), then) {
                    (true, Then::Done) => Hand::Empty,
                    (true, Then::Reinstate) => Hand::Reinstate,
                    (false, then) => world.take_units(basket, then),
                }
            }
            Hand::Reinstate => {
                self.ask_order(world, basket, OrderCommand::Reinstate { payment });
                Hand::Empty
            }
            Hand::TurnAway => {
                let turned = self.ask_order(world, basket, OrderCommand::TurnAway { payment });
                if turned { Hand::Refund } else { Hand::Empty }
            }
            Hand::Refund | Hand::PayBack | Hand::RecordRefund => {
                world.attempts[number].give_back(hand, number)
            }
        };
        world.attempts[number].hands[worker.number] = next;
    }
}

impl Attempt {
    /// The provider charges once, however often it is asked under the same key.
    fn charge(&mut self, answer: Provider) -> Hand {
        if self.provider == Provider::Unasked {
            self.provider = answer;
            self.bank_asked = answer == Provider::BankAsks;
        }
        Hand::Empty
    }

    fn call_off(&mut self) -> Hand {
        if matches!(self.provider, Provider::Unasked | Provider::BankAsks) {
            self.provider = Provider::Voided;
        }
        Hand::Empty
    }

    fn learn(&mut self, fact: Provider) {
        let result = match fact {
            Provider::Unasked => return,
            Provider::BankAsks => ProviderResult::ActionRequired {
                provider_ref: String::new(),
                client_secret: Sealed(String::new()),
            },
            Provider::Declined => ProviderResult::Failed { code: String::new(), retryable: true },
            Provider::Voided => ProviderResult::Voided,
            Provider::Captured => ProviderResult::Captured { provider_ref: String::new() },
        };
        self.record(PaymentCommand::RecordResult(result));
    }

    fn give_back(&mut self, hand: Hand, number: usize) -> Hand {
        let refund = refund_id(number);
        let amount = super::world::price();
        match hand {
            Hand::Refund => {
                let provider_key = refund.to_string();
                self.record(PaymentCommand::Refund { refund, amount, provider_key });
                Hand::PayBack
            }
            Hand::PayBack => {
                self.refunded = true;
                Hand::RecordRefund
            }
            _ => {
                let result = RefundResult::Succeeded { provider_ref: String::new() };
                self.record(PaymentCommand::RecordRefund { refund, result });
                Hand::Empty
            }
        }
    }

    fn record(&mut self, command: PaymentCommand) {
        Rules::REAL.ask(&mut self.payment, command);
    }
}

impl<A: Aggregate> Rules<A> {
    /// Whether it was accepted; a refusal changes nothing.
    fn ask(&self, state: &mut Arc<A>, command: A::Command) -> bool {
        let Ok(events) = (self.decide)(state, command) else { return false };
        for event in &events {
            *state = Arc::new((self.evolve)(A::clone(state), event));
        }
        true
    }
}
