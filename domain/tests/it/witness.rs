//! Looking for commands that break an invariant.

use std::fmt::Debug;

use domain::Aggregate;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::rules::{Decided, Rules};

/// How many random histories are tried.
const CASES: u32 = 500;

/// One command and what it came to.
pub(crate) struct Step<'a, A: Aggregate> {
    pub(crate) command: &'a A::Command,
    pub(crate) decided: &'a Decided<A>,
    pub(crate) before: &'a A,
    pub(crate) after: &'a A,
}

impl<A: Aggregate> Step<'_, A> {
    pub(crate) fn events(&self) -> &[A::Event] {
        self.decided.as_ref().map_or(&[], Vec::as_slice)
    }
}

/// Keeps books of its own and says when an invariant is broken.
pub(crate) trait Witness: Default {
    type Of: Aggregate;

    fn see(&mut self, step: &Step<'_, Self::Of>) -> Result<(), String>;
}

/// The rules as they are keep the invariant.
#[track_caller]
pub(crate) fn upheld<W: Witness>(commands: impl Strategy<Value = Vec<Command<W>>>) {
    let mut runner = TestRunner::new(config());
    if let Err(error) = search::<W>(&mut runner, &Rules::REAL, &commands) {
        panic!("{error}");
    }
}

/// The invariant is broken by these rules, and the witness says so.
#[track_caller]
pub(crate) fn caught<W: Witness>(
    mutant: &Rules<W::Of>,
    commands: impl Strategy<Value = Vec<Command<W>>>,
) {
    // The same histories every time, for there is nothing new to be found.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config(), random);
    let found = search::<W>(&mut runner, mutant, &commands);
    assert!(matches!(found, Err(TestError::Fail(..))), "nobody has noticed the mutant");
}

pub(crate) type Command<W> = <<W as Witness>::Of as Aggregate>::Command;

fn config() -> Config {
    Config { cases: CASES, failure_persistence: None, ..Config::default() }
}

fn search<W: Witness>(
    runner: &mut TestRunner,
    rules: &Rules<W::Of>,
    commands: &impl Strategy<Value = Vec<Command<W>>>,
) -> Result<(), TestError<impl Debug>> {
    runner.run(commands, |commands| {
        let mut witness = W::default();
        let mut state = W::Of::default();
        for command in commands {
            let decided = (rules.decide)(&state, command.clone());
            let events = decided.as_deref().unwrap_or_default();
            let after =
                events.iter().fold(state.clone(), |state, event| (rules.evolve)(state, event));
            let step = Step { command: &command, decided: &decided, before: &state, after: &after };
            witness.see(&step).map_err(TestCaseError::fail)?;
            state = after;
        }
        Ok(())
    })
}
