use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::{AccountId, OrderId};
use crate::money::Currency;
use crate::testing::given;

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

fn refund(number: u128) -> RefundId {
    RefundId(Uuid::from_u128(number))
}

fn intent() -> PaymentInitiated {
    PaymentInitiated {
        order: OrderId(Uuid::from_u128(1)),
        buyer: AccountId(Uuid::from_u128(2)),
        amount: usd(4000),
        source: "tok_visa".to_owned(),
        provider_key: "key".to_owned(),
    }
}

fn initiated() -> PaymentEvent {
    PaymentEvent::PaymentInitiated(intent())
}

fn captured() -> PaymentEvent {
    PaymentEvent::PaymentCaptured(PaymentCaptured { provider_ref: "pi_1".to_owned() })
}

fn failed() -> PaymentEvent {
    PaymentEvent::PaymentFailed(PaymentFailed { code: "card_declined".to_owned(), retryable: true })
}

fn voided() -> PaymentEvent {
    PaymentEvent::PaymentVoided(PaymentVoided {})
}

fn refund_initiated(number: u128, minor: i64) -> PaymentEvent {
    PaymentEvent::RefundInitiated(RefundInitiated {
        refund: refund(number),
        amount: usd(minor),
        provider_key: "refund-key".to_owned(),
    })
}

fn capture() -> PaymentCommand {
    PaymentCommand::RecordResult(ProviderResult::Captured { provider_ref: "pi_1".to_owned() })
}

fn fail() -> PaymentCommand {
    let code = "card_declined".to_owned();
    PaymentCommand::RecordResult(ProviderResult::Failed { code, retryable: true })
}

fn void() -> PaymentCommand {
    PaymentCommand::RecordResult(ProviderResult::Voided)
}

fn ask_action() -> PaymentCommand {
    PaymentCommand::RecordResult(ProviderResult::ActionRequired {
        provider_ref: "pi_1".to_owned(),
        client_secret: Sealed("sealed".to_owned()),
    })
}

fn give_back(number: u128, minor: i64) -> PaymentCommand {
    PaymentCommand::Refund {
        refund: refund(number),
        amount: usd(minor),
        provider_key: "refund-key".to_owned(),
    }
}

fn record_refund(number: u128, result: RefundResult) -> PaymentCommand {
    PaymentCommand::RecordRefund { refund: refund(number), result }
}

#[test]
fn a_payment_is_initiated_once_for_one_thing() {
    given::<Payment>([]).when(PaymentCommand::Initiate(intent())).then([initiated()]);
    given::<Payment>([initiated()]).when(PaymentCommand::Initiate(intent())).then_nothing();
    let other = PaymentInitiated { amount: usd(1), ..intent() };
    given::<Payment>([initiated()])
        .when(PaymentCommand::Initiate(other))
        .then_refused(PaymentRejection::InitiatedOtherwise);
}

#[test]
fn a_result_without_an_intent_is_refused() {
    given::<Payment>([]).when(capture()).then_refused(PaymentRejection::NotFound);
}

#[test]
fn money_is_captured_at_most_once() {
    given::<Payment>([initiated()]).when(capture()).then([captured()]);
    given::<Payment>([initiated(), captured()]).when(capture()).then_nothing();
}

#[test]
fn a_weaker_fact_that_comes_late_changes_nothing() {
    for late in [fail(), void(), ask_action()] {
        given::<Payment>([initiated(), captured()]).when(late).then_nothing();
    }
    given::<Payment>([initiated(), failed()]).when(ask_action()).then_nothing();
}

#[test]
fn captured_money_is_a_fact_even_after_a_failure_or_a_void() {
    given::<Payment>([initiated(), failed()]).when(capture()).then([captured()]);
    given::<Payment>([initiated(), voided()]).when(capture()).then([captured()]);
}

