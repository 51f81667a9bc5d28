//! A shop whose read side is served, and the commands to fill it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::response::IntoResponse;
use chrono::{TimeDelta, Utc};
use domain::event::{Actor, Cause};
use domain::id::{AccountId, CommandId, OrderId, PaymentId, SessionId, TicketId};
use domain::money::{Currency, Money};
use domain::order::{OrderCommand, OrderPlaced};
use domain::payment::{
    DisputeClosed, DisputeFact, DisputeOpened, DisputeOutcome, PaymentCommand, PaymentInitiated,
    ProviderResult,
};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use domain::{Aggregate, Order, Payment, Position, Ticket};
use embedded_log::testing::TestLog;
use eventlog::{EventLog, Executed, FollowError, LogReader, Settings as LogSettings};
use local_services::testing::TestDatabase;
use query_api::Settings;
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

/// Accounts of which every session is open until it is closed, and whose address follows from the id.
#[derive(Default)]
pub(crate) struct Sessions {
    closed: Mutex<HashSet<SessionId>>,
}

impl Sessions {
    pub(crate) fn close(&self, session: SessionId) {
        self.closed.lock().unwrap().insert(session);
    }
}

#[async_trait]
impl Accounts for Sessions {
    async fn session_is_open(&self, _: AccountId, id: SessionId) -> Result<bool, Unavailable> {
        Ok(!self.closed.lock().unwrap().contains(&id))
    }

    async fn email(&self, account: AccountId) -> Result<Option<String>, Unavailable> {
        Ok(Some(format!("{account}@example.com")))
    }
}

pub(crate) fn client(log: &TestLog) -> EventLog {
    let connection_string = log.connection_string();
    EventLog::new(LogSettings { connection_string, build: "test".to_owned() }).unwrap()
}

/// Of a log that does not answer.
fn nowhere() -> LogReader {
    let connection_string = "kurrentdb://127.0.0.1:1?tls=false".to_owned();
    EventLog::new(LogSettings { connection_string, build: "test".to_owned() }).unwrap().reader()
}

/// The read side of an address of Postgres, served.
pub(crate) struct Site {
    pub(crate) web: Web,
    pub(crate) url: String,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) shutdown: CancellationToken,
}

impl Site {
    pub(crate) async fn serve(pool: &PgPool, log: Option<&EventLog>) -> Self {
        Self::serve_with(pool, log, Settings::default()).await
    }

