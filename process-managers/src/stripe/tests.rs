//! The gateway against the sandbox, through the real client.

use std::future::Future;

use chrono::{TimeDelta, Utc};
use domain::id::OrderId;
use domain::money::Currency;
use stripe_sandbox::{Options, PaymentView, Sandbox};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;

const KEY: &str = "sk_test_gateway";

/// A sandbox of its own for each test.
struct Shop {
    gateway: StripeGateway,
    sandbox: Sandbox,
    base: String,
    http: reqwest::Client,
    _end: oneshot::Sender<()>,
}

impl Shop {
    async fn open() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sandbox = Sandbox::open(Options::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (end, ended) = oneshot::channel::<()>();
        tokio::spawn(sandbox.clone().serve(listener, async { drop(ended.await) }));
        let gateway = connect(&base, Duration::from_secs(20));
        Self { gateway, sandbox, base, http: reqwest::Client::new(), _end: end }
    }

    async fn fault(&self, fault: serde_json::Value) {
        let url = format!("{}/sandbox/faults", self.base);
        let answer = self.http.post(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}");
    }

    async fn bank(&self, verb: &str, id: &str) {
        let url = format!("{}/sandbox/payments/{id}/{verb}", self.base);
        assert!(self.http.post(url).send().await.unwrap().status().is_success());
    }

    fn only_payment(&self) -> PaymentView {
        let payments = self.sandbox.payments();
        assert_eq!(payments.len(), 1, "{payments:?}");
        payments.into_iter().next().unwrap()
    }

    fn captured(&self) -> usize {
        self.sandbox.payments().iter().filter(|payment| payment.status == "succeeded").count()
    }
}

fn connect(base: &str, call_timeout: Duration) -> StripeGateway {
    StripeGateway::with_timeout(KEY, Some(base), call_timeout).unwrap()
}

fn charge() -> Charge {
    Charge {
        key: Uuid::new_v4().to_string(),
        order: OrderId(Uuid::new_v4()),
        amount: Money { minor: 1999, currency: Currency::USD },
        initiated_at: Utc::now(),
    }
}

#[track_caller]
fn captured(outcome: &Outcome) -> &str {
    let Outcome::Captured { provider_ref } = outcome else { panic!("{outcome:?}") };
    provider_ref
}

#[tokio::test]
async fn a_token_and_a_payment_method_are_charged() {
    let shop = Shop::open().await;
    for source in ["tok_visa", "pm_card_visa", "tok_mastercard"] {
        let charge = charge();
        let outcome = shop.gateway.charge_card(&charge, source).await.unwrap();
        let id = captured(&outcome);
        let payment = shop.sandbox.payments().into_iter().find(|payment| payment.id == id);
        let payment = payment.unwrap();
        assert_eq!((payment.amount, payment.currency.as_str()), (1999, "usd"));
        assert_eq!(payment.metadata[PAYMENT], charge.key);
        assert_eq!(payment.metadata[ORDER], charge.order.to_string());
    }
}

#[tokio::test]
async fn the_same_charge_again_and_at_once_is_charged_once() {
    let shop = Shop::open().await;
    let charge = charge();
    let again = || shop.gateway.charge_card(&charge, "tok_visa");
    let (one, two, three) = tokio::join!(again(), again(), again());
    let first = one.unwrap();
    assert_eq!(first, two.unwrap());
    assert_eq!(first, three.unwrap());
    assert_eq!(first, again().await.unwrap());
    assert_eq!(shop.gateway.look(&charge).await.unwrap(), Some(first));
    assert_eq!(shop.only_payment().status, "succeeded");
}

#[tokio::test]
async fn an_answer_lost_at_any_step_is_learned_by_asking_again() {
    for step in ["create", "confirm"] {
        let shop = Shop::open().await;
        let charge = charge();
        shop.fault(serde_json::json!({ "next": 1, "on": step, "kind": "lost_answer" })).await;
        let lost = shop.gateway.charge_card(&charge, "tok_visa").await;
        assert!(matches!(lost, Err(GatewayError::Unavailable { .. })), "{step}: {lost:?}");
        captured(&shop.gateway.charge_card(&charge, "tok_visa").await.unwrap());
        shop.only_payment();
    }
}

