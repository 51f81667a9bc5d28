//! What the provider says, in any order and number, and money that goes back.

use std::collections::{BTreeMap, HashSet};

use domain::account::Sealed;
use domain::id::{AccountId, OrderId, RefundId};
use domain::money::{Currency, Money};
use domain::payment::{
    DisputeClosed, DisputeFact, DisputeOpened, DisputeOutcome, ExternalRefundDetected, Outcome,
    PaymentCaptured, PaymentCommand, PaymentEvent, PaymentInitiated, PaymentRejection,
    PaymentVoided, ProviderFeeCharged, ProviderResult, RefundInitiated, RefundResult,
    RefundSucceeded,
};
use domain::{Aggregate, Payment};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use uuid::Uuid;

use crate::rules::{Decided, Rules};
use crate::witness::{Step, Witness, caught, upheld};

const AMOUNT_MINOR: i64 = 4000;

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn refund(number: u128) -> RefundId {
    RefundId(Uuid::from_u128(number))
}

fn initiate() -> PaymentCommand {
    PaymentCommand::Initiate(PaymentInitiated {
        order: OrderId(Uuid::from_u128(1)),
        buyer: AccountId(Uuid::from_u128(2)),
        amount: usd(AMOUNT_MINOR),
        source: "tok_visa".to_owned(),
        provider_key: "key".to_owned(),
    })
}

fn capture() -> PaymentCommand {
    PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref: "pi_1".to_owned() })
}

fn fail(code: &str, retryable: bool) -> PaymentCommand {
    let code = code.to_owned();
    PaymentCommand::RecordResult(ProviderResult::Failed { code, retryable })
}

/// All that the provider may say of the end of a payment.
fn outcomes() -> Vec<PaymentCommand> {
    vec![
        capture(),
        fail("card_declined", true),
        fail("expired_card", true),
        fail("card_declined", false),
        PaymentCommand::RecordResult(ProviderResult::Voided),
        PaymentCommand::RecordResult(ProviderResult::ActionRequired {
            provider_ref: "pi_1".to_owned(),
            client_secret: Sealed("sealed".to_owned()),
        }),
    ]
}

fn external(provider_ref: &str) -> PaymentCommand {
    let provider_ref = provider_ref.to_owned();
    PaymentCommand::RecordExternalRefund(ExternalRefundDetected { provider_ref, amount: usd(500) })
}

fn dispute_closed(outcome: DisputeOutcome) -> PaymentCommand {
    let dispute = "dp_1".to_owned();
    PaymentCommand::RecordDispute(DisputeFact::Closed(DisputeClosed {
        dispute,
        amount: usd(1000),
        outcome,
    }))
}

/// All that it may say afterwards, one refund of ours being under way.
fn aftermath() -> Vec<PaymentCommand> {
    let succeeded = RefundResult::Succeeded { provider_ref: "re_1".to_owned() };
    let failed = RefundResult::Failed { code: "pending".to_owned() };
    vec![
        PaymentCommand::RecordRefund { refund: refund(1), result: succeeded },
        PaymentCommand::RecordRefund { refund: refund(1), result: failed },
        // Our own refund, seen on the provider's side, and somebody else's.
        external("re_1"),
        external("re_2"),
        PaymentCommand::RecordDispute(DisputeFact::Opened(DisputeOpened {
            dispute: "dp_1".to_owned(),
            amount: usd(1000),
            reason: "fraudulent".to_owned(),
        })),
        dispute_closed(DisputeOutcome::Won),
        dispute_closed(DisputeOutcome::Lost),
        PaymentCommand::RecordFee(ProviderFeeCharged {
            provider_ref: "txn_1".to_owned(),
            fee: usd(146),
        }),
    ]
}

fn give_back(number: u128, minor: i64) -> PaymentCommand {
    PaymentCommand::Refund {
        refund: refund(number),
        amount: usd(minor),
        provider_key: format!("refund-{number}"),
    }
}

// === The end depends on the set of facts alone ===

/// The state after the commands, each decided in its turn.
fn end(rules: &Rules<Payment>, commands: impl IntoIterator<Item = PaymentCommand>) -> Payment {
    commands.into_iter().fold(Payment::default(), |state, command| {
        let events = (rules.decide)(&state, command).unwrap();
        events.iter().fold(state, |state, event| (rules.evolve)(state, event))
    })
}

/// The facts in any order, some of them again, against each once in the order of the list.
fn same_end(
    mut runner: TestRunner,
    rules: &Rules<Payment>,
    history: &[PaymentCommand],
    facts: &[PaymentCommand],
) -> Result<(), TestError<Vec<usize>>> {
    let picks = prop::collection::vec(0..facts.len(), 0..12);
    runner.run(&picks, |picks| {
        let told = history.iter().chain(picks.iter().map(|pick| &facts[*pick]));
        let mut set = picks.clone();
        set.sort_unstable();
        set.dedup();
        let once = history.iter().chain(set.iter().map(|pick| &facts[*pick]));
        prop_assert_eq!(end(rules, told.cloned()), end(rules, once.cloned()));
        Ok(())
    })
}

