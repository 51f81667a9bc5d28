//! The rules of an aggregate, to be replaced one by one.

use domain::Aggregate;

pub(crate) type Decided<A> = Result<Vec<<A as Aggregate>::Event>, <A as Aggregate>::Rejection>;
pub(crate) type Decide<A> = fn(&A, <A as Aggregate>::Command) -> Decided<A>;
pub(crate) type Evolve<A> = fn(A, &<A as Aggregate>::Event) -> A;

/// As they are, unless one is replaced.
pub(crate) struct Rules<A: Aggregate> {
    pub(crate) decide: Decide<A>,
    pub(crate) evolve: Evolve<A>,
}

impl<A: Aggregate> Rules<A> {
    pub(crate) const REAL: Self = Self { decide: A::decide, evolve: A::evolve };

    pub(crate) fn deciding(decide: Decide<A>) -> Self {
        Self { decide, ..Self::REAL }
    }

    pub(crate) fn evolving(evolve: Evolve<A>) -> Self {
        Self { evolve, ..Self::REAL }
    }
}
