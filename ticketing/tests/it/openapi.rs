//! The description of the HTTP API: as committed, and as the routes keep it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The committed description, for people and for those who make clients of it.
pub(crate) fn committed() -> Value {
    serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap()
}

fn path() -> impl AsRef<Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../command-api/openapi.json")
}

#[test]
fn the_committed_description_is_that_of_the_routes() {
    let mut routes = command_api::api().into_openapi();
    routes.merge(query_api::api().into_openapi());
    let document = web::described(routes).to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path(), &document).unwrap();
    }
    let committed = fs::read_to_string(path()).unwrap_or_default();
    assert!(
        committed == document,
        "command-api/openapi.json is not what the routes say; if it is meant, write it anew: \
         UPDATE_SNAPSHOTS=1 cargo test -p ticketing --test it openapi"
    );
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let document = committed();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let mut known = BTreeSet::new();
    for id in operations.map(|operation| operation["operationId"].as_str().unwrap()) {
        assert!(known.insert(id), "{id}");
    }
}