#[tokio::test]
async fn errors_of_the_provider_are_for_later_and_charge_nothing() {
    for kind in ["error_500", "rate_limit"] {
        let shop = Shop::open().await;
        let charge = charge();
        shop.fault(serde_json::json!({ "next": 1, "on": "create", "kind": kind })).await;
        shop.fault(serde_json::json!({ "next": 1, "on": "confirm", "kind": kind })).await;
        for _ in 0..2 {
            let error = shop.gateway.charge_card(&charge, "tok_visa").await.unwrap_err();
            assert!(matches!(error, GatewayError::Unavailable { .. }), "{kind}: {error}");
        }
        assert_eq!(shop.captured(), 0, "{kind}");
        captured(&shop.gateway.charge_card(&charge, "tok_visa").await.unwrap());
        shop.only_payment();
    }
}

#[tokio::test]
async fn a_500_though_it_worked_is_seen_through() {
    let shop = Shop::open().await;
    let charge = charge();
    shop.fault(serde_json::json!({ "next": 1, "on": "confirm", "kind": "error_500_after" })).await;
    captured(&shop.gateway.charge_card(&charge, "tok_visa").await.unwrap());
    captured(&shop.gateway.charge_card(&charge, "tok_visa").await.unwrap());
    assert_eq!(shop.captured(), 1);
}

#[tokio::test]
async fn a_slow_provider_counts_as_unknown_and_is_asked_again() {
    let shop = Shop::open().await;
    let charge = charge();
    let slow = serde_json::json!({ "next": 1, "on": "confirm", "kind": "slow_ms", "ms": 60_000 });
    shop.fault(slow).await;
    let impatient = connect(&shop.base, Duration::from_millis(200));
    let error = impatient.charge_card(&charge, "tok_visa").await.unwrap_err();
    assert!(matches!(error, GatewayError::Unavailable { .. }), "{error}");
    let faults = shop.http.delete(format!("{}/sandbox/faults", shop.base));
    assert!(faults.send().await.unwrap().status().is_success());
    captured(&shop.gateway.charge_card(&charge, "tok_visa").await.unwrap());
    shop.only_payment();
}

#[tokio::test]
async fn a_provider_that_is_gone_is_unavailable() {
    let shop = Shop::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gateway = connect(&nobody, Duration::from_secs(20));
    for answer in [
        gateway.charge_card(&charge(), "tok_visa").await.map(|_| ()),
        gateway.look(&charge()).await.map(|_| ()),
        gateway.cancel(&charge()).await.map(|_| ()),
    ] {
        assert!(matches!(answer, Err(GatewayError::Unavailable { .. })), "{answer:?}");
    }
    assert!(shop.sandbox.payments().is_empty());
}

#[tokio::test]
async fn a_decline_is_final_and_tells_the_reason() {
    let shop = Shop::open().await;
    for (source, expected, again) in [
        ("tok_chargeDeclined", "generic_decline", false),
        ("pm_card_chargeDeclined", "generic_decline", false),
        ("tok_visa_chargeDeclinedInsufficientFunds", "insufficient_funds", true),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", false),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", true),
    ] {
        let charge = charge();
        let outcome = shop.gateway.charge_card(&charge, source).await.unwrap();
        let Outcome::Declined { code, retryable, .. } = &outcome else {
            panic!("{source}: {outcome:?}")
        };
        assert_eq!((code.as_str(), *retryable), (expected, again), "{source}");
        assert_eq!(shop.gateway.charge_card(&charge, source).await.unwrap(), outcome, "{source}");
    }
    assert!(shop.sandbox.payments().iter().all(|payment| payment.status == "canceled"));
}

#[tokio::test]
async fn a_source_the_provider_does_not_know_is_refused_for_good() {
    let shop = Shop::open().await;
    for source in ["tok_nonsense", "pm_nonsense", "", "4242424242424242", "a&amount=1"] {
        let charge = charge();
        for _ in 0..2 {
            let answer = shop.gateway.charge_card(&charge, source).await;
            assert!(matches!(answer, Err(GatewayError::Refused { .. })), "{source}: {answer:?}");
        }
        // Refused is a result: nothing may be taken under this key any more.
        let late = shop.gateway.charge_card(&charge, "tok_visa").await.unwrap();
        assert!(matches!(late, Outcome::Voided { .. }), "{late:?}");
    }
    assert_eq!(shop.captured(), 0);
}

