//! Whether who reads by an old schema still can, and whether messages that were written under the
//! old one are still right under the new one: both lie in one stream.

use serde_json::{Map, Value};

/// What of a schema may change without anybody noticing.
const WORDS: [&str; 6] = ["$schema", "$id", "title", "description", "properties", "required"];

/// Each way in which the new schema breaks somebody; empty when it breaks nobody.
pub(super) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    compare("", old, new, &mut broken);
    broken
}

fn compare(path: &str, old: &Value, new: &Value, broken: &mut Vec<String>) {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        if old != new {
            broken.push(format!("{path}: another schema"));
        }
        return;
    };
    fields(path, old, new, broken);
    // Types, formats, limits, patterns, words of a list: none may be wider, and messages that are
    // there may not be outside of narrower ones.
    let kept = |schema: &Map<String, Value>| -> Map<String, Value> {
        let kept = schema.iter().filter(|(name, _)| !WORDS.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), plain(value))).collect()
    };
    if kept(old) != kept(new) {
        broken.push(format!("{path}: the type or what it may hold has changed"));
    }
}

fn fields(
    path: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    broken: &mut Vec<String>,
) {
    let nothing = Map::new();
    let properties = |schema: &'_ Map<String, Value>| {
        schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing).clone()
    };
    let required = |schema: &Map<String, Value>, name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    let (before, after) = (properties(old), properties(new));
    for (name, schema) in &before {
        let inner = format!("{path}/{name}");
        match after.get(name) {
            None => broken.push(format!("{inner}: removed, and somebody reads it")),
            Some(changed) => compare(&inner, schema, changed, broken),
        }
        if required(old, name) && after.contains_key(name) && !required(new, name) {
            broken.push(format!("{inner}: may be missing, and somebody relies on it"));
        }
    }
    for name in after.keys() {
        if required(new, name) && !required(old, name) {
            broken.push(format!(
                "{path}/{name}: required, and messages that are in the stream lack it"
            ));
        }
    }
}

/// Without the words for people, however deep they lie.
fn plain(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "description");
            fields.map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn published() -> Value {
        json!({
            "title": "t", "type": "object",
            "properties": {
                "id": { "type": "string", "format": "uuid", "description": "d" },
                "why": { "type": "string", "enum": ["a", "b"] },
                "price": {
                    "type": "object", "required": ["amount"],
                    "properties": { "amount": { "type": "string" } },
                },
                "note": { "type": "string" },
            },
            "required": ["id", "why", "price"],
        })
    }

    fn broken_by(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut new = published();
        change(&mut new);
        breaks(&published(), &new)
    }

    #[test]
    fn other_words_and_a_further_optional_field_break_nobody() {
        let none: Vec<String> = Vec::new();
        assert_eq!(broken_by(|it| it["properties"]["id"]["description"] = "other".into()), none);
        assert_eq!(broken_by(|it| it["properties"]["new"] = json!({ "type": "string" })), none);
        assert_eq!(broken_by(|it| it["title"] = "other".into()), none);
    }

    #[test]
    fn what_breaks_somebody_is_named() {
        type Change = fn(&mut Value);
        let changes: [(&str, Change); 9] = [
            ("/note: removed", |it| drop(it["properties"].as_object_mut().unwrap().remove("note"))),
            ("/id: the type", |it| it["properties"]["id"]["type"] = "integer".into()),
            ("/id: the type", |it| it["properties"]["id"]["format"] = "uri".into()),
            ("/why: the type", |it| it["properties"]["why"]["enum"] = json!(["a", "b", "c"])),
            ("/id: may be missing", |it| it["required"] = json!(["why", "price"])),
            ("/note: required", |it| it["required"] = json!(["id", "why", "price", "note"])),
            ("/price/amount: the type", |it| {
                it["properties"]["price"]["properties"]["amount"]["type"] = "number".into();
            }),
            ("/price/amount: may be missing", |it| {
                it["properties"]["price"]["required"] = json!([])
            }),
            ("/new: required", |it| {
                it["properties"]["new"] = json!({ "type": "string" });
                it["required"].as_array_mut().unwrap().push("new".into());
            }),
        ];
        for (what, change) in changes {
            let broken = broken_by(change);
            assert!(broken.iter().any(|it| it.starts_with(what)), "{what}: {broken:?}");
        }
    }
}
