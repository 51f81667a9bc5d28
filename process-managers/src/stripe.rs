//! Stripe as the gateway, or its sandbox.
//!
//! A charge takes two calls: one creates the payment without confirming it, the other confirms.
//! Both carry idempotency keys derived from the charge's key. That makes cancelling safe and final
//! when nobody knows how far a charge came: creating again tells its id, or makes a payment that
//! nobody confirms, and confirming a cancelled payment fails.

mod events;
mod refund;
mod statement;

use std::collections::HashMap;
use std::time::Duration;

use ::stripe::{
    ApiErrors, ApiErrorsCode, ApiErrorsType, Client, ClientBuilder, IdempotencyKey,
    RequestStrategy, StripeError, StripeRequest,
};
use async_trait::async_trait;
use domain::Timestamp;
use domain::money::{Currency, Money};
use domain::notice::{NoticeId, ProviderNoticeReceived};
use stripe_core::payment_intent::{
    CancelPaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent, RetrievePaymentIntent,
    SearchPaymentIntent,
};
use stripe_core::{
    PaymentIntent, PaymentIntentAllowedPaymentMethodTypes, PaymentIntentId, PaymentIntentStatus,
};

use crate::gateway::{
    Charge, ClientSecret, Ending, Gateway, GatewayError, Outcome, Repayment, Statement,
};

/// The metadata entry by which a payment is found when its key is forgotten.
const PAYMENT: &str = "payment";
const ORDER: &str = "order";

/// How long one call may take before its outcome counts as unknown. Banks take seconds at times.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long keys are relied on. Stripe keeps them for 24 hours; a retry needs room before that.
const KEY_HOURS_MAX: i64 = 20;

/// Declines after which the same card may work, later or typed more carefully.
const RETRYABLE: [&str; 12] = [
    "authentication_required",
    "card_velocity_exceeded",
    "incorrect_cvc",
    "incorrect_number",
    "incorrect_zip",
    "insufficient_funds",
    "invalid_cvc",
    "issuer_not_available",
    "processing_error",
    "reenter_transaction",
    "try_again_later",
    "withdrawal_count_limit_exceeded",
];

/// Currencies without decimals at Stripe as well as in ISO 4217. Stripe counts hundredths of the
/// Icelandic króna and the Ugandan shilling, where ISO 4217 has none.
const WITHOUT_DECIMALS: [&str; 14] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "pyg", "rwf", "vnd", "vuv", "xaf", "xof",
    "xpf",
];
/// Currencies with three decimals that Stripe takes, in steps of ten.
const WITH_THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// The ariary has two decimals in ISO 4217 and none at Stripe.
const ARIARY: &str = "mga";

/// Takes money through Stripe.
#[derive(Clone, Debug)]
pub struct StripeGateway {
    client: Client,
}

impl StripeGateway {
    /// With the address of Stripe itself unless another is given, such as the sandbox's.
    ///
    /// # Errors
    /// [`GatewayError::Misconfigured`] when the key or the address cannot be used.
    ///
    /// # Panics
    /// When the process has not installed a rustls crypto provider.
    pub fn new(secret_key: &str, api_base: Option<&str>) -> Result<Self, GatewayError> {
        Self::with_timeout(secret_key, api_base, CALL_TIMEOUT)
    }

    /// Whether Stripe answers, and takes the key. Nothing is changed there.
    ///
    /// # Errors
    /// [`GatewayError::Misconfigured`] when the key is not good; `Unavailable` without an answer.
    pub async fn check(&self) -> Result<(), GatewayError> {
        self.search("nobody's payment").await.map(drop)
    }

