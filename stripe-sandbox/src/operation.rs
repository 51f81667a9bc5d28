//! What each of Stripe's endpoints does to a payment.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::book::{Book, Reply};
use crate::card;
use crate::error::ApiError;
use crate::intent::{Confirmation, Intent, Method, Status, new_id};
use crate::params::Params;

/// Stripe's bounds on an amount, in minor units. Its lower one differs a little by currency.
const AMOUNT_MIN: i64 = 50;
const AMOUNT_MAX: i64 = 99_999_999;

/// Which endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    Create,
    Confirm,
    Cancel,
    Refund,
    Retrieve,
    Search,
    #[serde(alias = "list_refunds")]
    List,
}

/// A call that changes something; the payment's id stands in the address, save for `create` and
/// `refund`.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) verb: WriteVerb,
    pub(crate) params: Params,
    pub(crate) key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteVerb {
    Create,
    Confirm(String),
    Cancel(String),
    Refund,
}

/// What a call came to.
pub(crate) struct Change {
    pub(crate) intent: Intent,
    pub(crate) reply: Reply,
}

impl WriteVerb {
    pub(crate) fn verb(&self) -> Verb {
        match self {
            Self::Create => Verb::Create,
            Self::Confirm(_) => Verb::Confirm,
            Self::Cancel(_) => Verb::Cancel,
            Self::Refund => Verb::Refund,
        }
    }

    pub(crate) fn path(&self) -> String {
        match self {
            Self::Create => "/v1/payment_intents".to_owned(),
            Self::Confirm(id) => format!("/v1/payment_intents/{id}/confirm"),
            Self::Cancel(id) => format!("/v1/payment_intents/{id}/cancel"),
            Self::Refund => "/v1/refunds".to_owned(),
        }
    }
}

impl Write {
    /// Works out the change, without making it.
    ///
    /// # Errors
    /// When the parameters are refused before any work on a payment begins.
    pub(crate) fn work_out(&self, book: &Book, now: i64) -> Result<Change, ApiError> {
        match &self.verb {
            WriteVerb::Create => self.create(now),
            WriteVerb::Confirm(id) => self.confirm(known(book, id)?, now),
            WriteVerb::Cancel(id) => self.cancel(known(book, id)?, now),
            WriteVerb::Refund => self.refund(book, now),
        }
    }

    fn create(&self, now: i64) -> Result<Change, ApiError> {
        let params = &self.params;
        params.only(CREATE_PARAMS)?;
        let id = new_id("pi");
        let mut intent = Intent {
            client_secret: format!("{id}_{}", new_id("secret")),
            id,
            idempotency_key: self.key.clone(),
            amount: amount(params)?,
            currency: currency(params.required("currency")?)?,
            description: params.get("description").map(str::to_owned),
            metadata: params.metadata()?,
            created: now,
            status: Status::RequiresPaymentMethod,
            method: None,
            charge: None,
            attempts: Vec::new(),
            last_error: None,
            decided_at: None,
            canceled_at: None,
            cancellation_reason: None,
            refunds: Vec::new(),
            disputes: Vec::new(),
        };
        only_automatic_capture(params)?;
        let method = method(params, now)?;
        if params.flag("confirm")? {
            let outcome = intent.confirm(method, confirmation(params)?, now);
            return Ok(Change::of(intent, outcome.map(|()| Reply::Intent)));
        }
        if let Some(method) = method {
            intent.method = Some(method);
            intent.status = Status::RequiresConfirmation;
        }
        Ok(Change { intent, reply: Reply::Intent })
    }

    fn confirm(&self, mut intent: Intent, now: i64) -> Result<Change, ApiError> {
        self.params.only(CONFIRM_PARAMS)?;
        let method = method(&self.params, now)?;
        let outcome = intent.confirm(method, confirmation(&self.params)?, now);
        Ok(Change::of(intent, outcome.map(|()| Reply::Intent)))
    }

    fn cancel(&self, mut intent: Intent, now: i64) -> Result<Change, ApiError> {
        self.params.only(&["cancellation_reason", "expand"])?;
        let reason = self.params.get("cancellation_reason");
        let reasons = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
        if reason.is_some_and(|reason| !reasons.contains(&reason)) {
            let message = "a cancellation_reason that does not exist";
            return Err(ApiError::invalid("cancellation_reason", "parameter_invalid", message));
        }
        let outcome = intent.cancel(reason, now);
        Ok(Change::of(intent, outcome.map(|()| Reply::Intent)))
    }

    fn refund(&self, book: &Book, now: i64) -> Result<Change, ApiError> {
        let params = &self.params;
        params.only(&["payment_intent", "charge", "amount", "reason", "metadata", "expand"])?;
        let mut intent = match (params.get("payment_intent"), params.get("charge")) {
            (Some(id), _) => known(book, id)?,
            (None, Some(charge)) => book
                .intents()
                .find(|intent| intent.attempts.iter().any(|attempt| attempt.id == charge))
                .cloned()
                .ok_or_else(|| missing("charge", charge))?,
            (None, None) => return Err(missing("payment_intent", "")),
        };
        let amount = params.integer("amount")?;
        let metadata = params.metadata()?;
        let outcome = intent.refund(amount, params.get("reason"), metadata, now);
        Ok(Change::of(intent, outcome.map(Reply::Refund)))
    }
}

