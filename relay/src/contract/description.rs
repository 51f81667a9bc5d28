//! `asyncapi.yaml`, made from the events and their schemas.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::ASYNCAPI;
use super::schemas::{Described, described, headers, updating, write};

const DESCRIPTION: &str = "\
Every public event is in the stream TICKETING once, in the order in which it happened. Delivery to \
a consumer is at least once: tell repeats by `ce-id` (also the `Nats-Msg-Id`).

Messages are CloudEvents 1.0 in binary mode: attributes in headers that begin with `ce-`, data as \
JSON in the body. Consumers ignore fields that they do not know. A change that would break them \
comes as a new version of the event, beside the old one.

With several partitions there are several streams, as in TICKETING-4-0 to TICKETING-4-3; all events \
of one ticket or order are in the same one. Nothing personal is in these events: sellers and buyers \
are opaque ids.
";

fn made() -> String {
    let all = described();
    let channels = collect(&all, |it| (it.kind.to_string(), channel(it)));
    let operations = collect(&all, |it| (format!("publish.{}", it.kind), operation(it)));
    let messages = collect(&all, |it| (message_name(it), message(it)));
    let document = json!({
        "asyncapi": "3.0.0",
        "info": { "title": "ticketing events", "version": "1.0.0", "description": DESCRIPTION },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "localhost:4222",
                "protocol": "nats",
                "description": "The address that `ticketing up` prints.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": { "headers": bare(headers()) } },
    });
    let yaml = serde_saphyr::to_string(&document).expect("JSON is YAML");
    format!(
        "# What ticketing tells the outside, over NATS JetStream. Made from src/contract.rs by\n\
         # UPDATE_SNAPSHOTS=1 cargo test -p relay contract\n{yaml}"
    )
}

fn collect(all: &[Described], entry: impl Fn(&Described) -> (String, Value)) -> Map<String, Value> {
    all.iter().map(entry).collect()
}

fn message_name(Described { kind, .. }: &Described) -> String {
    format!("{kind}.v{}", kind.version)
}

fn channel(described: &Described) -> Value {
    let (kind, name) = (described.kind, message_name(described));
    let id = format!("{}Id", kind.aggregate);
    let reference = format!("#/components/messages/{name}");
    json!({
        "address": format!("ticketing.{}.{{{id}}}.{}", kind.aggregate, kind.event),
        "parameters": { id: { "description": format!("The id of the {}.", kind.aggregate) } },
        "messages": { name: { "$ref": reference } },
    })
}

fn operation(Described { kind, .. }: &Described) -> Value {
    json!({ "action": "send", "channel": { "$ref": format!("#/channels/{kind}") } })
}

fn message(Described { kind, schema }: &Described) -> Value {
    json!({
        "name": kind.type_name(),
        "summary": schema["description"],
        "headers": { "$ref": "#/components/schemas/headers" },
        "payload": bare(schema.clone()),
    })
}

/// Inside of another document a schema has no name and no dialect of its own.
fn bare(mut schema: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.retain(|name, _| name != "$schema" && name != "$id");
    }
    schema
}

#[test]
fn the_written_contract_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("asyncapi.yaml");
    let made = made();
    if updating() {
        write(&file, &made);
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == made, "asyncapi.yaml is not current: run this test with UPDATE_SNAPSHOTS=1");
    assert!(updating() || ASYNCAPI == made, "what is built in is not what lies in the folder");
}
