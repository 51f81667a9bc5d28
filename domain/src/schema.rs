//! JSON Schemas of what is stored, from the types that are stored. Whoever changes a shape sees it
//! here.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::event::Event;

const DEFINITIONS: &str = "$defs";
const REFERENCE: &str = "#/$defs/";

/// The schemas of the bodies of all events of an aggregate, by the names of the events, each
/// complete in itself.
#[must_use]
pub fn bodies<E: Event + JsonSchema>() -> BTreeMap<String, Value> {
    let all = schemars::schema_for!(E).to_value();
    let definitions = all.get(DEFINITIONS).and_then(Value::as_object).cloned().unwrap_or_default();
    let variants = all.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let events = variants.filter_map(|variant| {
        let name = variant.pointer("/properties/type/const")?.as_str()?;
        let body = variant.pointer("/properties/data/$ref")?.as_str()?;
        Some((name.to_owned(), complete(body, &definitions)?))
    });
    events.collect()
}

/// A definition with all that it refers to, and no more.
fn complete(reference: &str, definitions: &Map<String, Value>) -> Option<Value> {
    let mut body = definitions.get(reference.strip_prefix(REFERENCE)?)?.clone();
    let mut needed = BTreeSet::new();
    let mut unread = vec![body.clone()];
    while let Some(schema) = unread.pop() {
        for name in references(&schema) {
            if needed.insert(name.clone()) {
                unread.extend(definitions.get(&name).cloned());
            }
        }
    }
    if !needed.is_empty() {
        let needed = definitions.iter().filter(|(name, _)| needed.contains(*name));
        let needed: Map<String, Value> =
            needed.map(|(name, schema)| (name.clone(), schema.clone())).collect();
        body.as_object_mut()?.insert(DEFINITIONS.to_owned(), json!(needed));
    }
    Some(body)
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => {
            let here = fields.get("$ref").and_then(Value::as_str);
            let here = here.and_then(|it| it.strip_prefix(REFERENCE)).map(str::to_owned);
            here.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountEvent;

    #[test]
    fn a_schema_has_all_that_it_refers_to_and_no_more() {
        let schemas = bodies::<AccountEvent>();
        let definitions = |event: &str| {
            let definitions = schemas[event].get(DEFINITIONS).and_then(Value::as_object);
            definitions.map(|it| it.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(definitions("SessionOpened"), ["Holder", "RefreshId", "SessionId"]);
        assert_eq!(definitions("PersonalDataErased"), Vec::<String>::new());
    }
}
