//! Payments and refunds as the real client sees them.

use std::collections::HashMap;

use stripe::{ApiErrorsCode, ApiErrorsType, StripeError, StripeRequest};
use stripe_core::payment_intent::{
    CancelPaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent, RetrievePaymentIntent,
    SearchPaymentIntent,
};
use stripe_core::{PaymentIntent, PaymentIntentStatus, Refund};
use stripe_types::Currency;

use crate::{Running, SALE, json};

fn sale() -> CreatePaymentIntent {
    CreatePaymentIntent::new(2000, Currency::USD)
        .metadata(HashMap::from([("order".to_owned(), "o'1".to_owned())]))
}

#[tokio::test]
async fn a_payment_is_created_confirmed_and_found_again() {
    let it = Running::new().await;
    let created = sale().send(&it.stripe).await.unwrap();
    assert_eq!(created.status, PaymentIntentStatus::RequiresPaymentMethod);
    let paid = ConfirmPaymentIntent::new(created.id.clone()).payment_method("pm_card_visa");
    let paid = paid.send(&it.stripe).await.unwrap();
    assert_eq!((paid.status, paid.amount_received), (PaymentIntentStatus::Succeeded, 2000));
    assert!(paid.latest_charge.is_some());
    let found = RetrievePaymentIntent::new(created.id.clone()).send(&it.stripe).await.unwrap();
    assert_eq!(found.status, PaymentIntentStatus::Succeeded);
    assert_eq!(found.metadata["order"], "o'1");
    let search = SearchPaymentIntent::new("metadata['order']:'o\\'1'").send(&it.stripe).await;
    assert_eq!(search.unwrap().data[0].id, created.id);
    let again = ConfirmPaymentIntent::new(created.id).send(&it.stripe).await.unwrap_err();
    assert!(matches!(again, StripeError::Stripe(error, 400)
        if error.code == Some(ApiErrorsCode::PaymentIntentUnexpectedState)
        && error.payment_intent.is_some()));
}

#[tokio::test]
async fn a_token_pays_in_one_call() {
    let it = Running::new().await;
    let mut request = sale().confirm(true).build();
    request.body.as_mut().unwrap().push_str(
        "&payment_method_data[type]=card&payment_method_data%5Bcard%5D%5Btoken%5D=tok_visa",
    );
    let paid = request.customize::<PaymentIntent>().send(&it.stripe).await.unwrap();
    assert_eq!(paid.status, PaymentIntentStatus::Succeeded);
}

#[tokio::test]
async fn each_decline_is_a_card_error_and_leaves_the_payment_open() {
    let it = Running::new().await;
    for (card, code, decline) in [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ] {
        let refused = sale().confirm(true).payment_method(card).send(&it.stripe).await;
        let Err(StripeError::Stripe(error, 402)) = refused else { panic!("{card}: {refused:?}") };
        assert_eq!(error.type_, ApiErrorsType::CardError, "{card}");
        assert_eq!(error.code.unwrap().as_str(), code, "{card}");
        assert_eq!(error.decline_code.as_deref(), Some(decline), "{card}");
        assert!(error.charge.is_some() && error.payment_method.is_some(), "{card}");
        let intent = error.payment_intent.unwrap();
        assert_eq!(intent.status, PaymentIntentStatus::RequiresPaymentMethod, "{card}");
        assert!(intent.last_payment_error.is_some(), "{card}");
        let paid = ConfirmPaymentIntent::new(intent.id).payment_method("pm_card_visa");
        assert_eq!(paid.send(&it.stripe).await.unwrap().status, PaymentIntentStatus::Succeeded);
    }
}

#[tokio::test]
async fn a_cancelled_payment_is_over() {
    let it = Running::new().await;
    let created = sale().payment_method("pm_card_visa").send(&it.stripe).await.unwrap();
    assert_eq!(created.status, PaymentIntentStatus::RequiresConfirmation);
    let ended = CancelPaymentIntent::new(created.id.clone()).send(&it.stripe).await.unwrap();
    assert_eq!(ended.status, PaymentIntentStatus::Canceled);
    for late in [
        ConfirmPaymentIntent::new(created.id.clone()).send(&it.stripe).await,
        CancelPaymentIntent::new(created.id.clone()).send(&it.stripe).await,
    ] {
        assert!(matches!(late, Err(StripeError::Stripe(error, 400))
            if error.code == Some(ApiErrorsCode::PaymentIntentUnexpectedState)));
    }
}

