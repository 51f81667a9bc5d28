use async_nats::jetstream::Message;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::BrokerError;
use crate::reading::text;

/// A public event as CloudEvents writes one down as JSON, with where it was found.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub specversion: String,
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub source: String,
    /// The id of the ticket or order.
    pub subject: String,
    pub time: String,
    pub datacontenttype: String,
    pub dataschema: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
    /// Where it lies in the log.
    pub position: String,
    pub stream: String,
    /// Of the message in its stream.
    pub sequence: u64,
    /// Under which it was published.
    pub natssubject: String,
    /// As it came; of a message that is no JSON, the text.
    pub data: Box<RawValue>,
}

impl Event {
    pub(crate) fn of(stream: &str, message: &Message) -> Result<Self, BrokerError> {
        let sequence = message.info().map_err(BrokerError::Strange)?.stream_sequence;
        let headers = message.headers.clone().unwrap_or_default();
        let data = match serde_json::from_slice::<Box<RawValue>>(&message.payload) {
            Ok(json) => json,
            Err(_) => serde_json::value::to_raw_value(&String::from_utf8_lossy(&message.payload))?,
        };
        Ok(Self {
            specversion: text(&headers, "ce-specversion"),
            id: text(&headers, "ce-id"),
            kind: text(&headers, "ce-type"),
            source: text(&headers, "ce-source"),
            subject: text(&headers, "ce-subject"),
            time: text(&headers, "ce-time"),
            datacontenttype: text(&headers, "ce-datacontenttype"),
            dataschema: text(&headers, "ce-dataschema"),
            traceparent: text(&headers, "traceparent"),
            position: text(&headers, "Ticketing-Position"),
            stream: stream.to_owned(),
            sequence,
            natssubject: message.subject.to_string(),
            data,
        })
    }
}
