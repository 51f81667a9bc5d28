//! A served router, as a client sees it: errors, limits, sessions, health, the end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails on the spot")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use chrono::{TimeDelta, Utc};
use domain::id::{AccountId, SessionId};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web::{
    Accounts, Api, ApiError, Bounds, Command, MaybeSignedIn, ReadyCheck, Server, Session, Settings,
    SignedIn, TokenKeys, Unavailable, Web,
};

const KEY: [u8; 32] = [7; 32];

/// Accounts of which one session is revoked, and which may be away.
#[derive(Default)]
struct Known {
    revoked: Option<SessionId>,
    away: AtomicBool,
}

#[async_trait]
impl Accounts for Known {
    async fn session_is_open(&self, _: AccountId, session: SessionId) -> Result<bool, Unavailable> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Unavailable);
        }
        Ok(self.revoked != Some(session))
    }

    async fn email(&self, _: AccountId) -> Result<Option<String>, Unavailable> {
        Ok(None)
    }
}

#[derive(Clone)]
struct State {
    web: Web,
    /// Told when `/slow` has begun, and waited for before it ends.
    began: Arc<Notify>,
    end: Arc<Notify>,
}

impl FromRef<State> for Web {
    fn from_ref(state: &State) -> Self {
        state.web.clone()
    }
}

struct Gate(AtomicBool);

#[async_trait]
impl ReadyCheck for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    async fn ready(&self) -> Result<(), String> {
        if self.0.load(Ordering::Relaxed) { Ok(()) } else { Err("secret reason".to_owned()) }
    }
}

struct Served {
    address: SocketAddr,
    client: Client,
    state: State,
    accounts: Arc<Known>,
    gate: Arc<Gate>,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn whoami(MaybeSignedIn(session): MaybeSignedIn) -> String {
    session.map_or("nobody".to_owned(), |session| session.account.to_string())
}

async fn signed_in(SignedIn(session): SignedIn) -> String {
    session.account.to_string()
}

async fn slow(axum::extract::State(state): axum::extract::State<State>) -> &'static str {
    state.began.notify_one();
    state.end.notified().await;
    "done"
}

async fn broken() -> ApiError {
    ApiError::internal(&std::io::Error::other("the secret of the inside"))
}

async fn panics() -> &'static str {
    panic!("the secret of the inside")
}

fn web(session_key: [u8; 32], accounts: Arc<dyn Accounts>) -> Web {
    let token_keys = TokenKeys::new(&[[1; 32]]).unwrap();
    let settings = Settings {
        session_key,
        token_keys,
        secure_cookies: false,
        limits: false,
        proxies: 0,
        origins: vec!["https://shop.example".to_owned()],
    };
    Web::new(settings, accounts)
}

async fn serve_with(accounts: Known) -> Served {
    serve_within(accounts, Bounds::default()).await
}

async fn serve_within(accounts: Known, bounds: Bounds) -> Served {
    // The client asks for one even when it speaks plain http; another test may have set it.
    let _set_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let accounts = Arc::new(accounts);
    let web = web(KEY, Arc::clone(&accounts) as Arc<dyn Accounts>);
    let state = State { web, began: Arc::default(), end: Arc::default() };
    let router = Router::new()
        .route("/whoami", get(whoami).post(whoami))
        .route("/mine", get(signed_in).post(signed_in))
        .route("/echo", post(async |command: Command| format!("{:?}", command.cause.by(None))))
        .route("/broken", get(broken))
        .route("/panics", get(panics))
        .route("/slow", get(slow))
        .with_state(state.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gate = Arc::new(Gate(AtomicBool::new(false)));
    let checks = vec![Arc::clone(&gate) as Arc<dyn ReadyCheck>];
    let shutdown = CancellationToken::new();
    let end = shutdown.clone();
    let web = state.web.clone();
    let server = Server { name: "test", api: Api::from(router), web, checks, bounds };
    let serving = tokio::spawn(server.serve(listener, end));
    Served { address, client: Client::new(), state, accounts, gate, shutdown, serving }
}

impl Served {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    async fn with_cookie(&self, path: &str, cookie: &str) -> Response {
        self.client.get(self.url(path)).header("cookie", cookie).send().await.unwrap()
    }

    async fn body_of_size(&self, bytes: usize) -> Response {
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        let request =
            self.client.post(self.url("/echo")).header("content-type", "application/json");
        request.body(body).send().await.unwrap()
    }

    /// The cookie pair of a session that lasts so long.
    fn cookie(&self, session: Session) -> String {
        let cookie = self.state.web.session_cookie(&session);
        let response = axum::response::IntoResponse::into_response((cookie, ()));
        let header = response.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(header.contains("; Path=/") && header.contains("; HttpOnly"), "{header}");
        assert!(header.contains("; SameSite=Lax"), "{header}");
        header.split(';').next().unwrap().to_owned()
    }
}

fn session(lasts: TimeDelta) -> Session {
    let account = AccountId(Uuid::now_v7());
    Session { account, session: SessionId(Uuid::now_v7()), expires_at: Utc::now() + lasts }
}

/// The body of a problem, after checking what all problems have.
async fn problem(response: Response, status: StatusCode) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let path = response.url().path().to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(body["instance"], path);
    for member in ["type", "title", "detail"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
    }
    assert!(body["errors"][0]["message"].is_string(), "{body}");
    body
}

