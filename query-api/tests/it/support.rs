//! A shop whose read side is served, and the commands to fill it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::response::IntoResponse;
use chrono::{TimeDelta, Utc};
use domain::event::{Actor, Cause};
use domain::id::{AccountId, CommandId, OrderId, SessionId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, OrderPlaced};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Aggregate, Order, Position, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, Executed, FollowError, Settings};
use local_services::testing::TestDatabase;
use query_api::LogEnd;
use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web::{Accounts, Bounds, Server, Session, TokenKeys, Unavailable, Web};

const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Accounts of which every session is open, and whose address follows from the id.
struct EverybodyIsIn;

#[async_trait]
impl Accounts for EverybodyIsIn {
    async fn session_is_open(&self, _: AccountId, _: SessionId) -> Result<bool, Unavailable> {
        Ok(true)
    }

    async fn email(&self, account: AccountId) -> Result<Option<String>, Unavailable> {
        Ok(Some(format!("{account}@example.com")))
    }
}

/// None: the log is away.
struct EndOf(Option<EventLog>);

#[async_trait]
impl LogEnd for EndOf {
    async fn log_end(&self) -> Option<Position> {
        self.0.as_ref()?.head().await.ok().flatten()
    }
}

/// The read side of an address of Postgres, served.
pub(crate) struct Site {
    pub(crate) web: Web,
    pub(crate) url: String,
    shutdown: CancellationToken,
}

impl Site {
    pub(crate) async fn serve(pool: &PgPool, log: Option<EventLog>) -> Self {
        let settings = web::Settings {
            session_key: [7; 32],
            token_keys: TokenKeys::new(&[[8; 32]]).unwrap(),
            secure_cookies: false,
            limits: false,
            proxies: 0,
            origins: Vec::new(),
        };
        let web = Web::new(settings, Arc::new(EverybodyIsIn));
        let shutdown = CancellationToken::new();
        let state =
            query_api::State::new(pool, web.clone(), Arc::new(EndOf(log)), shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let checks = vec![state.ready_check()];
        let api = query_api::api().with_state(state);
        let (name, bounds) = ("query-api", Bounds::default());
        let server = Server { name, api, web: web.clone(), checks, bounds };
        tokio::spawn(server.serve(listener, shutdown.clone()));
        Self { web, url, shutdown }
    }

    pub(crate) fn nobody(&self) -> Visitor {
        Visitor::new(&self.url, HeaderMap::new())
    }

    /// Somebody who sends one header with everything.
    pub(crate) fn with_header(&self, name: &'static str, value: &str) -> Visitor {
        let value = HeaderValue::from_str(value).unwrap();
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
        Visitor::new(&self.url, headers)
    }

    pub(crate) fn visitor(&self, account: AccountId) -> Visitor {
        let expires_at = Utc::now() + TimeDelta::hours(1);
        let session = Session { account, session: SessionId(Uuid::now_v7()), expires_at };
        let response = (self.web.session_cookie(&session), ()).into_response();
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        let pair = cookie.split(';').next().unwrap();
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(pair).unwrap())]);
        Visitor::new(&self.url, headers)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Somebody with a browser.
pub(crate) struct Visitor {
    client: Client,
    url: String,
}

impl Visitor {
    fn new(url: &str, headers: HeaderMap) -> Self {
        // The first in the process is the one; the others are the same.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().default_headers(headers).build().unwrap();
        Self { client, url: url.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn get_after(&self, path: &str, position: Position) -> Response {
        let request = self.client.get(format!("{}{path}", self.url));
        request.header("ticketing-position", position.to_string()).send().await.unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// The items of a whole list, page after page.
    pub(crate) async fn get_all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let response = self.get(&path).await;
            assert_eq!(response.status(), 200, "{path}");
            next = next_page(&response);
            items.extend(response.json::<Vec<Value>>().await.unwrap());
        }
        items
    }

    pub(crate) async fn ask_raw(&self, query: &str, variables: Value) -> Response {
        let body = json!({"query": query, "variables": variables});
        self.client.post(format!("{}/graphql", self.url)).json(&body).send().await.unwrap()
    }

    pub(crate) async fn ask(&self, query: &str) -> Value {
        let response = self.ask_raw(query, json!({})).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// The data of an answer that has no errors.
    pub(crate) async fn data(&self, query: &str) -> Value {
        let mut answer = self.ask(query).await;
        assert_eq!(answer.get("errors"), None);
        answer["data"].take()
    }
}

fn next_page(response: &Response) -> Option<String> {
    let link = response.headers().get("link")?.to_str().unwrap();
    let (address, relation) = link.split_once('>').unwrap();
    assert_eq!(relation, "; rel=\"next\"");
    address.strip_prefix('<').map(str::to_owned)
}

/// Everything behind a site: the log, the database, the projectors.
pub(crate) struct Shop {
    pub(crate) site: Site,
    log: EventLog,
    pool: PgPool,
    projectors: Option<Projectors>,
    _database: TestDatabase,
    _log: TestLog,
}

struct Projectors {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), FollowError>>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let test_log = TestLog::start().await;
        let connection_string = test_log.connection_string();
        let log = EventLog::new(Settings { connection_string, build: "test".to_owned() }).unwrap();
        let database = TestDatabase::create().await;
        let pool = PgPool::connect(database.url()).await.unwrap();
        projectors::install(&pool).await.unwrap();
        let site = Site::serve(&pool, Some(log.clone())).await;
        let mut shop =
            Self { site, log, pool, projectors: None, _database: database, _log: test_log };
        shop.start_projectors();
        shop
    }

