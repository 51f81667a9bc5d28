//! Everything the sandbox knows: payments, events, and the answers kept under idempotency keys.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::ApiError;
use crate::intent::Intent;
use crate::news::{Event, News};

/// Payments known at most; the oldest goes when another comes. About 3 KB each with its keys.
const PAYMENTS_MAX: usize = 50_000;
/// Kept answers at most; the oldest goes when another comes.
const KEYS_MAX: usize = 150_000;
/// Events known at most; the oldest goes when another comes.
const EVENTS_MAX: usize = 20_000;
/// How long the answer to a key is kept: Stripe's own term.
const KEY_SECONDS_MAX: i64 = 24 * 60 * 60;

/// One change, and one line of the journal: the payment as it is afterwards, the answer, and what
/// is told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    #[serde(serialize_with = "shared", deserialize_with = "unshared")]
    pub(crate) intent: Arc<Intent>,
    pub(crate) kept: Option<Kept>,
    #[serde(default)]
    pub(crate) news: Vec<News>,
    /// Seconds since the Unix epoch.
    #[serde(default)]
    pub(crate) at: i64,
    /// The payment has changed since: the line only keeps an answer or an event.
    #[serde(default)]
    pub(crate) past: bool,
}

impl Line {
    /// A payment as it stands.
    pub(crate) fn standing(intent: Arc<Intent>) -> Self {
        Self { intent, kept: None, news: Vec::new(), at: 0, past: false }
    }
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
    /// The oldest first.
    events: VecDeque<Arc<Event>>,
    /// What happens to payments by itself, by its time.
    timers: BTreeSet<(i64, String)>,
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

    /// Every event, the oldest first.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.iter()
    }

    /// The payments to which something is to happen by now.
    pub(crate) fn due(&self, now: i64) -> Vec<Arc<Intent>> {
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        due.filter_map(|(_, id)| self.intent(id)).cloned().collect()
    }

    /// Takes a change over. Applying the same changes in the same order gives the same book.
    pub(crate) fn apply(&mut self, line: Line) {
        let Line { intent, kept, news, at, past } = line;
        for news in news {
            self.events.push_back(Arc::new(Event::new(news, at, Arc::clone(&intent))));
            if self.events.len() > EVENTS_MAX {
                self.events.pop_front();
            }
        }
        if let Some(kept) = kept {
            self.forget_before(kept.at - KEY_SECONDS_MAX);
            self.keys_by_age.push_back((kept.at, kept.key.clone()));
            self.keys.insert(kept.key.clone(), (kept, Arc::clone(&intent)));
        }
        if past {
            return;
        }
        self.set_timer(&intent);
        let number = *self.numbers.entry(intent.id.clone()).or_insert_with(|| {
            self.next_number += 1;
            self.next_number
        });
        self.intents.insert(number, intent);
        if self.intents.len() > PAYMENTS_MAX
            && let Some((_, oldest)) = self.intents.pop_first()
        {
            self.numbers.remove(&oldest.id);
            if let Some(due) = oldest.due() {
                self.timers.remove(&(due, oldest.id.clone()));
            }
        }
    }

    /// In the place of the timer that the payment had.
    fn set_timer(&mut self, intent: &Intent) {
        if let Some(due) = self.intent(&intent.id).and_then(|earlier| earlier.due()) {
            self.timers.remove(&(due, intent.id.clone()));
        }
        if let Some(due) = intent.due() {
            self.timers.insert((due, intent.id.clone()));
        }
    }

    /// Forgets the answers whose time is over.
    pub(crate) fn forget_expired(&mut self, now: i64) {
        self.forget_before(now - KEY_SECONDS_MAX);
    }

    /// The shortest journal that gives this book again: how things stand, then what was answered
    /// and told before.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        let standing = self.intents.values().map(|intent| Line::standing(Arc::clone(intent)));
        let answered = self.keys_by_age.iter().filter_map(|(at, key)| {
            let (kept, intent) = self.keys.get(key)?;
            let kept = (kept.at == *at).then(|| kept.clone())?;
            Some(Line { kept: Some(kept), past: true, ..Line::standing(Arc::clone(intent)) })
        });
        let told = self.events.iter().map(|event| Line {
            news: vec![event.news.clone()],
            at: event.at,
            past: true,
            ..Line::standing(Arc::clone(&event.intent))
        });
        standing.chain(answered).chain(told)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Write, WriteVerb};
    use crate::params::Params;

    /// Creates a payment under a key; gives its name.
    fn create(book: &mut Book, key: &str, at: i64) -> String {
        let params = Params::parse(b"amount=2000&currency=usd");
        let write = Write { verb: WriteVerb::Create, params, key: Some(key.to_owned()) };
        let made = write.work_out(book, at).unwrap();
        let (key, reply) = (key.to_owned(), made.reply);
        let kept = Kept { key, fingerprint: String::new(), reply, at };
        let intent = Arc::new(made.intent);
        book.apply(Line { kept: Some(kept), at, ..Line::standing(Arc::clone(&intent)) });
        intent.id.clone()
    }

    #[test]
    fn a_key_is_answered_for_24_hours_and_may_then_be_used_anew() {
        let mut book = Book::default();
        let answered = |book: &Book, now| book.kept("k", now).map(|(_, intent)| intent.id.clone());
        let first = create(&mut book, "k", 0);
        assert_eq!(answered(&book, KEY_SECONDS_MAX - 1), Some(first));
        assert_eq!(answered(&book, KEY_SECONDS_MAX), None);
        let second = create(&mut book, "k", KEY_SECONDS_MAX);
        // The first use has run out, the second has not.
        book.forget_expired(KEY_SECONDS_MAX + 1);
        assert_eq!(answered(&book, KEY_SECONDS_MAX + 1), Some(second));
        book.forget_expired(2 * KEY_SECONDS_MAX);
        assert!(book.keys.is_empty() && book.keys_by_age.is_empty());
    }
}
