//! Accounts, and what moves between them.

use std::fmt::{self, Display};

use domain::id::AccountId;
use domain::money::Money;

/// Where money is, or who is owed it. Written as in `provider` or `seller/<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// At the payment provider, ours.
    Provider,
    /// Taken at the door: sellers have it in their hands.
    Door,
    /// Owed to a buyer: taken, and no order has it yet or any more. Below zero: the buyer was given
    /// back what an order still has.
    Buyer(AccountId),
    /// Owed to a seller for orders that are paid; none when nobody knows who listed the ticket.
    Seller(Option<AccountId>),
    /// On its way back to buyers.
    Refunds,
    /// With a buyer's bank until a dispute is decided.
    Disputes,
    /// Lost by disputes.
    DisputeLosses,
    /// Kept by the payment provider.
    Fees,
}

impl Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider => f.write_str("provider"),
            Self::Door => f.write_str("door"),
            Self::Buyer(id) => write!(f, "buyer/{id}"),
            Self::Seller(Some(id)) => write!(f, "seller/{id}"),
            Self::Seller(None) => f.write_str("seller/unknown"),
            Self::Refunds => f.write_str("refunds"),
            Self::Disputes => f.write_str("disputes"),
            Self::DisputeLosses => f.write_str("dispute-losses"),
            Self::Fees => f.write_str("fees"),
        }
    }
}

/// One movement of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The account that gets.
    pub debit: Account,
    /// The account that gives.
    pub credit: Account,
    /// More than nothing.
    pub amount: Money,
    /// In words.
    pub why: &'static str,
}
