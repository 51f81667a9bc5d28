//! Mistakes made on purpose, one at a time, for the tests that must notice them. Without the feature
//! `mutants`, which no build for use has, none can be made.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Records that money was taken, and asks for it afterwards.
    ResultFirst,
    /// Asks the provider under a new key each time.
    RandomKey,
    /// Lets an order go without having its payment called off at the provider.
    ReleaseUnasked,
    /// Ends an order at its time though a payment is undecided.
    ExpireUndecided,
}

#[cfg(feature = "mutants")]
static MADE: std::sync::OnceLock<Mutant> = std::sync::OnceLock::new();

/// From now on this mistake is made; the first counts.
#[cfg(feature = "mutants")]
pub fn make(mutant: Mutant) {
    let _first = MADE.set(mutant);
}

#[cfg(feature = "mutants")]
pub(crate) fn is_made(mutant: Mutant) -> bool {
    MADE.get() == Some(&mutant)
}

#[cfg(not(feature = "mutants"))]
pub(crate) const fn is_made(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
impl std::str::FromStr for Mutant {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "result-first" => Self::ResultFirst,
            "random-key" => Self::RandomKey,
            "release-unasked" => Self::ReleaseUnasked,
            "expire-undecided" => Self::ExpireUndecided,
            _ => return Err("result-first, random-key, release-unasked or expire-undecided"),
        })
    }
}
