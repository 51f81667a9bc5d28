//! How each refusal of the domain, and of the log, is answered.

use std::error::Error;

use domain::account::AccountRejection;
use domain::email_claim::EmailClaimRejection;
use domain::order::OrderRejection;
use domain::payment::PaymentRejection;
use domain::ticket::TicketRejection;
use eventlog::{ExecuteError, LogError, VaultError};
use web::ApiError;

/// When to try again while the log or the vault is away.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A refusal that has an answer of its own.
pub(crate) trait Refusal: Error {
    fn answer(self) -> ApiError;
}

pub(crate) fn not_executed<R: Refusal>(error: ExecuteError<R>) -> ApiError {
    match error {
        ExecuteError::Rejected(refusal) => refusal.answer(),
        ExecuteError::Contended { .. } => ApiError::contended(),
        ExecuteError::RevisionMismatch { .. } => ApiError::precondition_failed(),
        ExecuteError::KeyReused => ApiError::key_reused(),
        ExecuteError::Log(error) => not_logged(&error),
    }
}

pub(crate) fn not_logged(error: &LogError) -> ApiError {
    if error.is_unavailable() {
        tracing::warn!("request refused: {error}");
        ApiError::unavailable(RETRY_AFTER_SECONDS)
    } else {
        ApiError::internal(error)
    }
}

pub(crate) fn not_sealed(error: &VaultError) -> ApiError {
    match error {
        VaultError::Unavailable(_) => {
            tracing::warn!("request refused: {error}");
            ApiError::unavailable(RETRY_AFTER_SECONDS)
        }
        VaultError::Erased => ApiError::conflict(AccountRejection::Erased.to_string()),
        VaultError::Damaged | VaultError::OtherMaster => ApiError::internal(error),
    }
}

impl Refusal for TicketRejection {
    fn answer(self) -> ApiError {
        let text = self.to_string();
        match self {
            Self::NotFound => ApiError::not_found(text),
            Self::NotSeller => ApiError::forbidden(text),
            Self::PriceNotPositive => ApiError::invalid("price", text),
            Self::CurrencyIsFixed => ApiError::invalid("currency", text),
            Self::LessThanHeld { .. } | Self::TooManyForOneOrder { .. } => {
                ApiError::invalid("quantity", text)
            }
            Self::AlreadyListed
            | Self::Withdrawn
            | Self::ReservedCannotBeEdited
            | Self::NotEnoughLeft { .. }
            | Self::ReservedOtherwise
            | Self::NotReserved
            | Self::AlreadySold
            | Self::NotSold => ApiError::bad_request(text),
        }
    }
}

impl Refusal for OrderRejection {
    fn answer(self) -> ApiError {
        let text = self.to_string();
        match self {
            // Whose order it is, is nobody else's business.
            Self::NotFound | Self::NotBuyer => ApiError::not_found(text),
            Self::PaymentUnderWay { .. } => ApiError::conflict(text),
            Self::PlacedOtherwise
            | Self::Cancelled
            | Self::Expired
            | Self::AlreadyPaid
            | Self::OtherPayment
            | Self::PaymentTurnedAway
            | Self::PaidCannotBeCancelled
            | Self::NotYetExpired { .. }
            | Self::NotPaid
            | Self::RefundTooLarge
            | Self::OtherRefund => ApiError::bad_request(text),
        }
    }
}

impl Refusal for PaymentRejection {
    fn answer(self) -> ApiError {
        let text = self.to_string();
        match self {
            Self::NotFound | Self::RefundNotFound => ApiError::not_found(text),
            // The id of a payment comes from the key alone, so another intent is another request.
            Self::InitiatedOtherwise => ApiError::key_reused(),
            Self::NotCaptured | Self::RefundTooLarge | Self::RefundOtherwise => {
                ApiError::bad_request(text)
            }
        }
    }
}

impl Refusal for AccountRejection {
    fn answer(self) -> ApiError {
        match self {
            Self::NotFound | Self::Erased | Self::SessionOver => ApiError::unauthorized(),
            // Somebody else with the same address was faster.
            Self::AlreadyRegistered => email_in_use(),
            Self::PasswordChangedMeanwhile | Self::ErasureNotRequested => {
                ApiError::conflict(self.to_string())
            }
        }
    }
}

impl Refusal for EmailClaimRejection {
    fn answer(self) -> ApiError {
        match self {
            Self::Taken { .. } => email_in_use(),
        }
    }
}

fn email_in_use() -> ApiError {
    ApiError::invalid("email", "Email in use")
}
