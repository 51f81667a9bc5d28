//! Random connections and calls, the same for the same seed. Some calls are proper, with odd content;
//! some are proper but for a few bytes; some have nothing but the outlines of a message.

use bytes::Bytes;

/// What a text may say.
const TEXTS: [&str; 14] = [
    "",
    "s",
    "t",
    "$$s",
    "$$t",
    "$$$s",
    "$all",
    "stream-ü",
    "(a+)+$",
    "^(?!\\$)(?=.*x)",
    "[",
    "type",
    "content-type",
    "application/json",
];

const PATHS: [&str; 7] = [
    "/event_store.client.streams.Streams/Read",
    "/event_store.client.streams.Streams/Append",
    "/event_store.client.streams.Streams/BatchAppend",
    "/event_store.client.streams.Streams/Delete",
    "/event_store.client.streams.Streams/Tombstone",
    "/event_store.client.gossip.Gossip/Read",
    "/event_store.client.server_features.ServerFeatures/GetSupportedMethods",
];

/// A source of numbers.
pub(crate) struct Nonsense(u64);

impl Nonsense {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // A counter, well mixed.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn bytes(&mut self, length_max: usize) -> Vec<u8> {
        let length = self.below(length_max + 1);
        (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    fn text(&mut self) -> &'static str {
        TEXTS[self.below(TEXTS.len())]
    }
}

/// What a connection sends.
pub(crate) fn connection(nonsense: &mut Nonsense) -> Vec<u8> {
    let mut sent = Vec::new();
    if nonsense.one_in(4) {
        return nonsense.bytes(5000);
    }
    sent.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    if !nonsense.one_in(4) {
        sent.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    }
    for _ in 0..nonsense.below(12) {
        let payload = nonsense.bytes(200);
        let length = if nonsense.one_in(8) { nonsense.next() } else { payload.len() as u64 };
        sent.extend_from_slice(&length.to_be_bytes()[5..]);
        let (kind, flags) = (nonsense.below(11), nonsense.below(64));
        sent.extend([kind, flags].map(|byte| u8::try_from(byte).unwrap()));
        let stream = u32::try_from(nonsense.below(8)).unwrap();
        sent.extend_from_slice(&stream.to_be_bytes());
        sent.extend_from_slice(&payload);
    }
    sent
}

/// A method, and what is sent to it.
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) messages: Vec<Bytes>,
    /// Whether the messages are such as the protocol knows, however odd what they say.
    pub(crate) well_formed: bool,
}

pub(crate) fn call(nonsense: &mut Nonsense) -> Call {
    if nonsense.one_in(20) {
        let path = format!("/no.such.Service/{}", nonsense.next());
        return Call { path, messages: vec![nonsense.bytes(50).into()], well_formed: true };
    }
    let path = PATHS[nonsense.below(PATHS.len())];
    let (mut messages, mut well_formed) = match nonsense.below(4) {
        0 => ((0..1 + nonsense.below(4)).map(|_| outlined(nonsense)).collect(), false),
        1 => (vec![nonsense.bytes(300)], false),
        _ => {
            let messages = proper(nonsense, path);
            let sends_any = !messages.is_empty();
            (messages, sends_any)
        }
    };
    if nonsense.one_in(2) {
        well_formed = false;
        for message in &mut messages {
            damage(nonsense, message);
        }
    }
    let messages = messages.into_iter().map(Bytes::from).collect();
    Call { path: path.to_owned(), messages, well_formed }
}

/// Changes a few bytes, leaves some out, or says some twice.
fn damage(nonsense: &mut Nonsense, message: &mut Vec<u8>) {
    for _ in 0..nonsense.below(4) {
        if message.is_empty() {
            return;
        }
        let at = nonsense.below(message.len());
        match nonsense.below(4) {
            0 => message.truncate(at),
            1 => message.extend_from_within(at..),
            2 => message[at] = nonsense.bytes(1).pop().unwrap_or(0xff),
            _ => message[at] ^= 1 << nonsense.below(8),
        }
    }
}

/// A call the server can make sense of.
fn proper(nonsense: &mut Nonsense, path: &str) -> Vec<Vec<u8>> {
    match path.rsplit('/').next() {
        Some("Append") => {
            let options = target(nonsense);
            let events = (0..nonsense.below(4)).map(|_| within(2, &event(nonsense)));
            [within(1, &options)].into_iter().chain(events).collect()
        }
        Some("BatchAppend") => (0..1 + nonsense.below(4)).map(|_| chunk(nonsense)).collect(),
        Some("Delete" | "Tombstone") if !nonsense.one_in(4) => Vec::new(),
        Some("Delete" | "Tombstone") => vec![within(1, &target(nonsense))],
        _ => vec![within(1, &read_options(nonsense))],
    }
}

/// A stream and what is expected of it.
fn target(nonsense: &mut Nonsense) -> Vec<u8> {
    let mut options = within(1, &within(3, nonsense.text().as_bytes()));
    match 2 + nonsense.below(4) {
        2 => flag(&mut options, 2, nonsense.below(5) as u64),
        number => put(&mut options, number, &[]),
    }
    options
}

