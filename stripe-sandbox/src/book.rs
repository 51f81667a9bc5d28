//! Everything the sandbox knows: payments, and the answers kept under idempotency keys.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::ApiError;
use crate::intent::Intent;

/// Payments known at most; the oldest goes when another comes. About 3 KB each with its keys.
const PAYMENTS_MAX: usize = 50_000;
/// Kept answers at most; the oldest goes when another comes.
const KEYS_MAX: usize = 150_000;
/// How long the answer to a key is kept: Stripe's own term.
const KEY_SECONDS_MAX: i64 = 24 * 60 * 60;

/// One change, and one line of the journal: the payment as it is afterwards, and the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    #[serde(serialize_with = "shared", deserialize_with = "unshared")]
    pub(crate) intent: Arc<Intent>,
    pub(crate) kept: Option<Kept>,
}

/// The answer that a key gets from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) key: String,
    /// What was asked: the same key for anything else is refused.
    pub(crate) fingerprint: String,
    pub(crate) reply: Reply,
    /// Seconds since the Unix epoch.
    pub(crate) at: i64,
}

/// An answer, to be shown together with the payment as it was then.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Intent,
    Refund(String),
    Failed(ApiError),
}

#[derive(Default)]
pub(crate) struct Book {
    /// By age: identifiers are random, so each payment gets a number as it comes.
    intents: BTreeMap<u64, Arc<Intent>>,
    numbers: HashMap<String, u64>,
    next_number: u64,
    keys: HashMap<String, (Kept, Arc<Intent>)>,
    keys_by_age: VecDeque<(i64, String)>,
}

impl Book {
    pub(crate) fn intent(&self, id: &str) -> Option<&Arc<Intent>> {
        self.intents.get(self.numbers.get(id)?)
    }

    /// Every payment, the oldest first.
    pub(crate) fn intents(&self) -> impl DoubleEndedIterator<Item = &Intent> {
        self.intents.values().map(AsRef::as_ref)
    }

    /// The payments with this metadata entry, the newest first as Stripe lists them.
    pub(crate) fn with_metadata(&self, name: &str, value: &str) -> Vec<&Arc<Intent>> {
        let has = |intent: &&Arc<Intent>| intent.metadata.get(name).is_some_and(|it| it == value);
        self.intents.values().rev().filter(has).collect()
    }

    /// What was answered under the key, and the payment as it was then.
    pub(crate) fn kept(&self, key: &str, now: i64) -> Option<(&Kept, &Intent)> {
        let (kept, intent) = self.keys.get(key)?;
        (now - kept.at < KEY_SECONDS_MAX).then_some((kept, intent))
    }

    /// Takes a change over. Applying the same changes in the same order gives the same book.
    pub(crate) fn apply(&mut self, line: Line) {
        let Line { intent, kept } = line;
        if let Some(kept) = kept {
            self.forget_before(kept.at - KEY_SECONDS_MAX);
            self.keys_by_age.push_back((kept.at, kept.key.clone()));
            self.keys.insert(kept.key.clone(), (kept, Arc::clone(&intent)));
        }
        let number = *self.numbers.entry(intent.id.clone()).or_insert_with(|| {
            self.next_number += 1;
            self.next_number
        });
        self.intents.insert(number, intent);
        if self.intents.len() > PAYMENTS_MAX
            && let Some((_, oldest)) = self.intents.pop_first()
        {
            self.numbers.remove(&oldest.id);
        }
    }

    /// Forgets the answers whose time is over.
    pub(crate) fn forget_expired(&mut self, now: i64) {
        self.forget_before(now - KEY_SECONDS_MAX);
    }

    /// The shortest journal that gives this book again: what was answered, then how things stand.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        let answered = self.keys_by_age.iter().filter_map(|(at, key)| {
            let (kept, intent) = self.keys.get(key)?;
            let line = Line { intent: Arc::clone(intent), kept: Some(kept.clone()) };
            (kept.at == *at).then_some(line)
        });
        let standing = self.intents.values();
        answered.chain(standing.map(|intent| Line { intent: Arc::clone(intent), kept: None }))
    }

    fn forget_before(&mut self, end: i64) {
        while let Some((at, key)) = self.keys_by_age.front()
            && (*at <= end || self.keys_by_age.len() > KEYS_MAX)
        {
            // The key may have been used anew since: then this entry is not its last.
            if self.keys.get(key).is_some_and(|(kept, _)| kept.at == *at) {
                self.keys.remove(key);
            }
            self.keys_by_age.pop_front();
        }
    }
}

fn shared<S: Serializer>(intent: &Arc<Intent>, serializer: S) -> Result<S::Ok, S::Error> {
    Intent::serialize(intent, serializer)
}

fn unshared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Intent>, D::Error> {
    Intent::deserialize(deserializer).map(Arc::new)
}