#[tokio::test]
async fn amounts_the_provider_cannot_take_are_refused() {
    let shop = Shop::open().await;
    for (minor, currency) in [
        (1, "usd"),
        (0, "usd"),
        (-100, "usd"),
        (i64::MAX, "usd"),
        (5_000, "isk"),
        (5_000, "mga"),
        (1_235, "bhd"),
    ] {
        let amount = Money { minor, currency: currency.parse().unwrap() };
        let answer = shop.gateway.charge_card(&Charge { amount, ..charge() }, "tok_visa").await;
        assert!(matches!(answer, Err(GatewayError::Refused { .. })), "{amount}: {answer:?}");
    }
    for (minor, currency) in [(500, "jpy"), (1_230, "bhd"), (1999, "eur")] {
        let amount = Money { minor, currency: currency.parse().unwrap() };
        let answer = shop.gateway.charge_card(&Charge { amount, ..charge() }, "tok_visa").await;
        captured(&answer.unwrap());
    }
}

#[tokio::test]
async fn a_wrong_secret_key_decides_nothing() {
    let shop = Shop::open().await;
    let gateway = StripeGateway::new("sk_live_elsewhere", Some(&shop.base)).unwrap();
    let answer = gateway.charge_card(&charge(), "tok_visa").await;
    assert!(matches!(answer, Err(GatewayError::Misconfigured { .. })), "{answer:?}");
}

#[tokio::test]
async fn the_same_key_with_another_amount_decides_nothing() {
    let shop = Shop::open().await;
    let charge = charge();
    captured(&shop.gateway.charge_card(&charge, "tok_visa").await.unwrap());
    let other = Charge { amount: Money { minor: 5000, ..charge.amount }, ..charge };
    let answer = shop.gateway.charge_card(&other, "tok_visa").await;
    assert!(matches!(answer, Err(GatewayError::Misconfigured { .. })), "{answer:?}");
    assert_eq!(shop.captured(), 1);
}

#[tokio::test]
async fn the_same_key_with_another_source_gives_what_the_first_one_gave() {
    let shop = Shop::open().await;
    let charge = charge();
    let first = shop.gateway.charge_card(&charge, "tok_visa").await.unwrap();
    assert_eq!(shop.gateway.charge_card(&charge, "tok_mastercard").await.unwrap(), first);
    assert_eq!(shop.captured(), 1);
}

#[tokio::test]
async fn the_bank_may_want_to_see_the_buyer_and_then_approve_or_refuse() {
    let shop = Shop::open().await;
    for (verb, source) in
        [("approve", "tok_threeDSecure2Required"), ("refuse", "pm_card_threeDSecure2Required")]
    {
        let charge = charge();
        let outcome = shop.gateway.charge_card(&charge, source).await.unwrap();
        let Outcome::ActionRequired { provider_ref, client_secret } = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(client_secret.reveal().starts_with(provider_ref.as_str()));
        assert!(!format!("{outcome:?}").contains(client_secret.reveal()));
        assert_eq!(shop.gateway.look(&charge).await.unwrap().as_ref(), Some(&outcome));
        shop.bank(verb, provider_ref).await;
        // The kept answer still says that action is required; what counts is how it stands now.
        let then = shop.gateway.charge_card(&charge, source).await.unwrap();
        if verb == "approve" {
            captured(&then);
        } else {
            assert!(matches!(then, Outcome::Declined { retryable: false, .. }), "{then:?}");
            let payments = shop.sandbox.payments();
            assert_eq!(
                payments.last().unwrap().status,
                "canceled",
                "no second card in the browser"
            );
        }
    }
}

#[tokio::test]
async fn looking_charges_nothing() {
    let shop = Shop::open().await;
    let charge = charge();
    assert_eq!(shop.gateway.look(&charge).await.unwrap(), None);
    assert_eq!(shop.captured(), 0);
    let outcome = shop.gateway.charge_card(&charge, "tok_visa").await.unwrap();
    assert_eq!(shop.gateway.look(&charge).await.unwrap(), Some(outcome));
    shop.only_payment();
}

#[tokio::test]
async fn cancelled_before_the_charge_arrives_nothing_is_ever_taken() {
    let shop = Shop::open().await;
    let charge = charge();
    let ending = shop.gateway.cancel(&charge).await.unwrap();
    assert!(matches!(ending, Ending::Voided { .. }), "{ending:?}");
    let late = shop.gateway.charge_card(&charge, "tok_visa").await.unwrap();
    assert!(matches!(late, Outcome::Voided { .. }), "{late:?}");
    assert_eq!(shop.gateway.cancel(&charge).await.unwrap(), ending);
    assert_eq!(shop.captured(), 0);
}

#[tokio::test]
async fn cancelled_after_the_charge_the_money_is_taken() {
    let shop = Shop::open().await;
    let charge = charge();
    let id = captured(&shop.gateway.charge_card(&charge, "tok_visa").await.unwrap()).to_owned();
    let ending = shop.gateway.cancel(&charge).await.unwrap();
    assert_eq!(ending, Ending::Captured { provider_ref: id });
    assert_eq!(shop.captured(), 1);
}