fn config() -> Config {
    Config { cases: 500, failure_persistence: None, ..Config::default() }
}

fn random() -> TestRunner {
    TestRunner::new(config())
}

fn repeatable() -> TestRunner {
    TestRunner::new_with_rng(config(), TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn refunding() -> Vec<PaymentCommand> {
    vec![initiate(), capture(), give_back(1, 1500)]
}

#[test]
fn the_outcome_depends_on_the_set_of_facts_alone() {
    same_end(random(), &Rules::REAL, &[initiate()], &outcomes()).unwrap();
}

#[test]
fn what_went_back_depends_on_the_set_of_facts_alone() {
    same_end(random(), &Rules::REAL, &refunding(), &aftermath()).unwrap();
}

/// How many ends there are when these facts come in every order, each once or twice.
fn ends(rules: &Rules<Payment>, history: &[PaymentCommand], facts: &[&PaymentCommand]) -> usize {
    let start = end(rules, history.iter().cloned());
    let (mut seen, mut ends) = (HashSet::new(), HashSet::new());
    let mut waiting = vec![(start, vec![0_u8; facts.len()])];
    while let Some((state, times)) = waiting.pop() {
        if !seen.insert((state.clone(), times.clone())) {
            continue;
        }
        if times.iter().all(|times| *times > 0) {
            ends.insert(state.clone());
        }
        for (place, fact) in facts.iter().enumerate().filter(|(place, _)| times[*place] < 2) {
            let events = (rules.decide)(&state, (*fact).clone()).unwrap();
            let next = events.iter().fold(state.clone(), rules.evolve);
            let mut times = times.clone();
            times[place] += 1;
            waiting.push((next, times));
        }
    }
    ends.len()
}

/// The most ends that any choice of up to five of the facts has.
fn most_ends(
    rules: &Rules<Payment>,
    history: &[PaymentCommand],
    facts: &[PaymentCommand],
) -> usize {
    let choices = (1_u32..1 << facts.len()).filter(|choice| choice.count_ones() <= 5);
    let chosen = choices.map(|choice| {
        let chosen = facts.iter().enumerate().filter(|(place, _)| choice & (1 << place) != 0);
        ends(rules, history, &chosen.map(|(_, fact)| fact).collect::<Vec<_>>())
    });
    chosen.max().unwrap()
}

#[test]
fn up_to_five_facts_in_every_order_each_once_or_twice_end_the_same() {
    assert_eq!(most_ends(&Rules::REAL, &[initiate()], &outcomes()), 1);
    assert_eq!(most_ends(&Rules::REAL, &refunding(), &aftermath()), 1);
}

#[test]
fn the_last_word_counting_instead_of_the_strongest_is_noticed() {
    fn evolve(state: Payment, event: &PaymentEvent) -> Payment {
        match (state, event) {
            (
                Payment::Initiated { intent, refunds, taken_back, fees, .. },
                PaymentEvent::PaymentVoided(_),
            ) => Payment::Initiated { intent, outcome: Outcome::Voided, refunds, taken_back, fees },
            (state, event) => state.evolve(event),
        }
    }
    fn decide(state: &Payment, command: PaymentCommand) -> Decided<Payment> {
        if matches!(command, PaymentCommand::RecordResult(ProviderResult::Voided)) {
            return Ok(vec![PaymentEvent::PaymentVoided(PaymentVoided {})]);
        }
        state.decide(command)
    }
    let mutant = Rules { decide, evolve };
    let found = same_end(repeatable(), &mutant, &[initiate()], &outcomes());
    assert!(matches!(found, Err(TestError::Fail(..))));
    assert!(most_ends(&mutant, &[initiate()], &outcomes()) > 1);
}

#[test]
fn our_own_refund_counted_as_somebodys_too_is_noticed() {
    fn evolve(state: Payment, event: &PaymentEvent) -> Payment {
        match event {
            PaymentEvent::RefundSucceeded(RefundSucceeded { refund, .. }) => {
                let provider_ref = String::new();
                state.evolve(&PaymentEvent::RefundSucceeded(RefundSucceeded {
                    refund: *refund,
                    provider_ref,
                }))
            }
            _ => state.evolve(event),
        }
    }
    let history = [initiate(), capture(), give_back(1, 1500)];
    let mutant = Rules::evolving(evolve);
    let mut seen = history.to_vec();
    seen.extend([external("re_1"), aftermath().swap_remove(0)]);
    let left = |rules: &Rules<Payment>| {
        let state = end(rules, seen.clone());
        (rules.decide)(&state, give_back(2, AMOUNT_MINOR - 1500)).is_ok()
    };
    assert!(left(&Rules::REAL), "counted once");
    assert!(!left(&mutant), "counted twice");
}

// === Intent first, captured once, no more back than was taken ===

#[derive(Default)]
struct Books {
    initiated: bool,
    captured: bool,
    /// Ours that have not failed, and others'.
    back: BTreeMap<String, i64>,
}

impl Witness for Books {
    type Of = Payment;

    fn see(&mut self, step: &Step<'_, Payment>) -> Result<(), String> {
        for event in step.events() {
            match event {
                PaymentEvent::PaymentInitiated(_) => {
                    self.initiated = true;
                    continue;
                }
                PaymentEvent::PaymentCaptured(_) => {
                    let before = std::mem::replace(&mut self.captured, true);
                    if before {
                        return Err("captured twice".to_owned());
                    }
                }
                PaymentEvent::RefundInitiated(refund) => {
                    let minor = refund.amount.minor;
                    self.back.insert(refund.refund.to_string(), minor);
                    let back: i64 = self.back.values().sum();
                    if minor < 1 || !self.captured || back > AMOUNT_MINOR {
                        return Err("more is given back than was taken".to_owned());
                    }
                }
                PaymentEvent::RefundFailed(refund) => {
                    self.back.remove(&refund.refund.to_string());
                }
                PaymentEvent::ExternalRefundDetected(refund) => {
                    self.back.insert(refund.provider_ref.clone(), refund.amount.minor);
                }
                PaymentEvent::DisputeOpened(dispute) => {
                    self.back.insert(dispute.dispute.clone(), dispute.amount.minor);
                }
                PaymentEvent::DisputeClosed(dispute) => match dispute.outcome {
                    DisputeOutcome::Won => {
                        self.back.remove(&dispute.dispute);
                    }
                    DisputeOutcome::Lost => {
                        self.back.insert(dispute.dispute.clone(), dispute.amount.minor);
                    }
                },
                _ => {}
            }
            if !self.initiated {
                return Err("a result without an intent".to_owned());
            }
        }
        Ok(())
    }
}

fn commands() -> impl Strategy<Value = Vec<PaymentCommand>> {
    let refunds = (2..4_u128, 0..AMOUNT_MINOR + 1000);
    let command = prop_oneof![
        1 => Just(initiate()),
        3 => prop::sample::select(outcomes()),
        2 => prop::sample::select(vec![
            external("re_2"),
            aftermath().swap_remove(4),
            dispute_closed(DisputeOutcome::Won),
            dispute_closed(DisputeOutcome::Lost),
        ]),
        4 => refunds.prop_map(|(number, minor)| give_back(number, minor)),
        1 => (2..4_u128).prop_map(|number| {
            let result = RefundResult::Failed { code: "pending".to_owned() };
            PaymentCommand::RecordRefund { refund: refund(number), result }
        }),
    ];
    prop::collection::vec(command, 0..30)
}

#[test]
fn the_intent_comes_first_money_is_taken_once_and_no_more_goes_back() {
    upheld::<Books>(commands());
}

#[test]
fn a_result_without_an_intent_is_noticed() {
    fn decide(state: &Payment, command: PaymentCommand) -> Decided<Payment> {
        match (state.decide(command.clone()), command) {
            (
                Err(PaymentRejection::NotFound),
                PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref }),
            ) => Ok(vec![PaymentEvent::PaymentCaptured(PaymentCaptured { provider_ref })]),
            (decided, _) => decided,
        }
    }
    caught::<Books>(&Rules::deciding(decide), commands());
}