#[test]
fn only_captured_money_is_given_back() {
    given::<Payment>([initiated()])
        .when(give_back(1, 1))
        .then_refused(PaymentRejection::NotCaptured);
    given::<Payment>([initiated(), captured()])
        .when(give_back(1, 4000))
        .then([refund_initiated(1, 4000)]);
}

#[test]
fn refunds_never_exceed_what_was_captured() {
    let history = || [initiated(), captured(), refund_initiated(1, 3000)];
    given::<Payment>(history())
        .when(give_back(2, 1001))
        .then_refused(PaymentRejection::RefundTooLarge);
    given::<Payment>(history()).when(give_back(2, 1000)).then([refund_initiated(2, 1000)]);
    given::<Payment>(history()).when(give_back(1, 3000)).then_nothing();
    given::<Payment>(history())
        .when(give_back(1, 1))
        .then_refused(PaymentRejection::RefundOtherwise);
    given::<Payment>(history())
        .when(give_back(2, 0))
        .then_refused(PaymentRejection::RefundTooLarge);
}

#[test]
fn a_failed_refund_leaves_its_amount_to_be_given_back() {
    let failed = PaymentEvent::RefundFailed(RefundFailed {
        refund: refund(1),
        code: "lost_or_stolen_card".to_owned(),
    });
    given::<Payment>([initiated(), captured(), refund_initiated(1, 4000), failed])
        .when(give_back(2, 4000))
        .then([refund_initiated(2, 4000)]);
}

#[test]
fn a_refund_succeeds_once() {
    let done = || RefundResult::Succeeded { provider_ref: "re_1".to_owned() };
    let succeeded = PaymentEvent::RefundSucceeded(RefundSucceeded {
        refund: refund(1),
        provider_ref: "re_1".to_owned(),
    });
    let history = [initiated(), captured(), refund_initiated(1, 4000)];
    given::<Payment>(history.clone()).when(record_refund(1, done())).then([succeeded.clone()]);
    given::<Payment>(history.into_iter().chain([succeeded]))
        .when(record_refund(1, done()))
        .then_nothing();
    given::<Payment>([initiated(), captured()])
        .when(record_refund(1, done()))
        .then_refused(PaymentRejection::RefundNotFound);
}

// === What goes back without us ===

fn external(provider_ref: &str, minor: i64) -> ExternalRefundDetected {
    ExternalRefundDetected { provider_ref: provider_ref.to_owned(), amount: usd(minor) }
}

fn detected(provider_ref: &str, minor: i64) -> PaymentEvent {
    PaymentEvent::ExternalRefundDetected(external(provider_ref, minor))
}

fn opened() -> DisputeOpened {
    DisputeOpened { dispute: "dp_1".to_owned(), amount: usd(1000), reason: "fraudulent".to_owned() }
}

fn closed(outcome: DisputeOutcome) -> DisputeClosed {
    DisputeClosed { dispute: "dp_1".to_owned(), amount: usd(1000), outcome }
}

#[test]
fn what_somebody_else_gave_back_is_noted_once_and_is_not_ours_to_give_back() {
    let record = || PaymentCommand::RecordExternalRefund(external("re_9", 1500));
    given::<Payment>([]).when(record()).then_refused(PaymentRejection::NotFound);
    given::<Payment>([initiated(), captured()]).when(record()).then([detected("re_9", 1500)]);
    let history = || [initiated(), captured(), detected("re_9", 1500)];
    given::<Payment>(history()).when(record()).then_nothing();
    given::<Payment>(history())
        .when(give_back(1, 2501))
        .then_refused(PaymentRejection::RefundTooLarge);
    given::<Payment>(history()).when(give_back(1, 2500)).then([refund_initiated(1, 2500)]);
}

