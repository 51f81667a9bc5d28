//! The name of a request, from the client or new.

use axum::http::HeaderMap;
use uuid::Uuid;

pub(crate) const HEADER: &str = "x-request-id";
/// The longest name taken from a client, in bytes.
const BYTES_MAX: usize = 128;
/// Names of clients that are no UUID get their UUID from here.
const NAMESPACE: Uuid = Uuid::from_u128(0x53f3_9c5e_61b4_4a6f_8f0d_2f3a_b6c1_9d04);

/// Names one request in logs, answers and, as the correlation, in the events it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    text: String,
    id: Uuid,
}

impl RequestId {
    /// The client's own name for the request if it is a sane one, else a fresh one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sane = |text: &&str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
            (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
        };
        match headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(sane) {
            Some(text) => {
                let id = text.parse();
                let id = id.unwrap_or_else(|_| Uuid::new_v5(&NAMESPACE, text.as_bytes()));
                Self { text: text.to_owned(), id }
            }
            None => {
                let id = Uuid::now_v7();
                Self { text: id.to_string(), id }
            }
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }
}
