//! A served write side of a test's own, and people who use it.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use command_api::{LogAccounts, State};
use domain::id::{AccountId, CommandId, SessionId};
use domain::{Actor, Cause};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, Settings, Vault};
use local_services::testing::TestDatabase;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web::{Bounds, Server, Session, TokenKeys, Web};

pub(crate) const TOKEN_KEY: [u8; 32] = [3; 32];
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct App {
    pub(crate) test_log: TestLog,
    pub(crate) log: EventLog,
    pub(crate) vault: Vault,
    pub(crate) web: Web,
    address: SocketAddr,
    shutdown: CancellationToken,
    pub(crate) pool: PgPool,
    _database: TestDatabase,
}

impl Drop for App {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(|state| state).await
    }

    /// With other settings than the usual ones.
    pub(crate) async fn with(change: impl FnOnce(State) -> State) -> Self {
        // The client asks for one even when it speaks plain http; another test may have set it.
        let _set_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let test_log = TestLog::start().await;
        let database = TestDatabase::create().await;
        let log = open(&test_log);
        let pool = pool(database.url()).await;
        let vault = Vault::new(pool.clone(), &[1; 32]);
        vault.install().await.unwrap();
        let accounts = LogAccounts { log: log.clone(), vault: vault.clone() };
        let web = Web::new(settings(vec![TOKEN_KEY]), Arc::new(accounts));
        let state = change(State::new(log.clone(), vault.clone(), web.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (api, bounds) = (command_api::api().with_state(state), Bounds::default());
        let server = Server { name: "test", api, web: web.clone(), checks: Vec::new(), bounds };
        tokio::spawn(server.serve(listener, shutdown.clone()));
        Self { test_log, log, vault, web, address, shutdown, pool, _database: database }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Somebody who keeps cookies, not signed in.
    pub(crate) fn visitor(&self) -> Person {
        let client = Client::builder().cookie_store(true).build().unwrap();
        Person { client, base: self.url(""), id: AccountId(Uuid::nil()), email: String::new() }
    }

    /// Somebody who has just signed up.
    pub(crate) async fn person(&self) -> Person {
        let mut person = self.visitor();
        person.email = format!("{}@example.com", Uuid::new_v4());
        let body = json!({"email": person.email, "password": PASSWORD});
        let user = ok(person.post("/api/users/signup", &body).await, StatusCode::CREATED).await;
        person.id = user["id"].as_str().unwrap().parse().unwrap();
        person
    }

    /// A cookie signed by our key, for whatever session.
    pub(crate) fn cookie(
        &self,
        account: AccountId,
        session: SessionId,
        lasts: TimeDelta,
    ) -> String {
        let session = Session { account, session, expires_at: Utc::now() + lasts };
        let cookie = self.web.session_cookie(&session);
        let response = axum::response::IntoResponse::into_response((cookie, ()));
        let header = response.headers()["set-cookie"].to_str().unwrap();
        header.split(';').next().unwrap().to_owned()
    }
}

/// Limits are on: the tests live within them, but for the ones about them.
pub(crate) fn settings(token_keys: Vec<[u8; 32]>) -> web::Settings {
    web::Settings {
        session_key: [2; 32],
        token_keys: TokenKeys::new(&token_keys).unwrap(),
        secure_cookies: false,
        limits: true,
        proxies: 0,
        origins: Vec::new(),
    }
}

pub(crate) fn open(log: &TestLog) -> EventLog {
    let settings =
        Settings { connection_string: log.connection_string(), build: "test".to_owned() };
    EventLog::new(settings).unwrap()
}

async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect(url).await.unwrap()
}

#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) client: Client,
    base: String,
    pub(crate) id: AccountId,
    pub(crate) email: String,
}

impl Person {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    pub(crate) async fn post_as(&self, key: &str, path: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        request.json(body).send().await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Response {
        self.request(Method::PUT, path).json(body).send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.unwrap()
    }

    /// A program that this person has signed in: its access token and its refresh token.
    pub(crate) async fn tokens(&self) -> (String, String) {
        let body = json!({"email": self.email, "password": PASSWORD});
        tokens(ok(self.post("/api/users/token", &body).await, StatusCode::OK).await)
    }

    pub(crate) async fn refresh(&self, refresh: &str) -> Response {
        self.post("/api/users/token/refresh", &json!({"refreshToken": refresh})).await
    }

    /// A request of a program: with a token and without cookies.
    pub(crate) fn program(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        Client::new().request(method, format!("{}{path}", self.base)).bearer_auth(token)
    }

    /// Lists a ticket and gives its id.
    pub(crate) async fn lists(&self, body: &Value) -> String {
        let ticket = ok(self.post("/api/tickets", body).await, StatusCode::CREATED).await;
        ticket["id"].as_str().unwrap().to_owned()
    }

    /// Orders one unit and gives the order's id.
    pub(crate) async fn orders(&self, ticket: &str) -> String {
        let body = json!({"ticketId": ticket});
        let order = ok(self.post("/api/orders", &body).await, StatusCode::CREATED).await;
        order["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn current_user(&self) -> Value {
        let answer = ok(self.get("/api/users/currentuser").await, StatusCode::OK).await;
        answer["currentUser"].clone()
    }
}

/// The two tokens of an answer.
pub(crate) fn tokens(answer: Value) -> (String, String) {
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("accessToken"), text("refreshToken"))
}

pub(crate) fn concert() -> Value {
    json!({"title": "Concert", "price": 19.99})
}

/// The body of an answer that has that status.
pub(crate) async fn ok(response: Response, status: StatusCode) -> Value {
    let (got, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(headers["content-type"], "application/problem+json", "{text}");
    }
    serde_json::from_str(&text).unwrap()
}

/// The first message of a problem with that status.
pub(crate) async fn refused(response: Response, status: StatusCode) -> String {
    let problem = ok(response, status).await;
    problem["errors"][0]["message"].as_str().unwrap().to_owned()
}

/// The fields that a refusal names, in order.
pub(crate) async fn bad_fields(response: Response) -> Vec<String> {
    let problem = ok(response, StatusCode::BAD_REQUEST).await;
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| error["field"].as_str().unwrap_or("?").to_owned()).collect()
}

pub(crate) fn header(headers: &HeaderMap, name: &str) -> String {
    headers[name].to_str().unwrap().to_owned()
}

/// The cause of something that no request asks for.
pub(crate) fn cause() -> Cause {
    let id = Uuid::now_v7();
    Cause {
        command: CommandId(id),
        fingerprint: None,
        correlation: id,
        causation: id,
        actor: Actor::Process("test".to_owned()),
        trace: None,
        now: Utc::now(),
    }
}
