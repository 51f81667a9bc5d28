//! Every way to say who we are to a NATS server, each at a server that lets nobody else in.

use std::error::Error;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use embedded_log::testing::TestCertificate;
use local_services::testing::{TestFolder, TestNats};
use nkeys::KeyPair;
use relay::nats::{Login, Tls};
use relay::{Nats, Settings};
use serde_json::{Value, json};

use crate::history;
use crate::world::{World, plain};

/// A relay that may come in does its work; whoever says nothing or something else is refused, and
/// told so.
async fn only_this_one_comes_in(nats: Nats, others: Vec<Nats>) {
    for other in others {
        let refused = other.connect().await.expect_err("anybody may come in");
        let source = refused.source().map(ToString::to_string).unwrap_or_default();
        let told = format!("{refused}: {source}").to_lowercase();
        let expected = ["authorization", "certificate", "fatal alert"];
        assert!(expected.iter().any(|words| told.contains(words)), "{told}");
    }
    let world = World::start().await;
    history::random(&world.events(), 80, 2, 2).await;
    let settings = Settings { nats: nats.clone(), ..world.settings() };
    let relay = world.relay_with_settings(world.events(), world.pool.clone(), settings);
    let verdict = world.until_verified_at(&nats, &plain()).await;
    assert!(verdict.compared > 0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_user_and_password() {
    let server = TestNats::start_with("authorization { user: relay, password: secret }\n").await;
    let with = |password: &str| {
        let (user, password) = ("relay".to_owned(), password.to_owned());
        Nats { login: Login::Password { user, password }, ..Nats::at(server.url()) }
    };
    let others = vec![Nats::at(server.url()), with("guessed")];
    only_this_one_comes_in(with("secret"), others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_nkey() {
    let (ours, another) = (KeyPair::new_user(), KeyPair::new_user());
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}\n", ours.public_key());
    let server = TestNats::start_with(&users).await;
    // As a file has it.
    let with = |key: &KeyPair| {
        let seed = format!("{}\n", key.seed().unwrap());
        Nats { login: Login::Nkey { seed }, ..Nats::at(server.url()) }
    };
    only_this_one_comes_in(with(&ours), vec![Nats::at(server.url()), with(&another)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_file_of_credentials() {
    let (operator, system, account) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let own = signed(&operator, &operator, json!({"type": "operator", "version": 2}));
    let server = TestNats::start_with(&format!(
        "operator: {own}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n  {}: {}\n  \
         {}: {}\n}}\n",
        system.public_key(),
        system.public_key(),
        signed(&operator, &system, account_claims(0)),
        account.public_key(),
        signed(&operator, &account, account_claims(-1)),
    ))
    .await;
    let folder = TestFolder::new();
    let with = |name: &str, signer: &KeyPair| {
        let user = KeyPair::new_user();
        let file = folder.path().join(name);
        std::fs::write(&file, credentials(&user, &signed(signer, &user, user_claims()))).unwrap();
        Nats { login: Login::Credentials { file }, ..Nats::at(server.url()) }
    };
    let of_nobody = with("of-nobody.creds", &KeyPair::new_account());
    let ours = with("relay.creds", &account);
    only_this_one_comes_in(ours, vec![Nats::at(server.url()), of_nobody]).await;
}

/// An operator has to be told which file it is.
#[tokio::test]
async fn a_file_of_credentials_that_is_not_there_is_named() {
    let login = Login::Credentials { file: PathBuf::from("/nowhere/relay.creds") };
    let refused = Nats { login, ..Nats::at("nats://127.0.0.1:4") }.connect().await.unwrap_err();
    assert!(refused.to_string().contains("/nowhere/relay.creds"), "{refused}");
}

/// Encrypted, and each side shows a certificate.
#[tokio::test(flavor = "multi_thread")]
async fn by_certificate() {
    let (ours, other) = (TestFolder::new(), TestFolder::new());
    let certificate = TestCertificate::make(ours.path());
    let unknown = TestCertificate::make(other.path());
    let server = TestNats::start_with(&format!(
        "tls {{\n  cert_file: {:?}\n  key_file: {:?}\n  ca_file: {:?}\n  verify: true\n}}\n",
        certificate.certificate, certificate.key, certificate.authority
    ))
    .await;
    let with = |authority: &TestCertificate, shown: Option<&TestCertificate>| {
        let shown = shown.map(|shown| (shown.certificate.clone(), shown.key.clone()));
        let tls = Tls { authorities: Some(authority.authority.clone()), certificate: shown };
        Nats { tls, ..Nats::at(server.url().replace("nats://", "tls://")) }
    };
    let others = vec![
        // A server that nobody we know vouches for, and a client that shows nothing.
        with(&unknown, Some(&certificate)),
        with(&certificate, None),
        with(&certificate, Some(&unknown)),
    ];
    only_this_one_comes_in(with(&certificate, Some(&certificate)), others).await;
}

/// What NATS's own tools write for an account; -1 is no limit, and 0 leaves JetStream out.
fn account_claims(jetstream: i64) -> Value {
    json!({
        "type": "account",
        "version": 2,
        "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": jetstream, "disk_storage": jetstream,
            "streams": jetstream, "consumer": jetstream,
        },
    })
}

fn user_claims() -> Value {
    json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
}

/// The JWT in which one key says something of another.
fn signed(issuer: &KeyPair, subject: &KeyPair, claims: Value) -> String {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let said = json!({
        "jti": subject.public_key(),
        "iat": 1_700_000_000,
        "iss": issuer.public_key(),
        "sub": subject.public_key(),
        "name": "test",
        "nats": claims,
    });
    let text = format!("{}.{}", part(json!({"typ": "JWT", "alg": "ed25519-nkey"})), part(said));
    let signature = issuer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn credentials(user: &KeyPair, jwt: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    )
}