#[tokio::test]
async fn cancelled_while_the_buyer_is_with_the_bank_it_is_voided() {
    let shop = Shop::open().await;
    let charge = charge();
    shop.gateway.charge_card(&charge, "tok_threeDSecure2Required").await.unwrap();
    let ending = shop.gateway.cancel(&charge).await.unwrap();
    assert!(matches!(ending, Ending::Voided { .. }), "{ending:?}");
    let look = shop.gateway.look(&charge).await.unwrap();
    assert!(matches!(look, Some(Outcome::Voided { .. })), "{look:?}");
}

#[tokio::test]
async fn a_lost_answer_to_a_cancel_is_learned_by_asking_again() {
    let shop = Shop::open().await;
    let charge = charge();
    shop.fault(serde_json::json!({ "next": 1, "on": "cancel", "kind": "lost_answer" })).await;
    shop.gateway.cancel(&charge).await.unwrap_err();
    let ending = shop.gateway.cancel(&charge).await.unwrap();
    assert!(matches!(ending, Ending::Voided { .. }), "{ending:?}");
}

#[tokio::test]
async fn charge_and_cancel_at_once_agree_on_the_end() {
    let shop = Shop::open().await;
    let race = async |delay_charge: bool| {
        let charge = charge();
        let slow = if delay_charge { "confirm" } else { "cancel" };
        // Either order must come up, whatever the scheduler likes.
        shop.fault(serde_json::json!({ "next": 1, "on": slow, "kind": "slow_ms", "ms": 20 })).await;
        let (outcome, ending) = tokio::join!(
            shop.gateway.charge_card(&charge, "tok_visa"),
            shop.gateway.cancel(&charge)
        );
        let agreed = match (outcome.unwrap(), ending.unwrap()) {
            (Outcome::Captured { provider_ref: one }, Ending::Captured { provider_ref: other })
            | (Outcome::Voided { provider_ref: one }, Ending::Voided { provider_ref: other }) => {
                one == other
            }
            _ => false,
        };
        assert!(agreed);
    };
    for round in 0..20 {
        race(round % 2 == 0).await;
    }
    let payments = shop.sandbox.payments();
    assert_eq!(payments.len(), 20, "one payment each");
    assert!(
        payments.iter().all(|payment| ["succeeded", "canceled"].contains(&payment.status.as_str()))
    );
    assert!((1..20).contains(&shop.captured()), "both endings came up");
}

#[tokio::test]
async fn a_payment_whose_key_is_forgotten_is_found_and_not_charged_anew() {
    let shop = Shop::open().await;
    // Made without the charge's keys, as good as with keys that the provider has forgotten.
    let forgotten = async |method: &str| {
        let old = Charge { initiated_at: Utc::now() - TimeDelta::hours(30), ..charge() };
        let form = [
            ("amount", "1999"),
            ("currency", "usd"),
            ("payment_method", method),
            ("confirm", "true"),
            ("metadata[payment]", &old.key),
        ];
        let url = format!("{}/v1/payment_intents", shop.base);
        shop.http.post(url).bearer_auth(KEY).form(&form).send().await.unwrap();
        old
    };
    let paid = forgotten("pm_card_visa").await;
    captured(&shop.gateway.charge_card(&paid, "tok_visa").await.unwrap());
    assert!(matches!(shop.gateway.cancel(&paid).await.unwrap(), Ending::Captured { .. }));
    let declined = forgotten("pm_card_chargeDeclined").await;
    let outcome = shop.gateway.charge_card(&declined, "tok_visa").await.unwrap();
    assert!(matches!(outcome, Outcome::Declined { .. }), "{outcome:?}");
    let payments = shop.sandbox.payments();
    assert_eq!((payments.len(), shop.captured()), (2, 1), "{payments:?}");
    // And one that the provider never heard of can still be charged.
    let late = Charge { initiated_at: Utc::now() - TimeDelta::hours(30), ..charge() };
    captured(&shop.gateway.charge_card(&late, "tok_visa").await.unwrap());
}

/// The calls of the gateway must be able to run on any thread.
#[test]
fn the_gateway_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    fn sent<F: Future + Send>(_: impl Fn(&'static StripeGateway, &'static Charge) -> F) {}
    shared::<StripeGateway>();
    sent(|gateway, charge| gateway.charge(charge, "tok_visa"));
}