    fn with_timeout(
        secret_key: &str,
        api_base: Option<&str>,
        call_timeout: Duration,
    ) -> Result<Self, GatewayError> {
        // The client attempts each call once: whoever asks us waits and asks again.
        let mut builder = ClientBuilder::new(secret_key).timeout(call_timeout);
        if let Some(base) = api_base {
            // The client appends `v1/…` as it is.
            builder = builder.url(format!("{}/", base.trim_end_matches('/')));
        }
        let client = builder.build().map_err(|error| misconfigured(error.to_string()))?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Gateway for StripeGateway {
    async fn charge(&self, charge: &Charge, source: &str) -> Result<Option<Outcome>, GatewayError> {
        self.charge_card(charge, source).await.map(Some)
    }

    async fn look(&self, charge: &Charge) -> Result<Option<Outcome>, GatewayError> {
        let id = self.find_or_create(charge).await?;
        self.outcome(&id).await
    }

    async fn cancel(&self, charge: &Charge) -> Result<Ending, GatewayError> {
        let id = self.find_or_create(charge).await?;
        self.void(&id).await
    }

    async fn refund(&self, repayment: &Repayment) -> Result<Option<String>, GatewayError> {
        self.give_back(repayment).await.map(Some)
    }

    async fn statement(&self, provider_ref: &str) -> Result<Option<Statement>, GatewayError> {
        statement::statement(&self.client, provider_ref).await
    }

    async fn events(
        &self,
        from: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<Vec<(NoticeId, ProviderNoticeReceived)>, GatewayError> {
        events::events(&self.client, from, until).await
    }
}

impl StripeGateway {
    async fn give_back(&self, repayment: &Repayment) -> Result<String, GatewayError> {
        refund::refund(&self.client, repayment).await
    }

    async fn charge_card(&self, charge: &Charge, source: &str) -> Result<Outcome, GatewayError> {
        let id = self.find_or_create(charge).await?;
        if is_old(charge) {
            // The key of the confirmation is forgotten too: confirming anew could charge a card
            // that was declined, and reported so, before.
            if let Some(outcome) = self.outcome(&id).await? {
                return Ok(outcome);
            }
        }
        match self.confirm(&id, &charge.key, source).await {
            Ok(confirmed) if confirmed.status == PaymentIntentStatus::Succeeded => {
                Ok(Outcome::Captured { provider_ref: id.to_string() })
            }
            // The answer may be the kept one of an earlier call, and much has happened since.
            Ok(confirmed) => {
                let reason = format!("the payment is {}", confirmed.status.as_str());
                self.outcome(&id).await?.ok_or(GatewayError::Unavailable { reason })
            }
            Err(Failure::Declined { code, retryable }) => self.declined(&id, code, retryable).await,
            Err(Failure::Refused { code, reason }) => match self.void(&id).await? {
                Ending::Captured { provider_ref } => Ok(Outcome::Captured { provider_ref }),
                Ending::Voided { .. } => Err(GatewayError::Refused { code, reason }),
            },
            // Stripe keeps a 500 under the key, though the charge may have worked. And for another
            // source under the same key the first one counts.
            Err(
                Failure::Unclear { reason }
                | Failure::OtherState { reason }
                | Failure::KeyReused { reason },
            ) => self.outcome(&id).await?.ok_or(GatewayError::Unavailable { reason }),
            Err(Failure::Gateway(error)) => Err(error),
        }
    }

    /// The payment at Stripe, made there unless it exists.
    async fn find_or_create(&self, charge: &Charge) -> Result<PaymentIntentId, GatewayError> {
        if is_old(charge)
            && let Some(found) = self.search(&charge.key).await?
        {
            return Ok(found);
        }
        let currency = charge.amount.currency.code();
        let Ok(currency) = currency.parse::<stripe_types::Currency>();
        let metadata = HashMap::from([
            (PAYMENT.to_owned(), charge.key.clone()),
            (ORDER.to_owned(), charge.order.to_string()),
        ]);
        // Cards only: other ways to pay would need an address to send the buyer back to.
        let created = CreatePaymentIntent::new(amount(charge.amount)?, currency)
            .metadata(metadata)
            .allowed_payment_method_types(vec![PaymentIntentAllowedPaymentMethodTypes::Card])
            .customize()
            .request_strategy(idempotent(&charge.key, "create")?)
            .send(&self.client)
            .await;
        match created.map_err(Failure::from) {
            Ok(created) => Ok(created.id),
            // Stripe keeps a 500 under the key, though the payment may have been made.
            Err(Failure::Unclear { reason }) => {
                self.search(&charge.key).await?.ok_or(GatewayError::Unavailable { reason })
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn search(&self, key: &str) -> Result<Option<PaymentIntentId>, GatewayError> {
        let quoted = key.replace('\\', "\\\\").replace('\'', "\\'");
        let query = format!("metadata['{PAYMENT}']:'{quoted}'");
        let found =
            SearchPaymentIntent::new(query).send(&self.client).await.map_err(Failure::from)?;
        Ok(found.data.into_iter().next().map(|intent| intent.id))
    }

    async fn confirm(
        &self,
        id: &PaymentIntentId,
        key: &str,
        source: &str,
    ) -> Result<PaymentIntent, Failure> {
        if !is_source(source) {
            let reason = "a source is a token tok_… or a payment method pm_…".to_owned();
            return Err(Failure::Refused { code: "source_unsupported".to_owned(), reason });
        }
        let mut request = ConfirmPaymentIntent::new(id.clone()).build();
        // The client's types have no place for a card token.
        let form: &[(&str, &str)] = if source.starts_with("tok_") {
            &[("payment_method_data[type]", "card"), ("payment_method_data[card][token]", source)]
        } else {
            &[("payment_method", source)]
        };
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        request.body = Some(body);
        let request = request.customize::<PaymentIntent>();
        let strategy = idempotent(key, "confirm")?;
        Ok(request.request_strategy(strategy).send(&self.client).await?)
    }

    /// What has become of the payment by now; none while the bank was not asked.
    async fn outcome(&self, id: &PaymentIntentId) -> Result<Option<Outcome>, GatewayError> {
        let intent = RetrievePaymentIntent::new(id.clone()).send(&self.client).await;
        let intent = intent.map_err(Failure::from)?;
        let provider_ref = id.to_string();
        let status = intent.status;
        if status == PaymentIntentStatus::Succeeded {
            return Ok(Some(Outcome::Captured { provider_ref }));
        }
        if status == PaymentIntentStatus::Canceled {
            return Ok(Some(Outcome::Voided { provider_ref }));
        }
        if status == PaymentIntentStatus::RequiresAction {
            let Some(secret) = intent.client_secret else {
                return Err(misconfigured("no client secret: is the secret key restricted?"));
            };
            let client_secret = ClientSecret::new(secret);
            return Ok(Some(Outcome::ActionRequired { provider_ref, client_secret }));
        }
        let waits_for_card = status == PaymentIntentStatus::RequiresPaymentMethod
            || status == PaymentIntentStatus::RequiresConfirmation;
        match intent.last_payment_error {
            Some(error) if waits_for_card => {
                self.declined(id, code(&error), retryable(&error)).await.map(Some)
            }
            None if waits_for_card => Ok(None),
            Some(_) | None => Err(unavailable(format!("the payment is {}", status.as_str()))),
        }
    }

    /// A decline, made final. Stripe would let a browser that has the client secret try another
    /// card, after this payment was recorded as failed and the next one was begun.
    async fn declined(
        &self,
        id: &PaymentIntentId,
        code: String,
        retryable: bool,
    ) -> Result<Outcome, GatewayError> {
        Ok(match self.void(id).await? {
            Ending::Captured { provider_ref } => Outcome::Captured { provider_ref },
            Ending::Voided { provider_ref } => Outcome::Declined { provider_ref, code, retryable },
        })
    }

    /// Cancels without a key: it can be done over and over, and a kept 500 must not stand in the
    /// way of it.
    async fn void(&self, id: &PaymentIntentId) -> Result<Ending, GatewayError> {
        let provider_ref = id.to_string();
        match CancelPaymentIntent::new(id.clone()).send(&self.client).await.map_err(Failure::from) {
            Ok(_) => Ok(Ending::Voided { provider_ref }),
            Err(Failure::OtherState { reason }) => {
                let now = RetrievePaymentIntent::new(id.clone()).send(&self.client).await;
                let status = now.map_err(Failure::from)?.status;
                if status == PaymentIntentStatus::Succeeded {
                    Ok(Ending::Captured { provider_ref })
                } else if status == PaymentIntentStatus::Canceled {
                    Ok(Ending::Voided { provider_ref })
                } else {
                    Err(unavailable(reason))
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Why a call to Stripe failed, as far as it decides what to do next.
#[derive(Debug)]
enum Failure {
    Declined {
        code: String,
        retryable: bool,
    },
    Refused {
        code: String,
        reason: String,
    },
    /// The payment is no longer in a state that allows the call.
    OtherState {
        reason: String,
    },
    /// The key was used before with other particulars.
    KeyReused {
        reason: String,
    },
    /// Stripe failed, and may have done what it was asked.
    Unclear {
        reason: String,
    },
    Gateway(GatewayError),
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        Self::Gateway(error)
    }
}

impl From<StripeError> for Failure {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::Stripe(error, status) => Self::answered(&error, status),
            StripeError::ConfigError(reason) => Self::Gateway(misconfigured(reason)),
            StripeError::JSONDeserialize(reason) => Self::Unclear { reason },
            StripeError::ClientError(reason) => Self::Gateway(unavailable(reason)),
            StripeError::Timeout => Self::Gateway(unavailable("it takes too long")),
        }
    }
}

impl Failure {
    fn answered(error: &ApiErrors, status: u16) -> Self {
        // Never the whole error: it carries the payment, and with it the client secret.
        let code = code(error);
        let reason = error.message.clone().unwrap_or_else(|| code.clone());
        match status {
            401 | 403 => Self::Gateway(misconfigured(reason)),
            404 if error.param.as_deref() == Some("intent") => Self::Gateway(misconfigured(reason)),
            409 | 424 | 429 => Self::Gateway(unavailable(reason)),
            500.. => Self::Unclear { reason },
            _ if error.type_ == ApiErrorsType::CardError => {
                Self::Declined { code, retryable: retryable(error) }
            }
            _ if error.type_ == ApiErrorsType::IdempotencyError => Self::KeyReused { reason },
            _ if error.code == Some(ApiErrorsCode::PaymentIntentUnexpectedState) => {
                Self::OtherState { reason }
            }
            _ => Self::Refused { code, reason },
        }
    }
}

/// For calls that cannot be declined, where every failure means that nothing was learned.
impl From<Failure> for GatewayError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { code, reason } => Self::Refused { code, reason },
            Failure::OtherState { reason } | Failure::Unclear { reason } => unavailable(reason),
            Failure::Declined { code, .. } => unavailable(code),
            Failure::KeyReused { reason } => misconfigured(reason),
            Failure::Gateway(error) => error,
        }
    }
}

fn is_source(text: &str) -> bool {
    let name = text.strip_prefix("tok_").or_else(|| text.strip_prefix("pm_"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(plain))
}

/// The amount as Stripe counts it.
fn amount(money: Money) -> Result<i64, GatewayError> {
    let currency = money.currency.code();
    let counted_alike = match money.currency.decimals() {
        0 => WITHOUT_DECIMALS.contains(&currency.as_str()),
        2 => currency != ARIARY,
        3 => WITH_THREE_DECIMALS.contains(&currency.as_str()) && money.minor % 10 == 0,
        _ => false,
    };
    if counted_alike {
        return Ok(money.minor);
    }
    let reason = format!("an amount of {money} cannot be charged");
    Err(GatewayError::Refused { code: "amount_unsupported".to_owned(), reason })
}

/// The amount that Stripe counts so; none in a currency that we have never heard of.
fn money(amount: i64, currency: &stripe_types::Currency) -> Option<Money> {
    let currency: Currency = currency.to_string().parse().ok()?;
    Some(Money { minor: amount, currency })
}

fn is_old(charge: &Charge) -> bool {
    chrono::Utc::now() - charge.initiated_at > chrono::TimeDelta::hours(KEY_HOURS_MAX)
}

fn idempotent(key: &str, step: &str) -> Result<RequestStrategy, GatewayError> {
    let key = IdempotencyKey::new(format!("{key}-{step}"));
    key.map(RequestStrategy::Idempotent).map_err(|error| misconfigured(error.to_string()))
}

/// The bank's reason where it gives one, else Stripe's.
fn code(error: &ApiErrors) -> String {
    let code = error.code.as_ref().map(|code| code.as_str().to_owned());
    error.decline_code.clone().or(code).unwrap_or_else(|| error.type_.as_str().to_owned())
}

fn retryable(error: &ApiErrors) -> bool {
    match error.advice_code.as_deref() {
        Some("do_not_try_again") => false,
        Some("try_again_later" | "confirm_card_data") => true,
        Some(_) | None => RETRYABLE.contains(&code(error).as_str()),
    }
}

fn unavailable(reason: impl Into<String>) -> GatewayError {
    GatewayError::Unavailable { reason: reason.into() }
}

fn misconfigured(reason: impl Into<String>) -> GatewayError {
    GatewayError::Misconfigured { reason: reason.into() }
}

#[cfg(test)]
mod tests;