    pub(crate) fn start_projectors(&mut self) {
        let shutdown = CancellationToken::new();
        let running = projectors::run(self.log.clone(), self.pool.clone(), shutdown.clone());
        self.projectors = Some(Projectors { shutdown, task: tokio::spawn(running) });
    }

    pub(crate) async fn stop_projectors(&mut self) {
        if let Some(Projectors { shutdown, task }) = self.projectors.take() {
            shutdown.cancel();
            task.await.unwrap().unwrap();
        }
    }

    /// Until the tables hold everything that is in the log.
    pub(crate) async fn caught_up(&self) {
        let head = self.log.head().await.unwrap();
        let reached = async {
            loop {
                let status = projectors::status(&self.pool).await.unwrap();
                if status.iter().all(|status| status.position >= head) {
                    return;
                }
                tokio::time::sleep(POLL_EVERY).await;
            }
        };
        tokio::time::timeout(CATCH_UP_TIMEOUT, reached).await.expect("the projections catch up");
    }

    pub(crate) async fn list(&self, seller: AccountId, title: &str, quantity: u32) -> Listed {
        let ticket = TicketId(Uuid::now_v7());
        let command = TicketCommand::List {
            seller,
            title: Title::parse(title).unwrap(),
            price: usd(1_999),
            quantity: Quantity::new(quantity).unwrap(),
            max_per_order: Quantity::new(quantity).unwrap(),
        };
        let executed = self.execute::<Ticket>(ticket, command).await;
        Listed { ticket, position: executed.position.unwrap() }
    }

    pub(crate) async fn change(&self, ticket: TicketId, command: TicketCommand) -> Position {
        self.execute::<Ticket>(ticket, command).await.position.unwrap()
    }

    /// An order of one unit.
    pub(crate) async fn order(&self, buyer: AccountId, ticket: TicketId) -> OrderId {
        let order = OrderId(Uuid::now_v7());
        let expires_at = Utc::now() + TimeDelta::minutes(15);
        let quantity = Quantity::ONE;
        let reserve = TicketCommand::Reserve { order, buyer, quantity, expires_at };
        self.execute::<Ticket>(ticket, reserve).await;
        let terms = OrderPlaced {
            buyer,
            ticket,
            title: Title::parse("As it was").unwrap(),
            quantity,
            unit_price: usd(1_999),
            total: usd(1_999),
            expires_at,
        };
        self.execute::<Order>(order, OrderCommand::Place(terms)).await;
        order
    }

    async fn execute<A: Aggregate>(&self, id: A::Id, command: A::Command) -> Executed<A> {
        let cause = Cause {
            command: CommandId(Uuid::now_v7()),
            fingerprint: None,
            correlation: Uuid::now_v7(),
            causation: Uuid::now_v7(),
            actor: Actor::Anonymous,
            trace: None,
            now: Utc::now(),
        };
        self.log.execute::<A>(&id, command, &cause).await.unwrap()
    }
}

/// A ticket that was listed, and where in the log.
#[derive(Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) ticket: TicketId,
    pub(crate) position: Position,
}

pub(crate) fn somebody() -> AccountId {
    AccountId(Uuid::now_v7())
}

pub(crate) fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::USD }
}

/// The ids of items, in their order.
pub(crate) fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}