impl Change {
    fn of(intent: Intent, outcome: Result<Reply, ApiError>) -> Self {
        Self { intent, reply: outcome.unwrap_or_else(Reply::Failed) }
    }
}

/// The payments that a search asks for: `metadata['name']:'value'` is the one query we use.
pub(crate) fn search<'a>(
    book: &'a Book,
    params: &Params,
) -> Result<Vec<&'a Arc<Intent>>, ApiError> {
    params.only(&["query", "limit", "expand"])?;
    let query = params.required("query")?;
    let wanted = query
        .strip_prefix("metadata['")
        .and_then(|rest| rest.strip_suffix('\''))
        .and_then(|rest| rest.split_once("']:'"));
    let Some((name, value)) = wanted else {
        let message = "the sandbox searches by one metadata entry: metadata['name']:'value'";
        return Err(ApiError::invalid("query", "parameter_invalid", message));
    };
    let value = value.replace("\\'", "'").replace("\\\\", "\\");
    Ok(book.with_metadata(name, &value))
}

const CREATE_PARAMS: &[&str] = &[
    "allowed_payment_method_types",
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "currency",
    "description",
    "error_on_requires_action",
    "expand",
    "metadata",
    "off_session",
    "payment_method",
    "payment_method_data",
    "payment_method_types",
    "receipt_email",
    "return_url",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "use_stripe_sdk",
];

const CONFIRM_PARAMS: &[&str] = &[
    "allowed_payment_method_types",
    "error_on_requires_action",
    "expand",
    "off_session",
    "payment_method",
    "payment_method_data",
    "payment_method_types",
    "receipt_email",
    "return_url",
    "use_stripe_sdk",
];

fn known(book: &Book, id: &str) -> Result<Intent, ApiError> {
    book.intent(id).map(|intent| Intent::clone(intent)).ok_or_else(|| ApiError::no_such_intent(id))
}

fn amount(params: &Params) -> Result<i64, ApiError> {
    params.required("amount")?;
    let amount = params.integer("amount")?.unwrap_or_default();
    if amount < 1 {
        let message = "an amount is at least 1";
        return Err(ApiError::invalid("amount", "parameter_invalid_integer", message));
    }
    if amount < AMOUNT_MIN {
        let message = format!("the least that can be charged is {AMOUNT_MIN} minor units");
        return Err(ApiError::invalid("amount", "amount_too_small", message));
    }
    if amount > AMOUNT_MAX {
        let message = format!("the most that can be charged is {AMOUNT_MAX} minor units");
        return Err(ApiError::invalid("amount", "amount_too_large", message));
    }
    Ok(amount)
}

fn currency(text: &str) -> Result<String, ApiError> {
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Ok(text.to_ascii_lowercase());
    }
    let message = format!("'{text}' is no currency");
    Err(ApiError::invalid("currency", "parameter_invalid", message))
}

fn only_automatic_capture(params: &Params) -> Result<(), ApiError> {
    match params.get("capture_method") {
        None | Some("automatic" | "automatic_async") => Ok(()),
        Some(_) => {
            let message = "the sandbox captures automatically only";
            Err(ApiError::invalid("capture_method", "parameter_invalid", message))
        }
    }
}

fn confirmation(params: &Params) -> Result<Confirmation, ApiError> {
    // Besides true and false, Stripe takes a word here that says why the buyer is away.
    let away = params.get("off_session").is_some_and(|value| value != "false");
    Ok(Confirmation { buyer_absent: away || params.flag("error_on_requires_action")? })
}

/// The card that the parameters name, if any: by payment method, or by token.
fn method(params: &Params, now: i64) -> Result<Option<Method>, ApiError> {
    const TOKEN: &str = "payment_method_data[card][token]";
    if let Some(id) = params.get("payment_method") {
        let name = id.strip_prefix("pm_card_").filter(|_| card::of_payment_method(id).is_some());
        let name = name.ok_or_else(|| missing("payment_method", id))?;
        return Ok(Some(Method::new(name, now)));
    }
    match params.get("payment_method_data[type]") {
        None => Ok(None),
        Some("card") => {
            let token = params.required(TOKEN)?;
            let name = token.strip_prefix("tok_").filter(|_| card::of_token(token).is_some());
            let name = name.ok_or_else(|| missing(TOKEN, token))?;
            Ok(Some(Method::new(name, now)))
        }
        Some(_) => {
            let param = "payment_method_data[type]";
            Err(ApiError::invalid(param, "parameter_invalid", "the sandbox knows cards only"))
        }
    }
}

fn missing(param: &str, what: &str) -> ApiError {
    ApiError::invalid(param, "resource_missing", format!("no such {param}: '{what}'"))
}