#[test]
fn our_own_refund_seen_at_the_provider_counts_once() {
    let succeeded = PaymentEvent::RefundSucceeded(RefundSucceeded {
        refund: refund(1),
        provider_ref: "re_1".to_owned(),
    });
    let seen = detected("re_1", 4000);
    let after = [initiated(), captured(), refund_initiated(1, 4000), succeeded.clone()];
    given::<Payment>(after.clone())
        .when(PaymentCommand::RecordExternalRefund(external("re_1", 4000)))
        .then_nothing();
    let before = [initiated(), captured(), refund_initiated(1, 4000), seen, succeeded];
    assert_eq!(Payment::fold(&before), Payment::fold(&after));
    assert!(Payment::fold(&after).is_refunded());
}

#[test]
fn a_payment_that_somebody_gave_back_is_refunded() {
    assert!(Payment::fold(&[initiated(), captured(), detected("re_9", 4000)]).is_refunded());
    assert!(!Payment::fold(&[initiated(), captured(), detected("re_9", 3999)]).is_refunded());
}

#[test]
fn disputed_money_is_not_given_back_unless_the_dispute_is_won() {
    let open = PaymentEvent::DisputeOpened(opened());
    let end = |outcome| PaymentEvent::DisputeClosed(closed(outcome));
    let history = || [initiated(), captured(), open.clone()];
    given::<Payment>(history())
        .when(give_back(1, 3001))
        .then_refused(PaymentRejection::RefundTooLarge);
    given::<Payment>(history().into_iter().chain([end(DisputeOutcome::Lost)]))
        .when(give_back(1, 3001))
        .then_refused(PaymentRejection::RefundTooLarge);
    given::<Payment>(history().into_iter().chain([end(DisputeOutcome::Won)]))
        .when(give_back(1, 4000))
        .then([refund_initiated(1, 4000)]);
}

#[test]
fn a_dispute_is_noted_once_and_its_end_outweighs_its_beginning() {
    let open = || PaymentCommand::RecordDispute(DisputeFact::Opened(opened()));
    let lose = || PaymentCommand::RecordDispute(DisputeFact::Closed(closed(DisputeOutcome::Lost)));
    let lost = || PaymentEvent::DisputeClosed(closed(DisputeOutcome::Lost));
    let history = || [initiated(), captured()];
    given::<Payment>([]).when(open()).then_refused(PaymentRejection::NotFound);
    given::<Payment>(history()).when(open()).then([PaymentEvent::DisputeOpened(opened())]);
    given::<Payment>(history()).when(lose()).then([lost()]);
    given::<Payment>(history().into_iter().chain([lost()])).when(open()).then_nothing();
    given::<Payment>(history().into_iter().chain([lost()])).when(lose()).then_nothing();
}

proptest! {
    /// The end is the same in whatever order and number the provider's facts come.
    #[test]
    fn the_outcome_depends_on_the_set_of_facts_alone(
        facts in prop::collection::vec(prop::sample::select(vec![0, 1, 2, 3]), 1..8)
            .prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle()))
    ) {
        let end = |facts: &[usize]| {
            let commands = [capture(), fail(), void(), ask_action()];
            let mut payment = Payment::default().evolve(&initiated());
            for fact in facts {
                for event in payment.decide(commands[*fact].clone()).unwrap() {
                    payment = payment.evolve(&event);
                }
            }
            payment
        };
        prop_assert_eq!(end(&facts.0), end(&facts.1));
    }
}

#[test]
fn a_fee_is_noted_once_and_leaves_everything_to_give_back() {
    let charged = |name: &str| ProviderFeeCharged { provider_ref: name.to_owned(), fee: usd(88) };
    let fee = |name| PaymentEvent::ProviderFeeCharged(charged(name));
    let record = |name| PaymentCommand::RecordFee(charged(name));
    given::<Payment>([]).when(record("txn_1")).then_refused(PaymentRejection::NotFound);
    given::<Payment>([initiated(), captured()]).when(record("txn_1")).then([fee("txn_1")]);
    let history = || [initiated(), captured(), fee("txn_1")];
    given::<Payment>(history()).when(record("txn_1")).then_nothing();
    given::<Payment>(history()).when(record("txn_2")).then([fee("txn_2")]);
}
