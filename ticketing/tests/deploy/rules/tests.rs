//! Each rule, broken on purpose.

use super::*;

/// A release that keeps every rule.
fn good() -> Vec<Value> {
    serde_json::from_str(include_str!("good.json")).unwrap()
}

fn broken_rules(documents: &[Value]) -> Vec<&'static str> {
    let release = Release::new(documents);
    let broken = RULES.iter().filter(|(_, rule)| !rule(&release).is_empty());
    broken.map(|(name, _)| *name).collect()
}

#[test]
fn each_rule_notices_what_breaks_it() {
    assert_eq!(broken_rules(&good()), [""; 0]);
    let container = "/0/spec/template/spec/containers/0";
    let of_container = |path: &str| format!("{container}{path}");
    let mistakes: &[(&str, String, Value)] = &[
        ("restricted", of_container("/securityContext/readOnlyRootFilesystem"), false.into()),
        ("restricted", "/0/spec/template/spec/securityContext/runAsUser".to_owned(), 0.into()),
        ("probes", of_container("/livenessProbe"), Value::Null),
        ("probes", of_container("/readinessProbe/httpGet/port"), "other".into()),
        ("resources", of_container("/resources/limits/memory"), Value::Null),
        ("images", of_container("/image"), "registry.example:5000/shop".into()),
        ("images", of_container("/image"), "shop:latest".into()),
        ("secrets by name", of_container("/env/0"), key_in_clear()),
        ("secrets by name", of_container("/env/1/value"), "nats://relay:pw@nats:4222".into()),
        ("secrets in the docs", of_container("/env/0/valueFrom/secretKeyRef/key"), "k".into()),
        ("selectors", "/1/spec/selector/app".to_owned(), "other".into()),
        ("disruption", "/2/spec/selector/matchLabels/app".to_owned(), "other".into()),
        ("disruption", "/0/spec/template/spec/affinity".to_owned(), Value::Null),
        ("policies", "/3/spec/policyTypes".to_owned(), serde_json::json!(["Ingress"])),
        ("backends", "/4/spec/rules/0/backendRefs/0/port".to_owned(), 80.into()),
        (
            "time to end",
            "/0/spec/template/spec/terminationGracePeriodSeconds".to_owned(),
            30.into(),
        ),
    ];
    for (rule, place, mistake) in mistakes {
        let mut documents = Value::Array(good());
        *documents.pointer_mut(place).unwrap_or_else(|| panic!("no {place}")) = mistake.clone();
        let Value::Array(documents) = documents else { unreachable!() };
        assert!(broken_rules(&documents).contains(rule), "{rule} takes {mistake} at {place}");
    }
}

fn key_in_clear() -> Value {
    serde_json::json!({ "name": "STRIPE_SECRET_KEY", "value": "sk_live_1" })
}
