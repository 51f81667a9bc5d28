//! Stripe's test cards: what each is, and what its bank answers.

/// A test card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) brand: &'static str,
    pub(crate) last4: &'static str,
    pub(crate) funding: &'static str,
    pub(crate) bank: Bank,
    pub(crate) refund: Refunding,
    /// Why its owner complains at the bank as soon as the money is taken, if they do.
    pub(crate) dispute: Option<&'static str>,
}

/// What the bank says to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bank {
    Approves,
    Declines(Decline),
    /// 3-D Secure: the bank wants to see the buyer first, and may decline even then.
    Asks {
        then: Option<Decline>,
    },
    /// The bank answers some time later, without asking anybody.
    TakesTime {
        then: Option<Decline>,
    },
}

/// How money goes back to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refunding {
    AtOnce,
    /// Pending first.
    Later,
    /// Seems to work, and then the bank does not take the money back.
    FailsLater,
}

/// A refusal as Stripe words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    pub(crate) decline_code: &'static str,
    pub(crate) message: &'static str,
}

/// The card behind a test token such as `tok_visa`.
pub(crate) fn of_token(token: &str) -> Option<Card> {
    named(token.strip_prefix("tok_")?)
}

/// The card behind a test payment method such as `pm_card_visa`.
pub(crate) fn of_payment_method(id: &str) -> Option<Card> {
    named(id.strip_prefix("pm_card_")?)
}

/// The card by the part of the name that tokens and payment methods share.
pub(crate) fn named(name: &str) -> Option<Card> {
    let credit = |brand, last4| Card {
        brand,
        last4,
        funding: "credit",
        bank: Bank::Approves,
        refund: Refunding::AtOnce,
        dispute: None,
    };
    let visa = |last4, bank| Card { bank, ..credit("visa", last4) };
    let refunding = |last4, refund| Card { refund, ..credit("visa", last4) };
    let disputing = |last4, reason| Card { dispute: Some(reason), ..credit("visa", last4) };
    // Stripe knows its declining cards by two names: `chargeDeclined` and `visa_chargeDeclined`.
    let name = match name.strip_prefix("visa_") {
        Some(rest) if rest.starts_with("chargeDeclined") => rest,
        Some(_) | None => name,
    };
    Some(match name {
        "visa" => credit("visa", "4242"),
        "visa_debit" => Card { funding: "debit", ..credit("visa", "5556") },
        "mastercard" => credit("mastercard", "4444"),
        "mastercard_debit" => Card { funding: "debit", ..credit("mastercard", "8210") },
        "mastercard_prepaid" => Card { funding: "prepaid", ..credit("mastercard", "5100") },
        "amex" => credit("amex", "8431"),
        "discover" => credit("discover", "1117"),
        "diners" => credit("diners", "0004"),
        "jcb" => credit("jcb", "0505"),
        "unionpay" => credit("unionpay", "0005"),
        "threeDSecureOptional" => visa("3055", Bank::Approves),
        "threeDSecure2Required" => visa("3220", Bank::Asks { then: None }),
        "threeDSecureRequired" => visa("3063", Bank::Asks { then: None }),
        "authenticationRequired" => visa("3184", Bank::Asks { then: None }),
        "threeDSecureRequiredChargeDeclined" => visa("1629", Bank::Asks { then: Some(GENERIC) }),
        "authenticationRequiredChargeDeclinedInsufficientFunds" => {
            visa("9995", Bank::Asks { then: Some(INSUFFICIENT_FUNDS) })
        }
        "chargeDeclined" => visa("0002", Bank::Declines(GENERIC)),
        "chargeCustomerFail" => visa("0341", Bank::Declines(GENERIC)),
        "chargeDeclinedInsufficientFunds" => visa("9995", Bank::Declines(INSUFFICIENT_FUNDS)),
        "chargeDeclinedLostCard" => visa("9987", Bank::Declines(LOST)),
        "chargeDeclinedStolenCard" => visa("9979", Bank::Declines(STOLEN)),
        "chargeDeclinedFraudulent" => visa("0019", Bank::Declines(FRAUDULENT)),
        "chargeDeclinedVelocityLimitExceeded" => visa("6975", Bank::Declines(VELOCITY)),
        "chargeDeclinedExpiredCard" => visa("0069", Bank::Declines(EXPIRED)),
        "chargeDeclinedIncorrectCvc" => visa("0127", Bank::Declines(WRONG_CVC)),
        "chargeDeclinedProcessingError" => visa("0119", Bank::Declines(PROCESSING)),
        // Of the sandbox alone: Stripe has such waits only for ways to pay other than cards.
        "delayed" => visa("0077", Bank::TakesTime { then: None }),
        "delayedDeclined" => visa("0078", Bank::TakesTime { then: Some(GENERIC) }),
        "pendingRefund" => refunding("7726", Refunding::Later),
        "refundFail" => refunding("5126", Refunding::FailsLater),
        "createDispute" => disputing("0259", "fraudulent"),
        "createDisputeProductNotReceived" => disputing("2685", "product_not_received"),
        _ => return None,
    })
}

pub(crate) const GENERIC: Decline = declined("generic_decline", "the card was declined");
const INSUFFICIENT_FUNDS: Decline = declined("insufficient_funds", "the card has too little on it");
const LOST: Decline = declined("lost_card", "the card was declined");
const STOLEN: Decline = declined("stolen_card", "the card was declined");
const FRAUDULENT: Decline = declined("fraudulent", "the card was declined");
const VELOCITY: Decline =
    declined("card_velocity_exceeded", "the card was used too often or for too much");
const EXPIRED: Decline = own("expired_card", "the card has expired");
const WRONG_CVC: Decline = own("incorrect_cvc", "the card's security code is wrong");
const PROCESSING: Decline = own("processing_error", "the bank could not process the card");

/// What a bank answers when the shop says that the buyer is not there to be asked.
pub(crate) const AUTHENTICATION_REQUIRED: Decline =
    own("authentication_required", "the bank wants to see the buyer");

/// The bank's reason stands in the decline code, under the one code for them all.
const fn declined(decline_code: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", decline_code, message }
}

/// A reason with a code of its own.
const fn own(code: &'static str, message: &'static str) -> Decline {
    Decline { code, decline_code: code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_by_either_of_its_names() {
        let plain = of_token("tok_chargeDeclinedInsufficientFunds").unwrap();
        assert_eq!(of_token("tok_visa_chargeDeclinedInsufficientFunds"), Some(plain));
        assert_eq!(of_payment_method("pm_card_visa_chargeDeclinedInsufficientFunds"), Some(plain));
        assert_eq!(of_payment_method("pm_card_visa").unwrap().bank, Bank::Approves);
    }

    #[test]
    fn what_is_no_test_card_is_not_found() {
        for name in ["tok_", "tok_gold", "visa", "pm_card_visa_", "pm_visa", "card_visa", ""] {
            assert_eq!(of_token(name), None, "{name}");
        }
        assert_eq!(of_payment_method("tok_visa"), None);
    }
}