fn event(nonsense: &mut Nonsense) -> Vec<u8> {
    let mut event = within(1, &identifier(nonsense));
    for key in ["type", "content-type"] {
        let entry = [within(1, key.as_bytes()), within(2, nonsense.text().as_bytes())].concat();
        put(&mut event, 2, &entry);
    }
    let length = if nonsense.one_in(50) { 1_200_000 } else { 200 };
    put(&mut event, 3, &nonsense.bytes(length / 10));
    put(&mut event, 4, &nonsense.bytes(length));
    event
}

fn chunk(nonsense: &mut Nonsense) -> Vec<u8> {
    let mut chunk = within(1, &identifier(nonsense));
    if !nonsense.one_in(4) {
        let mut options = target(nonsense);
        if nonsense.one_in(3) {
            let mut deadline = Vec::new();
            flag(&mut deadline, 1, nonsense.next() >> nonsense.below(64));
            put(&mut options, 6 + nonsense.below(2), &deadline);
        }
        put(&mut chunk, 2, &options);
    }
    for _ in 0..nonsense.below(3) {
        put(&mut chunk, 3, &event(nonsense));
    }
    flag(&mut chunk, 4, u64::from(!nonsense.one_in(4)));
    chunk
}

fn read_options(nonsense: &mut Nonsense) -> Vec<u8> {
    let mut options = Vec::new();
    let mut from = Vec::new();
    if nonsense.one_in(2) {
        put(&mut from, 1, &within(3, nonsense.text().as_bytes()));
        match 2 + nonsense.below(3) {
            2 => flag(&mut from, 2, nonsense.next() >> nonsense.below(64)),
            number => put(&mut from, number, &[]),
        }
        put(&mut options, 1, &from);
    } else {
        let mut position = Vec::new();
        flag(&mut position, 1, nonsense.next() >> nonsense.below(64));
        flag(&mut position, 2, nonsense.next() >> nonsense.below(64));
        match 1 + nonsense.below(3) {
            1 => put(&mut from, 1, &position),
            number => put(&mut from, number, &[]),
        }
        put(&mut options, 2, &from);
    }
    flag(&mut options, 3, nonsense.below(3) as u64);
    match nonsense.below(2) {
        0 => flag(&mut options, 5, nonsense.next() >> nonsense.below(64)),
        _ => put(&mut options, 6, &[]),
    }
    if nonsense.one_in(2) {
        let expression = within(1 + nonsense.below(2), nonsense.text().as_bytes());
        let mut filter = within(1 + nonsense.below(2), &expression);
        match nonsense.below(2) {
            0 => flag(&mut filter, 3, nonsense.below(3) as u64),
            _ => put(&mut filter, 4, &[]),
        }
        flag(&mut filter, 5, nonsense.next() >> nonsense.below(64));
        put(&mut options, 7, &filter);
    } else {
        put(&mut options, 8, &[]);
    }
    put(&mut options, 9, &within(1 + nonsense.below(2), &[]));
    options
}

/// Options and perhaps an event, much as the messages of all methods have them in fields 1 to 4.
fn outlined(nonsense: &mut Nonsense) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..1 + nonsense.below(3) {
        let (number, inner) = (1 + nonsense.below(4), fields(nonsense, 4));
        put(&mut message, number, &inner);
    }
    message
}

fn fields(nonsense: &mut Nonsense, depth: usize) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..nonsense.below(7) {
        let numbers = if nonsense.one_in(8) { 40 } else { 9 };
        let number = 1 + nonsense.below(numbers);
        match nonsense.below(8) {
            0 | 1 => {
                varint(&mut message, number as u64 * 8);
                let value = match nonsense.below(4) {
                    0 => nonsense.next(),
                    1 => u64::MAX,
                    _ => nonsense.next() % 5,
                };
                varint(&mut message, value);
            }
            2 => put(&mut message, number, nonsense.text().as_bytes()),
            // A stream's name within its identifier.
            3 => {
                let mut name = Vec::new();
                put(&mut name, 3, nonsense.text().as_bytes());
                put(&mut message, number, &name);
            }
            4 => put(&mut message, number, &identifier(nonsense)),
            5 => put(&mut message, number, &nonsense.bytes(40)),
            _ if depth > 0 => put(&mut message, number, &fields(nonsense, depth - 1)),
            _ => put(&mut message, number, &[]),
        }
    }
    message
}

/// An event's id, in one of its two forms.
fn identifier(nonsense: &mut Nonsense) -> Vec<u8> {
    let mut id = Vec::new();
    if nonsense.one_in(2) {
        let text = uuid::Uuid::from_u64_pair(nonsense.next(), nonsense.next()).to_string();
        put(&mut id, 2, text.as_bytes());
    } else {
        let mut halves = Vec::new();
        for number in [1_u64, 2] {
            varint(&mut halves, number * 8);
            varint(&mut halves, nonsense.next());
        }
        put(&mut id, 1, &halves);
    }
    id
}

fn within(number: usize, bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put(&mut message, number, bytes);
    message
}

fn flag(message: &mut Vec<u8>, number: usize, value: u64) {
    varint(message, number as u64 * 8);
    varint(message, value);
}

fn put(message: &mut Vec<u8>, number: usize, bytes: &[u8]) {
    varint(message, number as u64 * 8 + 2);
    varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    message.push(value.to_le_bytes()[0]);
}
