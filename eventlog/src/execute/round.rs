use std::collections::HashMap;

use bytes::Bytes;
use domain::id::CommandId;
use domain::{Aggregate, Cause, Position, Revision};
use uuid::Uuid;

use super::commands::OtherCommand;
use super::known::Known;
use super::{Answer, Ask, Expected, Job};
use crate::codec::{Encoded, encode, encode_metadata};
use crate::{ExecuteError, Executed, LogError};

/// A round ends when its events come to this many bytes; the log takes 4 MiB an append.
const APPEND_BYTES_MAX: usize = 1024 * 1024;

/// One pass over jobs: what each will be told if the events are appended where they were decided.
pub(super) struct Round<A: Aggregate> {
    /// For the first jobs, as many as fit.
    verdicts: Vec<Verdict<A>>,
    pub(super) events: Vec<Encoded>,
    bytes: usize,
    /// The commands that gave those events, with their fingerprints.
    commands: HashMap<CommandId, (Option<String>, Revision)>,
    /// The state after the events, once there are any.
    evolved: Option<A>,
}

/// What comes of a command.
enum Decided<A: Aggregate> {
    Now(Vec<A::Event>),
    /// It took effect before, at that revision.
    Before(Revision),
}

enum Verdict<A: Aggregate> {
    Look,
    /// With what happened, and the state after it.
    Changed(Vec<A::Event>, A),
    AlreadySo,
    /// It took effect before, at that revision.
    Repeated(Revision),
    Not(ExecuteError<A::Rejection>),
}

impl<A: Aggregate> Round<A> {
    pub(super) fn decide(stream: &str, build: &str, known: &Known<A>, jobs: &[Job<A>]) -> Self {
        let mut round = Self {
            verdicts: Vec::with_capacity(jobs.len()),
            events: Vec::new(),
            bytes: 0,
            commands: HashMap::new(),
            evolved: None,
        };
        for job in jobs {
            if round.bytes >= APPEND_BYTES_MAX {
                break;
            }
            let verdict = match &job.ask {
                Ask::Look => Ok(Verdict::Look),
                Ask::Recall { cause } => round
                    .given(known, cause)
                    .map(|given| given.map_or(Verdict::Look, Verdict::Repeated)),
                Ask::Execute { command, cause, expected } => {
                    let decided = round.command(known, command, cause, *expected);
                    decided.and_then(|decided| match decided {
                        Decided::Before(revision) => Ok(Verdict::Repeated(revision)),
                        Decided::Now(events) => round.take(stream, build, known, events, cause),
                    })
                }
            };
            let verdict = verdict.unwrap_or_else(Verdict::Not);
            round.verdicts.push(verdict);
        }
        round
    }

    /// Where a command took effect, if it was given before.
    fn given(
        &self,
        known: &Known<A>,
        cause: &Cause,
    ) -> Result<Option<Revision>, ExecuteError<A::Rejection>> {
        let (command, fingerprint) = (cause.command, &cause.fingerprint);
        let given_now = || {
            let (given, revision) = self.commands.get(&command)?;
            Some(if given == fingerprint { Ok(*revision) } else { Err(OtherCommand) })
        };
        let given = known.commands.given(command, fingerprint.as_deref()).or_else(given_now);
        given.transpose().map_err(|OtherCommand| ExecuteError::KeyReused)
    }

    /// What comes of a command, or came of it before.
    fn command(
        &self,
        known: &Known<A>,
        command: &A::Command,
        cause: &Cause,
        expected: Expected,
    ) -> Result<Decided<A>, ExecuteError<A::Rejection>> {
        if let Some(revision) = self.given(known, cause)? {
            return Ok(Decided::Before(revision));
        }
        let actual = revision_after(known.revision, self.events.len());
        if let Expected::At(revision) = expected
            && actual != Some(revision)
        {
            return Err(ExecuteError::RevisionMismatch { actual });
        }
        let state = self.evolved.as_ref().unwrap_or(&known.state);
        state.decide(command.clone()).map(Decided::Now).map_err(ExecuteError::Rejected)
    }

    /// Adds the events of an accepted command to the round.
    fn take(
        &mut self,
        stream: &str,
        build: &str,
        known: &Known<A>,
        events: Vec<A::Event>,
        cause: &Cause,
    ) -> Result<Verdict<A>, ExecuteError<A::Rejection>> {
        if events.is_empty() {
            return Ok(Verdict::AlreadySo);
        }
        let metadata = encode_metadata(cause, build)?;
        let encoded = encode_all(stream, &events, cause.command, &metadata)?;
        self.bytes += encoded.iter().map(Encoded::bytes).sum::<usize>();
        self.events.extend(encoded);
        let state = self.evolved.take().unwrap_or_else(|| known.state.clone());
        let state = events.iter().fold(state, A::evolve);
        self.evolved = Some(state.clone());
        if let Some(revision) = revision_after(known.revision, self.events.len()) {
            self.commands.insert(cause.command, (cause.fingerprint.clone(), revision));
        }
        Ok(Verdict::Changed(events, state))
    }

    /// How many jobs the round has decided, from the first on.
    pub(super) fn jobs(&self) -> usize {
        self.verdicts.len()
    }

    /// Answers the jobs of the round and takes its events into what is known. `appended` is the
    /// position of its last event; none when it has no events.
    pub(super) fn settle(
        self,
        known: &mut Known<A>,
        jobs: Vec<Job<A>>,
        appended: Option<Position>,
    ) {
        // The log tells the position of the last event alone. To those before it that is late
        // enough to find their own writes, and they are not told of any other.
        known.position = appended.or(known.position);
        for (job, verdict) in jobs.into_iter().zip(self.verdicts) {
            let answer = match verdict {
                Verdict::Look | Verdict::AlreadySo => Ok(executed(known, Vec::new(), None)),
                Verdict::Repeated(before) => Ok(executed(known, Vec::new(), Some(before))),
                Verdict::Not(error) => Err(error),
                Verdict::Changed(events, state) => {
                    known.revision = revision_after(known.revision, events.len());
                    known.state = state;
                    Ok(executed(known, events, None))
                }
            };
            tell(job, answer);
        }
        for (command, (fingerprint, revision)) in self.commands {
            known.commands.insert(command, fingerprint.as_deref(), revision);
        }
    }
}

/// Who asked may have gone; the outcome stands all the same.
pub(super) fn tell<A: Aggregate>(job: Job<A>, answer: Answer<A>) {
    let _nobody_waits = job.answer.send(answer);
}

fn executed<A: Aggregate>(
    known: &Known<A>,
    events: Vec<A::Event>,
    repeated: Option<Revision>,
) -> Executed<A> {
    Executed {
        state: known.state.clone(),
        revision: known.revision,
        position: known.position,
        events,
        repeated,
    }
}

/// Ids are derived, so that the same command gives the same ids however often it is sent. The
/// stream is part of them because one command may reach several streams.
fn encode_all<E: domain::Event>(
    stream: &str,
    events: &[E],
    command: CommandId,
    metadata: &Bytes,
) -> Result<Vec<Encoded>, LogError> {
    let id = |index: usize| Uuid::new_v5(&command.0, format!("{stream}/{index}").as_bytes());
    let encoded = events.iter().enumerate();
    encoded.map(|(index, event)| encode(event, id(index), metadata.clone())).collect()
}

fn revision_after(revision: Option<Revision>, events: usize) -> Option<Revision> {
    (0..events).fold(revision, |at, _| Some(at.map_or(Revision(0), |Revision(n)| Revision(n + 1))))
}
