//! `schemas/`: the JSON Schema of each public event, made from the types.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::compatible::breaks;
use super::tests::public_events;
use super::{Kind, OrderFact, PublicEvent, TicketFact};

/// What is said about the headers of every message.
pub(super) const HEADERS: &str = "headers";

/// A public event with the schema of its body.
pub(super) struct Described {
    pub(super) kind: Kind,
    pub(super) schema: Value,
}

/// All of them, in the order in which they are declared.
pub(super) fn described() -> Vec<Described> {
    let kinds = public_events().into_iter().map(|event| event.kind());
    let schemas = variants::<TicketFact>().into_iter().chain(variants::<OrderFact>());
    let described = kinds.zip(schemas);
    described.map(|(kind, fact)| Described { kind, schema: whole(kind, &fact) }).collect()
}

/// The schemas of an untagged enum's variants, each complete in itself.
fn variants<T: JsonSchema>() -> Vec<Value> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    schema["anyOf"].as_array().expect("an untagged enum").clone()
}

/// With what all events have.
fn whole(kind: Kind, fact: &Value) -> Value {
    let aggregate = kind.aggregate;
    let id = format!("{aggregate}Id");
    let mut properties = fact["properties"].as_object().cloned().unwrap_or_default();
    let mut required = fact["required"].as_array().cloned().unwrap_or_default();
    let of_id = format!("The {aggregate} that the event is of.");
    properties
        .insert(id.clone(), json!({ "description": of_id, "type": "string", "format": "uuid" }));
    let version = match aggregate {
        "ticket" => "The version of the ticket after the event, from 0, without gaps.",
        _ => "The version of the order after the event, from 0; not every version is public.",
    };
    properties.insert(
        "version".to_owned(),
        json!({ "description": version, "type": "integer", "minimum": 0 }),
    );
    required.splice(0..0, [json!(id), json!("version")]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": kind.schema_id(),
        "title": kind.type_name(),
        "description": fact["description"],
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

/// The headers that every message has, and `traceparent`, which most have.
pub(super) fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "type": "string" });
    let with = |mut schema: Value, name: &str, value: &str| {
        schema[name] = value.into();
        schema
    };
    let digits = "^[0-9]+$";
    let all = [
        ("ce-specversion", with(text("The version of CloudEvents."), "const", "1.0")),
        ("ce-id", with(text("Names the event for ever; tells repeats."), "format", "uuid")),
        ("ce-type", text("The name of the message.")),
        ("ce-source", with(text("Ids are unique within it."), "const", "/ticketing")),
        ("ce-subject", with(text("The id of the ticket or order."), "format", "uuid")),
        ("ce-time", with(text("When it happened."), "format", "date-time")),
        ("ce-datacontenttype", with(text("Of the body."), "const", "application/json")),
        ("ce-dataschema", with(text("The $id of the body's JSON Schema."), "format", "uri")),
        ("Nats-Msg-Id", with(text("The same as ce-id."), "format", "uuid")),
        (
            "Ticketing-Position",
            with(text("Where the event lies in the log: rises."), "pattern", "^[0-9]+-[0-9]+$"),
        ),
        (
            "Ticketing-Ordinal",
            with(text("The number of the event in its stream, from 1."), "pattern", digits),
        ),
        (
            "Ticketing-Filter",
            with(text("Rises when the choice of public events changes."), "pattern", digits),
        ),
    ];
    let required: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let mut properties: Map<_, _> =
        all.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let trace = text("The W3C trace of the request that led to the event, if it had one.");
    properties.insert("traceparent".to_owned(), trace);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ticketing:schema:headers",
        "title": "The headers of every message",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

pub(super) fn updating() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

/// At once: another test may be reading it.
pub(super) fn write(file: &Path, text: &str) {
    let new = file.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

/// Compares a schema with the one that was published.
fn check(name: &str, schema: &Value) {
    let file = folder().join(format!("{name}.json"));
    let published = fs::read_to_string(&file).ok();
    if let Some(published) = &published {
        let broken = breaks(&serde_json::from_str(published).unwrap(), schema);
        assert!(
            broken.is_empty(),
            "{name} would break its consumers: {broken:#?}; leave it as it is and publish the next \
             version beside it, as docs/adding-a.md says"
        );
    }
    let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    if updating() {
        write(&file, &text);
    }
    let published = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(published, text, "{name}: run this test with UPDATE_SNAPSHOTS=1");
}

fn file_name(kind: Kind) -> String {
    format!("{kind}.v{}", kind.version)
}

#[test]
fn no_change_of_a_published_schema_breaks_its_consumers() {
    for Described { kind, schema } in described() {
        check(&file_name(kind), &schema);
    }
    check(HEADERS, &headers());
}

#[test]
fn every_event_that_was_ever_public_still_is() {
    if updating() {
        return;
    }
    let mut expected: BTreeSet<String> =
        described().iter().map(|described| file_name(described.kind)).collect();
    expected.insert(HEADERS.to_owned());
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
    let kept = files.map(|file| file.into_string().unwrap());
    let kept: BTreeSet<String> =
        kept.filter_map(|file| Some(file.strip_suffix(".json")?.to_owned())).collect();
    assert_eq!(kept, expected);
}

#[test]
fn events_have_just_the_fields_of_their_schemas() {
    let schemas: BTreeMap<String, Value> = described()
        .into_iter()
        .map(|described| (described.kind.type_name(), described.schema))
        .collect();
    let events: Vec<PublicEvent> = public_events();
    assert_eq!(
        events.len(),
        schemas.len(),
        "an event of the domain has no sample, or two one name"
    );
    for event in events {
        let schema = &schemas[&event.kind().type_name()];
        let Value::Object(body) = serde_json::to_value(&event).unwrap() else { unreachable!() };
        let names = |fields: &Map<String, Value>| fields.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&body), names(schema["properties"].as_object().unwrap()), "{event:?}");
        let required = schema["required"].as_array().unwrap().iter();
        let required = required.map(|name| name.as_str().unwrap().to_owned()).collect();
        assert_eq!(names(&body), required, "{event:?}");
    }
}