    pub(crate) async fn serve_with(
        pool: &PgPool,
        log: Option<&EventLog>,
        chosen: Settings,
    ) -> Self {
        let settings = web::Settings {
            session_key: [7; 32],
            token_keys: TokenKeys::new(&[[8; 32]]).unwrap(),
            secure_cookies: false,
            limits: false,
            proxies: 0,
            origins: Vec::new(),
        };
        let sessions = Arc::new(Sessions::default());
        let web = Web::new(settings, sessions.clone());
        let shutdown = CancellationToken::new();
        let log = log.map_or_else(nowhere, EventLog::reader);
        let state = query_api::State::new(pool, web.clone(), log, chosen, shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let checks = vec![state.ready_check()];
        let api = query_api::api().with_state(state);
        let (name, bounds) = ("query-api", Bounds::default());
        let server = Server { name, api, web: web.clone(), checks, bounds };
        tokio::spawn(server.serve(listener, shutdown.clone()));
        Self { web, url, sessions, shutdown }
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
        self.with_session(&open_session(account))
    }

    pub(crate) fn with_session(&self, session: &Session) -> Visitor {
        let response = (self.web.session_cookie(session), ()).into_response();
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

/// Somebody's session, for an hour.
pub(crate) fn open_session(account: AccountId) -> Session {
    let expires_at = Utc::now() + TimeDelta::hours(1);
    Session { account, session: SessionId(Uuid::now_v7()), expires_at }
}

/// Somebody with a browser.
pub(crate) struct Visitor {
    pub(crate) client: Client,
    pub(crate) url: String,
    /// What is sent with everything.
    pub(crate) headers: HeaderMap,
}

impl Visitor {
    fn new(url: &str, headers: HeaderMap) -> Self {
        // The first in the process is the one; the others are the same.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().default_headers(headers.clone()).build().unwrap();
        Self { client, url: url.to_owned(), headers }
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

    pub(crate) async fn post(&self, body: &Value) -> Response {
        self.client.post(format!("{}/graphql", self.url)).json(body).send().await.unwrap()
    }

    /// The code of an answer's first error.
    pub(crate) async fn refusal(&self, query: &str) -> String {
        let answer = self.ask(query).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
    }

    pub(crate) async fn ask_raw(&self, query: &str, variables: Value) -> Response {
        let body = json!({"query": query, "variables": variables});
        self.post(&body).await
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
    pub(crate) log: EventLog,
    pub(crate) pool: PgPool,
    projectors: Option<Projectors>,
    behind: Option<(TestDatabase, TestLog)>,
}

struct Projectors {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), FollowError>>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(Settings::default()).await
    }

    pub(crate) async fn open_with(chosen: Settings) -> Self {
        let test_log = TestLog::start().await;
        let log = client(&test_log);
        let database = TestDatabase::create().await;
        let pool = PgPool::connect(database.url()).await.unwrap();
        projectors::install(&pool).await.unwrap();
        let site = Site::serve_with(&pool, Some(&log), chosen).await;
        let mut shop = Self::of(site, log, pool);
        shop.behind = Some((database, test_log));
        shop.start_projectors();
        shop
    }

    /// Of parts that somebody else keeps, with no projectors yet.
    pub(crate) fn of(site: Site, log: EventLog, pool: PgPool) -> Self {
        Self { site, log, pool, projectors: None, behind: None }
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
        self.list_at(seller, title, quantity, usd(1_999)).await
    }

    pub(crate) async fn list_at(
        &self,
        seller: AccountId,
        title: &str,
        quantity: u32,
        price: Money,
    ) -> Listed {
        let ticket = TicketId(Uuid::now_v7());
        let command = TicketCommand::List {
            seller,
            title: Title::parse(title).unwrap(),
            price,
            quantity: Quantity::new(quantity).unwrap(),
            max_per_order: Quantity::new(quantity).unwrap(),
        };
        let cause = by(seller);
        let executed = self.execute::<Ticket>(ticket, command, &cause).await;
        Listed { ticket, position: executed.position.unwrap() }
    }

    pub(crate) async fn change(&self, ticket: TicketId, command: TicketCommand) -> Position {
        let cause = caused_by(Actor::Anonymous);
        self.execute::<Ticket>(ticket, command, &cause).await.position.unwrap()
    }

    /// An order of one unit. The ticket is reserved by the buyer; the order is placed by a process
    /// because of that.
    pub(crate) async fn order(&self, buyer: AccountId, ticket: TicketId) -> OrderId {
        let order = OrderId(Uuid::now_v7());
        let expires_at = Utc::now() + TimeDelta::minutes(15);
        let quantity = Quantity::ONE;
        let reserve = TicketCommand::Reserve { order, buyer, quantity, expires_at };
        let cause = by(buyer);
        self.execute::<Ticket>(ticket, reserve, &cause).await;
        let terms = OrderPlaced {
            buyer,
            ticket,
            title: Title::parse("As it was").unwrap(),
            quantity,
            unit_price: usd(1_999),
            total: usd(1_999),
            expires_at,
        };
        let led_to = Uuid::new_v5(&cause.command.0, format!("ticket-{ticket}/0").as_bytes());
        let placing = Cause {
            command: CommandId(Uuid::now_v7()),
            causation: led_to,
            actor: Actor::Process("order-placement".to_owned()),
            ..cause
        };
        self.execute::<Order>(order, OrderCommand::Place(terms), &placing).await;
        order
    }

    pub(crate) async fn pay(&self, order: OrderId, buyer: AccountId, ticket: TicketId) {
        let (payment, now) = (PaymentId(Uuid::now_v7()), Utc::now());
        let start = OrderCommand::StartPayment { payment, by: buyer, now };
        self.execute::<Order>(order, start, &by(buyer)).await;
        self.execute::<Order>(order, OrderCommand::Complete { payment }, &by(buyer)).await;
        self.execute::<Ticket>(ticket, TicketCommand::Sell { order }, &by(buyer)).await;
    }

    /// The buyer contests a payment of an order at the bank, which decides, or not yet.
    pub(crate) async fn dispute(
        &self,
        order: OrderId,
        buyer: AccountId,
        name: &str,
        outcome: Option<DisputeOutcome>,
    ) {
        let payment = PaymentId(Uuid::now_v7());
        let intent = PaymentInitiated {
            order,
            buyer,
            amount: usd(1_999),
            source: "tok_visa".to_owned(),
            provider_key: payment.to_string(),
        };
        let (dispute, amount) = (name.to_owned(), usd(1_999));
        let reason = "fraudulent".to_owned();
        let opened = DisputeOpened { dispute: dispute.clone(), amount, reason };
        let mut commands = vec![
            PaymentCommand::Initiate(intent),
            PaymentCommand::RecordResult(ProviderResult::Captured {
                provider_ref: "pi".to_owned(),
            }),
            PaymentCommand::RecordDispute(DisputeFact::Opened(opened)),
        ];
        commands.extend(outcome.map(|outcome| {
            let closed = DisputeClosed { dispute, amount, outcome };
            PaymentCommand::RecordDispute(DisputeFact::Closed(closed))
        }));
        for command in commands {
            self.execute::<Payment>(payment, command, &by(buyer)).await;
        }
    }

    pub(crate) async fn execute<A: Aggregate>(
        &self,
        id: A::Id,
        command: A::Command,
        cause: &Cause,
    ) -> Executed<A> {
        self.log.execute::<A>(&id, command, cause).await.unwrap()
    }
}

pub(crate) fn by(person: AccountId) -> Cause {
    caused_by(Actor::Person(person))
}

fn caused_by(actor: Actor) -> Cause {
    let request = Uuid::now_v7();
    Cause {
        command: CommandId(Uuid::now_v7()),
        fingerprint: None,
        correlation: request,
        causation: request,
        actor,
        trace: None,
        now: Utc::now(),
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