#[tokio::test]
async fn the_bank_asks_and_a_person_answers_on_the_page() {
    let it = Running::new().await;
    let ask = || sale().confirm(true).payment_method("pm_card_threeDSecure2Required");
    for (verb, status) in [
        ("approve", PaymentIntentStatus::Succeeded),
        ("refuse", PaymentIntentStatus::RequiresPaymentMethod),
    ] {
        let asked = ask().send(&it.stripe).await.unwrap();
        assert_eq!(asked.status, PaymentIntentStatus::RequiresAction);
        assert!(asked.next_action.is_some() && asked.client_secret.is_some());
        let answer = it.http.post(format!("{}/sandbox/payments/{}/{verb}", it.base, asked.id));
        assert!(answer.send().await.unwrap().status().is_success());
        let now = RetrievePaymentIntent::new(asked.id).send(&it.stripe).await.unwrap();
        assert_eq!(now.status, status);
        assert_eq!(now.last_payment_error.is_some(), verb == "refuse");
    }
    let alone = ask().error_on_requires_action(true).send(&it.stripe).await;
    assert!(matches!(alone, Err(StripeError::Stripe(error, 402))
        if error.code.as_ref().is_some_and(|code| code.as_str() == "authentication_required")));
}

#[tokio::test]
async fn money_goes_back_in_parts_and_never_more_than_was_taken() {
    let it = Running::new().await;
    let sold = sale().confirm(true).payment_method("pm_card_visa").send(&it.stripe).await.unwrap();
    // The client's own refund request is behind a feature that only this would need.
    let refund = async |form: String| {
        let mut request = ConfirmPaymentIntent::new(sold.id.clone()).build();
        request.path = "/refunds".to_owned();
        request.body = Some(form);
        request.customize::<Refund>().send(&it.stripe).await
    };
    let part = refund(format!("payment_intent={}&amount=500", sold.id)).await.unwrap();
    assert_eq!((part.amount, part.status.as_deref()), (500, Some("succeeded")));
    refund(format!("payment_intent={}&amount=1501", sold.id)).await.unwrap_err();
    refund(format!("payment_intent={}&amount=0", sold.id)).await.unwrap_err();
    let charge = sold.latest_charge.unwrap().into_id();
    let rest = refund(format!("charge={charge}")).await.unwrap();
    assert_eq!(rest.amount, 1500);
    let over = refund(format!("payment_intent={}", sold.id)).await;
    assert!(matches!(over, Err(StripeError::Stripe(error, 400))
        if error.code.as_ref().is_some_and(|code| code.as_str() == "charge_already_refunded")));
    assert_eq!(it.payments().await[0].refunded, 2000);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let it = Running::new().await;
    for (form, param) in [
        ("currency=usd", "amount"),
        ("amount=2000", "currency"),
        ("amount=20.5&currency=usd", "amount"),
        ("amount=-1&currency=usd", "amount"),
        ("amount=49&currency=usd", "amount"),
        ("amount=100000000&currency=usd", "amount"),
        ("amount=99999999999999999999&currency=usd", "amount"),
        ("amount=2000&currency=dollars", "currency"),
        ("amount=2000&currency=usd&confrm=true", "confrm"),
        ("amount=2000&currency=usd&confirm=yes", "confirm"),
        ("amount=2000&currency=usd&payment_method=pm_nobody", "payment_method"),
        ("amount=2000&currency=usd&capture_method=manual", "capture_method"),
        (
            "amount=2000&currency=usd&payment_method_data[type]=card\
             &payment_method_data[card][token]=tok_nobody",
            "payment_method_data[card][token]",
        ),
    ] {
        let request = it.post("/v1/payment_intents", &[]).body(form);
        let (status, body) = json(request.send().await.unwrap()).await;
        assert_eq!(status, 400, "{form}: {body}");
        assert_eq!(body["error"]["type"], "invalid_request_error", "{form}");
        assert_eq!(body["error"]["param"], param, "{form}");
    }
    let (status, body) = json(it.get("/v1/payment_intents/pi_none").send().await.unwrap()).await;
    assert_eq!((status, body["error"]["code"].as_str()), (404, Some("resource_missing")));
    assert!(it.payments().await.is_empty());
}

#[tokio::test]
async fn only_a_secret_test_key_gets_in() {
    let it = Running::new().await;
    let url = format!("{}/v1/payment_intents", it.base);
    let sale = || it.http.post(&url).form(SALE);
    for denied in [
        sale(),
        sale().bearer_auth("sk_live_real"),
        sale().bearer_auth("pk_test_public"),
        sale().basic_auth("sk_live_real", None::<&str>),
    ] {
        let (status, body) = json(denied.send().await.unwrap()).await;
        assert_eq!((status, body["error"]["type"].as_str()), (401, Some("invalid_request_error")));
    }
    assert!(it.payments().await.is_empty());
    for key in ["sk_test_a", "sk_test_~Z"] {
        let answer = sale().basic_auth(key, None::<&str>).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(sale().bearer_auth("sk_test_a").send().await.unwrap().status(), 200);
}
