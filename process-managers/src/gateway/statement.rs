//! What a provider knows of one payment, all together and at one moment.

use domain::money::Money;

/// A payment as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Under which name we had it made.
    pub key: String,
    pub taken: Taken,
    pub refunds: Vec<Refund>,
    pub disputes: Vec<Dispute>,
    pub fees: Vec<Fee>,
}

/// Whether the money was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// So much; none in a currency that we have never heard of.
    Captured(Option<Money>),
    /// It never will be.
    Voided,
    /// It may be yet.
    Open,
}

/// Money given back, by us or by somebody at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub provider_ref: String,
    /// Our name of it, if it is ours.
    pub key: Option<String>,
    pub amount: Option<Money>,
    pub state: RefundState,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// Gone, or on its way.
    Gone,
    /// The bank did not take it: the money is ours again.
    Failed,
}

/// A complaint at the buyer's bank, for which money was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub provider_ref: String,
    pub amount: Option<Money>,
    /// The provider's word for why.
    pub reason: String,
    pub state: DisputeState,
}

/// How far a complaint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeState {
    Open,
    Won,
    Lost,
}

/// What the provider keeps of a movement of money; below zero, what it gives back of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// The provider's name of the movement.
    pub provider_ref: String,
    /// In the currency of our account there; none in one that we have never heard of.
    pub amount: Option<Money>,
}