#[test]
fn money_taken_twice_is_noticed() {
    fn decide(state: &Payment, command: PaymentCommand) -> Decided<Payment> {
        match (state.decide(command.clone()), command) {
            (Ok(_), PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref })) => {
                Ok(vec![PaymentEvent::PaymentCaptured(PaymentCaptured { provider_ref })])
            }
            (decided, _) => decided,
        }
    }
    caught::<Books>(&Rules::deciding(decide), commands());
}

fn refund_anyway(
    decided: Decided<Payment>,
    command: PaymentCommand,
    guard: &PaymentRejection,
) -> Decided<Payment> {
    match (decided, command) {
        (Err(rejection), PaymentCommand::Refund { refund, amount, provider_key })
            if rejection == *guard =>
        {
            let initiated = RefundInitiated { refund, amount, provider_key };
            Ok(vec![PaymentEvent::RefundInitiated(initiated)])
        }
        (decided, _) => decided,
    }
}

#[test]
fn a_refund_of_more_than_was_taken_is_noticed() {
    fn decide(state: &Payment, command: PaymentCommand) -> Decided<Payment> {
        let decided = state.decide(command.clone());
        refund_anyway(decided, command, &PaymentRejection::RefundTooLarge)
    }
    caught::<Books>(&Rules::deciding(decide), commands());
}

#[test]
fn a_refund_of_what_was_never_taken_is_noticed() {
    fn decide(state: &Payment, command: PaymentCommand) -> Decided<Payment> {
        let decided = state.decide(command.clone());
        refund_anyway(decided, command, &PaymentRejection::NotCaptured)
    }
    caught::<Books>(&Rules::deciding(decide), commands());
}

#[test]
fn a_refund_of_what_others_gave_back_already_is_noticed() {
    fn evolve(state: Payment, event: &PaymentEvent) -> Payment {
        match event {
            PaymentEvent::ExternalRefundDetected(_) | PaymentEvent::DisputeOpened(_) => state,
            _ => state.evolve(event),
        }
    }
    caught::<Books>(&Rules::evolving(evolve), commands());
}
