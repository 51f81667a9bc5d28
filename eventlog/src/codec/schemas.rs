//! `docs/events/` holds the JSON Schema of every version of every event, `docs/events.md` the page
//! that people read. Both are made here: `UPDATE_SNAPSHOTS=1 cargo test -p eventlog schemas` writes
//! what is new. It never writes over a shape: a shape that has changed is a new version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use domain::account::AccountEvent;
use domain::email_claim::EmailClaimEvent;
use domain::notice::NoticeEvent;
use domain::order::OrderEvent;
use domain::payment::PaymentEvent;
use domain::schema::bodies;
use domain::ticket::TicketEvent;
use serde_json::{Map, Value};

use super::golden::{golden, golden_types};
use super::latest;

/// The version of the program that first wrote an event, kept in its schema.
const SINCE: &str = "x-since";

/// The events of one aggregate, by name: the version written today and its schema.
struct Chapter {
    title: &'static str,
    stream: &'static str,
    events: BTreeMap<String, (u16, Value)>,
}

fn chapters() -> Vec<Chapter> {
    macro_rules! chapter {
        ($title:literal, $stream:literal, $event:ty) => {
            Chapter {
                title: $title,
                stream: $stream,
                events: bodies::<$event>()
                    .into_iter()
                    .map(|(name, schema)| (name.clone(), (latest::<$event>(&name), schema)))
                    .collect(),
            }
        };
    }
    vec![
        chapter!("Ticket", "ticket-<id>", TicketEvent),
        chapter!("Order", "order-<id>", OrderEvent),
        chapter!("Payment", "payment-<id>", PaymentEvent),
        chapter!("Notice of the provider", "webhook-<event of the provider>", NoticeEvent),
        chapter!("Account", "account-<id>", AccountEvent),
        chapter!("E-mail claim", "email-<keyed hash>", EmailClaimEvent),
    ]
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn file_of(event_type: &str) -> PathBuf {
    docs().join("events").join(format!("{event_type}.json"))
}

fn updating() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

/// At once: another test may be reading it.
fn write(file: &Path, text: &str) {
    fs::create_dir_all(docs().join("events")).unwrap();
    let new = docs().join(format!(".{}.new", file.file_name().unwrap().to_string_lossy()));
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

/// A schema as it lies in the folder.
fn kept(event_type: &str) -> Option<Value> {
    let text = fs::read_to_string(file_of(event_type)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// What of a schema says how an event is stored; the rest is for people.
fn shape(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let words = ["$schema", "title", "description", SINCE];
            // A field may have the name of one of these words.
            let fields = fields
                .iter()
                .filter(|(name, value)| !(words.contains(&name.as_str()) && value.is_string()));
            fields.map(|(name, value)| (name.clone(), shape(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(shape).collect::<Vec<_>>().into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

/// The schema with the words around it.
fn dressed(event_type: &str, schema: &Value, since: &str) -> String {
    let mut schema = schema.clone();
    let fields = schema.as_object_mut().unwrap();
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    fields.insert("$schema".to_owned(), dialect.into());
    fields.insert("title".to_owned(), event_type.into());
    fields.insert(SINCE.to_owned(), since.into());
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

/// What is not kept yet is written by this version of the program.
fn since_of(event_type: &str) -> String {
    let kept = kept(event_type);
    let since = kept.as_ref().map_or(env!("CARGO_PKG_VERSION"), |it| it[SINCE].as_str().unwrap());
    since.to_owned()
}

/// Compares one event with the schema that is kept of it.
fn check(name: &str, version: u16, schema: &Value) {
    let event_type = format!("{name}.v{version}");
    if let Some(kept) = kept(&event_type) {
        assert_eq!(
            shape(&kept),
            shape(schema),
            "the stored shape of {event_type} has changed: what lies in logs has not; leave it as \
             it was and write version {} with a lift from {version}, as docs/adding-a.md says",
            version + 1,
        );
    }
    let text = dressed(&event_type, schema, &since_of(&event_type));
    if updating() {
        write(&file_of(&event_type), &text);
    }
    let written = fs::read_to_string(file_of(&event_type)).unwrap_or_default();
    assert_eq!(written, text, "{event_type}: run this test with UPDATE_SNAPSHOTS=1");
}

/// The types whose schemas are kept.
fn kept_types() -> BTreeSet<String> {
    let files = fs::read_dir(docs().join("events")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.strip_suffix(".json").unwrap().to_owned()).collect()
}

#[test]
fn no_stored_shape_changes_without_a_new_version() {
    for chapter in chapters() {
        for (name, (version, schema)) in &chapter.events {
            check(name, *version, schema);
        }
    }
}

#[test]
fn every_version_of_every_event_has_its_schema_and_its_golden_file() {
    let events = chapters().into_iter().flat_map(|chapter| chapter.events);
    let types: BTreeSet<String> = events
        .flat_map(|(name, (latest, _))| (1..=latest).map(move |it| format!("{name}.v{it}")))
        .collect();
    if !updating() {
        assert_eq!(kept_types(), types);
    }
    assert_eq!(golden_types(), types);
}

/// Each golden file has just the fields that its schema names.
#[test]
fn golden_files_are_as_their_schemas_say() {
    for event_type in kept_types() {
        let schema = kept(&event_type).unwrap();
        let body: Value = serde_json::from_str(&golden(&event_type)).unwrap();
        let fields = |value: &Value| -> BTreeSet<String> {
            value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required.map(|name| name.as_str().unwrap().to_owned());
        assert!(fields(&body).is_superset(&required.collect()), "{event_type}");
        assert!(fields(&body).is_subset(&fields(&schema["properties"])), "{event_type}");
    }
}

#[test]
fn the_check_sees_every_change_of_a_shape() {
    let schema = bodies::<TicketEvent>().remove("TicketListed").unwrap();
    let changed = |change: fn(&mut Value)| {
        let mut other = schema.clone();
        change(&mut other);
        shape(&other) != shape(&schema)
    };
    assert!(changed(|it| it["properties"]["seats"] = serde_json::json!({ "type": "integer" })));
    assert!(changed(|it| it["properties"] = it["properties"]["title"].take()));
    assert!(changed(|it| it["required"] = serde_json::json!(["seller"])));
    assert!(changed(|it| it["$defs"]["Money"]["properties"]["minor"]["type"] = "number".into()));
    assert!(!changed(|it| it["description"] = "Other words.".into()));
}

// === The page ===

#[test]
fn the_page_of_events_is_current() {
    let file = docs().join("events.md");
    let page = page();
    if updating() {
        write(&file, &page);
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == page, "docs/events.md is not current: run this test with UPDATE_SNAPSHOTS=1");
}

const INTRODUCTION: &str = "\
# Events

Made from the code; `UPDATE_SNAPSHOTS=1 cargo test -p eventlog schemas` writes it anew.

What happened, as it is stored, aggregate by aggregate. The type of an event in the log is its name
with its version, as in `TicketReserved.v1`; its body is JSON, and the schema of each version lies
in [`events/`](events/). A version once written is read for ever: older ones are lifted to the
newest when they are read ([why](adr/0003-event-names-and-versions.md)). Beside each event lie who
asked for it, when, under which command, and what led to it.

Ids are UUIDs, times RFC 3339 in UTC, amounts whole minor units with their currency. *Sealed* text is
encrypted under a key of the person it is about.
";

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for chapter in chapters() {
        let Chapter { title, stream, events } = chapter;
        writeln!(page, "\n## {title}: `{stream}`").unwrap();
        for (name, (version, schema)) in &events {
            describe(&mut page, name, *version, schema);
        }
    }
    page
}

fn describe(page: &mut String, name: &str, version: u16, schema: &Value) {
    writeln!(page, "\n### {name}\n\n{}\n", one_line(&schema["description"])).unwrap();
    let versions = (1..=version).rev().map(|version| {
        let event_type = format!("{name}.v{version}");
        let since = since_of(&event_type);
        format!("[version {version}](events/{event_type}.json) since {since}")
    });
    writeln!(page, "{}", versions.collect::<Vec<_>>().join(", ")).unwrap();
    let Some(fields) = schema["properties"].as_object() else { return };
    writeln!(page, "\n| Field | Is | Meaning |\n|---|---|---|").unwrap();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // In the order in which they are written; those that may be missing come last.
    let optional = fields.keys().map(String::as_str).filter(|name| !required.contains(name));
    for name in required.iter().copied().chain(optional) {
        let field = &fields[name];
        let definition = definition(field, schema);
        let own = one_line(&field["description"]);
        let meaning = if own.is_empty() { one_line(&definition["description"]) } else { own };
        let optional = if required.contains(&name) { "" } else { ", or missing" };
        writeln!(page, "| `{name}` | {}{optional} | {meaning} |", kind(field, definition)).unwrap();
    }
}

fn definition<'a>(field: &'a Value, schema: &'a Value) -> &'a Value {
    let name = field["$ref"].as_str().and_then(|it| it.strip_prefix("#/$defs/"));
    name.map_or(field, |name| &schema["$defs"][name])
}

fn kind(field: &Value, definition: &Value) -> String {
    let referred = field["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    if matches!(referred, Some("Sealed" | "Money")) {
        return referred.unwrap().to_lowercase();
    }
    if let Some(words) = definition["enum"].as_array() {
        let words = words.iter().map(|word| format!("`{}`", word.as_str().unwrap()));
        return words.collect::<Vec<_>>().join(" or ");
    }
    if let Some(variants) = definition["oneOf"].as_array() {
        return variants.iter().map(variant).collect::<Vec<_>>().join(" or ");
    }
    let format = definition["format"].as_str().unwrap_or_default();
    match (definition["type"].as_str().unwrap_or_default(), format) {
        ("string", "uuid") => "id".to_owned(),
        ("string", "date-time") => "time".to_owned(),
        ("string", _) => "text".to_owned(),
        ("integer", _) => "whole number".to_owned(),
        ("boolean", _) => "true or false".to_owned(),
        (other, _) => other.to_owned(),
    }
}

/// One of several shapes, as JSON with its words in place and the names of its other fields.
fn variant(variant: &Value) -> String {
    if let Some(word) = variant["const"].as_str() {
        return format!("`{word}`");
    }
    let fields = variant["properties"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, field)| match field["const"].as_str() {
        Some(word) => format!("{name}: {word}"),
        None => name.clone(),
    });
    format!("`{{{}}}`", fields.collect::<Vec<_>>().join(", "))
}

fn one_line(text: &Value) -> String {
    let lines = text.as_str().unwrap_or_default().split_once("\n\n");
    let first = lines.map_or_else(|| text.as_str().unwrap_or_default(), |(first, _)| first);
    // Links of rustdoc lead nowhere from here.
    first.replace('\n', " ").replace("[`", "`").replace("`]", "`")
}
