//! Random histories against a plain model of the rules: appends with every expectation and with ids
//! old and new, deletions, tombstones, metadata, reads in every direction, restarts.
//!
//! `LOG_MODEL_CASES=2000 cargo test -p embedded-log --test model` tries more than the default.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test, which is its use")]
#![allow(clippy::wildcard_enum_match_arm, reason = "every other outcome fails the test alike")]

mod real;
mod rules;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::real::Real;
use crate::rules::Model;

const CASES: u32 = 40;
const STREAMS: usize = 3;

/// What the writer expects of the stream; `Back(0)` is its last revision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Any,
    NoStream,
    Exists,
    Back(i64),
}

/// Which id a new event has.
#[derive(Clone, Copy, Debug)]
enum Pick {
    Fresh,
    /// That of an event of the stream, counted from its last.
    Back(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        stream: usize,
        expected: Expected,
        picks: Vec<Pick>,
    },
    /// Some events of the stream again, in order, and perhaps one more.
    Again {
        stream: usize,
        expected: Option<Expected>,
        back: usize,
        count: usize,
        more: bool,
    },
    Delete {
        stream: usize,
        expected: Expected,
    },
    Tombstone {
        stream: usize,
        expected: Expected,
    },
    Describe {
        stream: usize,
        max_count: Option<u64>,
        truncate_before: Option<u64>,
    },
    Read {
        stream: usize,
        from: u64,
        forwards: bool,
        count: usize,
    },
    Restart,
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        2 => Just(Expected::Any),
        2 => Just(Expected::NoStream),
        1 => Just(Expected::Exists),
        3 => Just(Expected::Back(0)),
        2 => (-2..4_i64).prop_map(Expected::Back),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0..STREAMS;
    let pick = prop_oneof![4 => Just(Pick::Fresh), 1 => (0..4_usize).prop_map(Pick::Back)];
    let picks = proptest::collection::vec(pick, 0..4);
    prop_oneof![
        8 => (stream.clone(), expected(), picks)
            .prop_map(|(stream, expected, picks)| Step::Append { stream, expected, picks }),
        4 => (stream.clone(), proptest::option::of(expected()), 0..6_usize, 1..4_usize, any::<bool>())
            .prop_map(|(stream, expected, back, count, more)| {
                Step::Again { stream, expected, back, count, more }
            }),
        1 => (stream.clone(), expected())
            .prop_map(|(stream, expected)| Step::Delete { stream, expected }),
        1 => (stream.clone(), prop_oneof![9 => Just(None), 1 => expected().prop_map(Some)])
            .prop_map(|(stream, expected)| match expected {
                Some(expected) => Step::Tombstone { stream, expected },
                None => Step::Delete { stream, expected: Expected::Any },
            }),
        1 => (stream.clone(), proptest::option::of(1..4_u64), proptest::option::of(0..6_u64))
            .prop_map(|(stream, max_count, truncate_before)| {
                Step::Describe { stream, max_count, truncate_before }
            }),
        3 => (stream, 0..12_u64, any::<bool>(), 1..8_usize)
            .prop_map(|(stream, from, forwards, count)| {
                Step::Read { stream, from, forwards, count }
            }),
        1 => prop_oneof![19 => Just(false), 1 => Just(true)].prop_map(|restart| {
            if restart {
                Step::Restart
            } else {
                Step::Read { stream: 0, from: 0, forwards: true, count: 100 }
            }
        }),
    ]
}

/// The ids of the events that a step proposes.
fn ids(model: &Model, stream: usize, picks: &[Pick]) -> Vec<Uuid> {
    let id = |pick: &Pick| match *pick {
        Pick::Fresh => Uuid::new_v4(),
        Pick::Back(back) => model.id_back(stream, back).unwrap_or_else(Uuid::new_v4),
    };
    picks.iter().map(id).collect()
}

async fn run(real: &mut Real, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut model = Model::new(STREAMS);
    real.next_case().await;
    for step in steps {
        match step {
            Step::Append { stream, expected, picks } => {
                let ids = ids(&model, *stream, picks);
                append(real, &mut model, *stream, *expected, &ids).await?;
            }
            Step::Again { stream, expected, back, count, more } => {
                let picks = (0..*count).filter_map(|n| back.checked_sub(n)).map(Pick::Back);
                let picks: Vec<Pick> = picks.chain(more.then_some(Pick::Fresh)).collect();
                let ids = ids(&model, *stream, &picks);
                let behind = i64::try_from(*back).unwrap() + 1;
                let expected = expected.unwrap_or(Expected::Back(behind));
                append(real, &mut model, *stream, expected, &ids).await?;
            }
            Step::Delete { stream, expected } => {
                let state = model.state(*stream, *expected);
                let got = real.delete(*stream, state).await;
                prop_assert_eq!(got, model.delete(*stream, *expected), "{:?}", step);
            }
            Step::Tombstone { stream, expected } => {
                let state = model.state(*stream, *expected);
                let got = real.tombstone(*stream, state).await;
                prop_assert_eq!(got, model.tombstone(*stream, *expected), "{:?}", step);
            }
            Step::Describe { stream, max_count, truncate_before } => {
                let got = real.describe(*stream, *max_count, *truncate_before).await;
                let wanted = model.describe(*stream, *max_count, *truncate_before);
                prop_assert_eq!(got, wanted, "{:?}", step);
            }
            Step::Read { stream, from, forwards, count } => {
                let got = real.read(*stream, *from, *forwards, *count).await;
                let wanted = model.read(*stream, *from, *forwards, *count);
                prop_assert_eq!(got, wanted, "{:?}", step);
            }
            Step::Restart => real.restart().await,
        }
    }
    for stream in 0..STREAMS {
        prop_assert_eq!(real.metadata(stream).await, model.metadata(stream));
        prop_assert_eq!(real.read(stream, 0, true, 1000).await, model.read(stream, 0, true, 1000));
    }
    prop_assert_eq!(real.all().await, model.all());
    Ok(())
}

async fn append(
    real: &Real,
    model: &mut Model,
    stream: usize,
    expected: Expected,
    ids: &[Uuid],
) -> Result<(), TestCaseError> {
    let state = model.state(stream, expected);
    let got = real.append(stream, state, ids).await;
    let wanted = model.append(stream, expected, ids);
    prop_assert_eq!(got, wanted, "append {} {:?} {:?}", stream, expected, ids);
    Ok(())
}

#[test]
fn any_history_ends_as_the_rules_say() {
    #[allow(clippy::disallowed_methods, reason = "says how long the test may take")]
    let cases = std::env::var("LOG_MODEL_CASES").map_or(CASES, |text| text.parse().unwrap());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let real = std::cell::RefCell::new(runtime.block_on(Real::start()));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let history = proptest::collection::vec(step(), 1..40);
    let tried = TestRunner::new(config)
        .run(&history, |steps| runtime.block_on(run(&mut real.borrow_mut(), &steps)));
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}
