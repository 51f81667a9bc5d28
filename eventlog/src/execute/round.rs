use std::collections::HashMap;

use bytes::Bytes;
use domain::id::CommandId;
use domain::{Aggregate, Cause, Position, Revision};
use uuid::Uuid;

use super::known::Known;
use super::{Answer, Ask, Job};
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
    /// The state after the events, once there are any.
    evolved: Option<A>,
    /// The commands that gave those events.
    commands: HashMap<CommandId, Option<String>>,
}

enum Verdict<A: Aggregate> {
    Look,
    Accepted(Vec<A::Event>),
    Repeated,
    Not(ExecuteError<A::Rejection>),
}

impl<A: Aggregate> Round<A> {
    pub(super) fn decide(stream: &str, build: &str, known: &Known<A>, jobs: &[Job<A>]) -> Self {
        let mut round = Self {
            verdicts: Vec::with_capacity(jobs.len()),
            events: Vec::new(),
            bytes: 0,
            evolved: None,
            commands: HashMap::new(),
        };
        for job in jobs {
            if round.bytes >= APPEND_BYTES_MAX {
                break;
            }
            let verdict = match &job.ask {
                Ask::Look => Verdict::Look,
                Ask::Execute { command, cause, expected } => {
                    let decided = round.command(known, command, cause, *expected);
                    let taken = decided
                        .and_then(|verdict| round.take(stream, build, known, verdict, cause));
                    taken.unwrap_or_else(Verdict::Not)
                }
            };
            round.verdicts.push(verdict);
        }
        round
    }

    fn command(
        &self,
        known: &Known<A>,
        command: &A::Command,
        cause: &Cause,
        expected: Option<Revision>,
    ) -> Result<Verdict<A>, ExecuteError<A::Rejection>> {
        let seen = known.commands.get(&cause.command).or_else(|| self.commands.get(&cause.command));
        if let Some(fingerprint) = seen {
            let same = *fingerprint == cause.fingerprint;
            return if same { Ok(Verdict::Repeated) } else { Err(ExecuteError::KeyReused) };
        }
        let actual = revision_after(known.revision, self.events.len());
        if expected.is_some() && expected != actual {
            return Err(ExecuteError::RevisionMismatch { actual });
        }
        let state = self.evolved.as_ref().unwrap_or(&known.state);
        state.decide(command.clone()).map(Verdict::Accepted).map_err(ExecuteError::Rejected)
    }

    /// Adds the events of an accepted command to the round.
    fn take(
        &mut self,
        stream: &str,
        build: &str,
        known: &Known<A>,
        verdict: Verdict<A>,
        cause: &Cause,
    ) -> Result<Verdict<A>, ExecuteError<A::Rejection>> {
        let Verdict::Accepted(events) = &verdict else { return Ok(verdict) };
        if events.is_empty() {
            return Ok(verdict);
        }
        let metadata = encode_metadata(cause, build)?;
        let encoded = encode_all(stream, events, cause.command, &metadata)?;
        self.bytes += encoded.iter().map(Encoded::bytes).sum::<usize>();
        self.events.extend(encoded);
        let state = self.evolved.take().unwrap_or_else(|| known.state.clone());
        self.evolved = Some(events.iter().fold(state, A::evolve));
        self.commands.insert(cause.command, cause.fingerprint.clone());
        Ok(verdict)
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
                Verdict::Look => Ok(executed(known, Vec::new(), false)),
                Verdict::Repeated => Ok(executed(known, Vec::new(), true)),
                Verdict::Not(error) => Err(error),
                Verdict::Accepted(events) => {
                    known.revision = revision_after(known.revision, events.len());
                    for event in &events {
                        known.evolve(event);
                    }
                    Ok(executed(known, events, false))
                }
            };
            tell(job, answer);
        }
        known.commands.extend(self.commands);
    }
}

/// Who asked may have gone; the outcome stands all the same.
pub(super) fn tell<A: Aggregate>(job: Job<A>, answer: Answer<A>) {
    let _nobody_waits = job.answer.send(answer);
}

fn executed<A: Aggregate>(known: &Known<A>, events: Vec<A::Event>, repeated: bool) -> Executed<A> {
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