#[tokio::test]
async fn what_is_not_there_and_methods_that_are_not_known_are_problems() {
    let served = serve_with(Known::default()).await;
    problem(served.get("/nowhere").await, StatusCode::NOT_FOUND).await;
    let wrong = served.client.delete(served.url("/whoami")).send().await.unwrap();
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("GET"));
    problem(wrong, StatusCode::METHOD_NOT_ALLOWED).await;
}

#[tokio::test]
async fn an_error_of_ours_and_a_panic_say_nothing_of_the_inside() {
    let served = serve_with(Known::default()).await;
    for path in ["/broken", "/panics"] {
        let body = problem(served.get(path).await, StatusCode::INTERNAL_SERVER_ERROR).await;
        assert!(!body.to_string().contains("secret"), "{body}");
    }
    // The connection and the server live on.
    assert_eq!(served.get("/whoami").await.text().await.unwrap(), "nobody");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_is_sent() {
    let served = serve_with(Known::default()).await;
    assert_eq!(served.body_of_size(64 * 1024).await.status(), StatusCode::OK);
    let response = served.body_of_size(64 * 1024 + 1).await;
    problem(response, StatusCode::PAYLOAD_TOO_LARGE).await;
    // In pieces, without saying beforehand how much it will be.
    let mut connection = TcpStream::connect(served.address).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let piece = format!("{:x}\r\n{}\r\n", 40 * 1024, "x".repeat(40 * 1024));
    connection.write_all(piece.repeat(2).as_bytes()).await.unwrap();
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let served = serve_with(Known::default()).await;
    let request = served.client.post(served.url("/echo")).body("a=b");
    problem(request.send().await.unwrap(), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    let deep = "{\"a\":".repeat(10_000);
    for body in ["", "garbage", "[1]", "\"x\"", "{\"a\":", &deep] {
        let request = served.client.post(served.url("/echo")).body(body.to_owned());
        let response = request.header("content-type", "application/json").send().await.unwrap();
        problem(response, StatusCode::BAD_REQUEST).await;
    }
}

#[tokio::test]
async fn a_request_keeps_its_name_or_gets_one() {
    let served = serve_with(Known::default()).await;
    let request = served.client.get(served.url("/whoami")).header("x-request-id", "my-name.1");
    assert_eq!(request.send().await.unwrap().headers()["x-request-id"], "my-name.1");
    let request = served.client.get(served.url("/nowhere")).header("x-request-id", "no name <>");
    let response = request.send().await.unwrap();
    let given = response.headers()["x-request-id"].to_str().unwrap();
    assert!(given.parse::<Uuid>().is_ok(), "{given}");
}

#[tokio::test]
async fn the_session_cookie_says_who_somebody_is() {
    let served = serve_with(Known::default()).await;
    let known = session(TimeDelta::days(1));
    let cookie = served.cookie(known);
    let name = known.account.to_string();
    assert_eq!(served.with_cookie("/whoami", &cookie).await.text().await.unwrap(), name);
    assert_eq!(served.with_cookie("/mine", &cookie).await.text().await.unwrap(), name);
    let among_others = format!("a=b; session=tossed; {cookie}; c");
    assert_eq!(served.with_cookie("/mine", &among_others).await.text().await.unwrap(), name);
}

#[tokio::test]
async fn a_forged_expired_or_revoked_session_is_nobody() {
    let revoked = session(TimeDelta::days(1));
    let known = Known { revoked: Some(revoked.session), ..Known::default() };
    let served = serve_with(known).await;
    let good = served.cookie(session(TimeDelta::days(1)));
    let other_key = web([8; 32], Arc::new(Known::default()));
    let strange = State { web: other_key, ..served.state.clone() };
    let strange = strange.web.session_cookie(&session(TimeDelta::days(1)));
    let strange = axum::response::IntoResponse::into_response((strange, ()));
    let strange = strange.headers()["set-cookie"].to_str().unwrap().to_owned();
    let longer = good.replace(".1", ".2");
    for cookie in [
        "session=",
        "session=a.b.c.d",
        &good[..good.len() - 1],
        &format!("{good}0"),
        &longer,
        strange.split(';').next().unwrap(),
        &served.cookie(session(TimeDelta::seconds(-1))),
        &served.cookie(revoked),
    ] {
        let who = served.with_cookie("/whoami", cookie).await.text().await.unwrap();
        assert_eq!(who, "nobody", "{cookie}");
        problem(served.with_cookie("/mine", cookie).await, StatusCode::UNAUTHORIZED).await;
    }
}

#[tokio::test]
async fn another_site_cannot_use_the_cookie_to_change_something() {
    let served = serve_with(Known::default()).await;
    let cookie = served.cookie(session(TimeDelta::days(1)));
    let own = format!("http://{}", served.address);
    let cases = [
        (None, None, true),
        (Some("same-origin"), None, true),
        (Some("none"), None, true),
        (Some("cross-site"), None, false),
        (Some("same-site"), Some(own.as_str()), false),
        (None, Some(own.as_str()), true),
        (None, Some("https://elsewhere.example"), false),
        (None, Some("null"), false),
    ];
    for (site, origin, allowed) in cases {
        let mut request = served.client.post(served.url("/mine")).header("cookie", &cookie);
        for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.unwrap();
        if allowed {
            assert_eq!(response.status(), StatusCode::OK, "{site:?} {origin:?}");
        } else {
            problem(response, StatusCode::FORBIDDEN).await;
        }
    }
}

#[tokio::test]
async fn while_accounts_are_away_reading_goes_on_and_changing_waits() {
    let served = serve_with(Known::default()).await;
    let cookie = served.cookie(session(TimeDelta::days(1)));
    served.accounts.away.store(true, Ordering::Relaxed);
    assert_eq!(served.with_cookie("/mine", &cookie).await.status(), StatusCode::OK);
    let request = served.client.post(served.url("/mine")).header("cookie", &cookie);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    problem(response, StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn health_follows_the_checks() {
    let served = serve_with(Known::default()).await;
    assert_eq!(served.get("/livez").await.status(), StatusCode::OK);
    for path in ["/readyz", "/startupz"] {
        let response = served.get(path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.text().await.unwrap(), r#"{"ready":false,"missing":["gate"]}"#);
    }
    served.gate.0.store(true, Ordering::Relaxed);
    assert_eq!(served.get("/readyz").await.status(), StatusCode::OK);
    served.gate.0.store(false, Ordering::Relaxed);
    assert_eq!(served.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    // It has been ready once, so it has started.
    assert_eq!(served.get("/startupz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way() {
    let mut served = serve_with(Known::default()).await;
    let request = served.client.get(served.url("/slow")).send();
    let request = tokio::spawn(request);
    served.state.began.notified().await;
    served.shutdown.cancel();
    let early = tokio::time::timeout(Duration::from_millis(100), &mut served.serving).await;
    assert!(early.is_err(), "it ended with a request under way");
    served.state.end.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    let ended = tokio::time::timeout(Duration::from_secs(5), &mut served.serving).await;
    ended.unwrap().unwrap().unwrap();
}

/// Sends bytes as they are and gives all that comes back until the other side ends the connection.
async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A connection that is reset has ended as well.
    let _reset = connection.read_to_string(&mut answer).await;
    answer
}

fn short(head_within: u64, body_within: u64) -> Bounds {
    let (head, body) = (Duration::from_millis(head_within), Duration::from_millis(body_within));
    Bounds { head_within: head, body_within: body, ..Bounds::default() }
}

#[tokio::test]
async fn a_head_that_never_ends_and_an_idle_connection_are_ended() {
    let served = serve_within(Known::default(), short(100, 10_000)).await;
    for sent in ["", "GET /whoami HT", "GET /whoami HTTP/1.1\r\nhost: x\r\nx-slow: a"] {
        assert_eq!(raw(served.address, sent).await, "", "{sent:?}");
    }
    // After an answer too.
    let answer = raw(served.address, "GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("nobody"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_with_408() {
    let served = serve_within(Known::default(), short(10_000, 100)).await;
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a\":";
    let answer = raw(served.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    assert!(answer.contains("The body did not come in time"), "{answer}");
}

#[tokio::test]
async fn a_head_over_the_limits_is_refused() {
    let served = serve_with(Known::default()).await;
    let whoami = || served.client.get(served.url("/whoami"));
    let many = (0..70).fold(whoami(), |request, at| request.header(format!("x-{at}"), "a"));
    let large = whoami().header("x-large", "a".repeat(17 * 1024));
    for request in [many, large] {
        let response = request.send().await.unwrap();
        problem(response, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).await;
    }
    let long = served.get(&format!("/whoami?{}", "a".repeat(9 * 1024))).await;
    problem(long, StatusCode::URI_TOO_LONG).await;
    // So much that it is not even read.
    let head =
        format!("GET /whoami HTTP/1.1\r\nhost: x\r\nx-huge: {}\r\n\r\n", "a".repeat(600_000));
    let answer = raw(served.address, &head).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(whoami().send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn who_comes_when_all_places_are_taken_waits_for_one() {
    let bounds = Bounds { connections_max: 2, ..Bounds::default() };
    let served = serve_within(Known::default(), bounds).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = TcpStream::connect(served.address).await.unwrap();
        connection.write_all(b"GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        // Answered, so it has its place.
        let mut first = [0; 8];
        connection.read_exact(&mut first).await.unwrap();
        held.push(connection);
    }
    let mut waits = Box::pin(served.get("/whoami"));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waits).await;
    assert!(early.is_err(), "it was let in as a third");
    held.pop();
    assert_eq!(waits.await.status(), StatusCode::OK);
}

#[tokio::test]
async fn only_the_pages_of_named_sites_may_use_the_api_from_elsewhere() {
    let served = serve_with(Known::default()).await;
    let cookie = served.cookie(session(TimeDelta::days(1)));
    let preflight = async |origin: &str| {
        let request = served.client.request(Method::OPTIONS, served.url("/mine"));
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "PUT");
        request.header("access-control-request-headers", "if-match").send().await.unwrap()
    };
    let allowed = preflight("https://shop.example").await;
    let header = |name: &str| allowed.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(header("access-control-allow-credentials"), "true");
    assert!(header("access-control-allow-methods").contains("PUT"));
    assert!(header("access-control-allow-headers").contains("if-match"));
    let refused = preflight("https://elsewhere.example").await;
    assert!(!refused.headers().contains_key("access-control-allow-origin"));

    let post = async |origin: &str| {
        let request = served.client.post(served.url("/mine")).header("cookie", &cookie);
        let request = request.header("origin", origin).header("sec-fetch-site", "cross-site");
        request.send().await.unwrap()
    };
    let own = post("https://shop.example").await;
    assert_eq!(own.headers()["access-control-allow-origin"], "https://shop.example");
    assert_eq!(own.status(), StatusCode::OK);
    problem(post("https://shop.example.evil.example").await, StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_a_browser() {
    let served = serve_with(Known::default()).await;
    for path in ["/whoami", "/nowhere", "/broken", "/livez"] {
        let response = served.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.headers()[name], value, "{path}");
        }
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn the_description_and_its_page_need_nothing_from_elsewhere() {
    let served = serve_with(Known::default()).await;
    let document: Value = served.get("/openapi.json").await.json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    let page = served.get("/docs").await;
    assert_eq!(page.url().path(), "/docs/");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    let linked = page.split("./").skip(1).map(|rest| rest.split('"').next().unwrap());
    for file in linked.chain(["index.css"]) {
        let response = served.get(&format!("/docs/{file}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{file}");
    }
    let start = served.get("/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(start.contains("/openapi.json") && !start.contains("petstore"), "{start}");
    problem(served.get("/docs/nothing.js").await, StatusCode::NOT_FOUND).await;
}
