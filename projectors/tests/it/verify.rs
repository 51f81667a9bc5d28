//! A read model that is not what the log says is found out, the event named, and the rows mended.

use domain::Ticket;
use domain::event::Revision;
use domain::id::{AccountId, TicketId};
use domain::money::{Currency, Money};
use domain::text::{Quantity, Title};
use domain::ticket::TicketCommand;
use embedded_log::testing::TestLog;
use eventlog::EventLog;
use local_services::testing::TestDatabase;
use projectors::{Error, Verified, repair, verify};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::support::{Market, Running, assert_verified, caught_up, cause, client, database};

const SELLER: AccountId = AccountId(Uuid::from_u128(5));

struct Shop {
    client: EventLog,
    pool: PgPool,
    ticket: TicketId,
    _running: Running,
    _log: TestLog,
    _database: TestDatabase,
}

impl Shop {
    async fn open(seed: u64) -> Self {
        let (log, test_database) = tokio::join!(TestLog::start(), TestDatabase::create());
        let client = client(&log);
        let pool = database(test_database.url()).await;
        let running = Running::start(&client, &pool);
        Market::new(&client, seed).bustle(60).await;
        let ticket = TicketId(Uuid::now_v7());
        let shop =
            Self { client, pool, ticket, _running: running, _log: log, _database: test_database };
        shop.execute(TicketCommand::List {
            seller: SELLER,
            title: Title::parse("Concert").unwrap(),
            price: Money { minor: 2_000, currency: Currency::USD },
            quantity: Quantity::new(10).unwrap(),
            max_per_order: Quantity::ONE,
        })
        .await;
        shop.edit("Concert, second row").await;
        shop
    }

    async fn execute(&self, command: TicketCommand) {
        self.client.execute::<Ticket>(&self.ticket, command, &cause()).await.unwrap();
        caught_up(&self.client, &self.pool).await;
    }

    async fn edit(&self, title: &str) {
        let price = Money { minor: 2_100, currency: Currency::USD };
        let title = Title::parse(title).unwrap();
        self.execute(TicketCommand::Edit { by: SELLER, title, price }).await;
    }

    async fn sql(&self, statement: String) {
        let done = sqlx::query(AssertSqlSafe(statement)).execute(&self.pool).await.unwrap();
        assert!(done.rows_affected() > 0);
    }

    async fn verify(&self, name: &str) -> Verified {
        let names = [name.to_owned()];
        verify(&self.client, &self.pool, &names, &mut |_| {}).await.unwrap().remove(0)
    }

    fn stream(&self) -> String {
        format!("ticket-{}", self.ticket)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_skipped_is_named_and_its_aggregate_made_anew() {
    let shop = Shop::open(21).await;
    let ticket = shop.ticket;
    shop.sql(format!("CREATE TABLE old AS SELECT title FROM read.tickets WHERE id = '{ticket}'"))
        .await;
    let row = format!(
        "SELECT title, version, changed_commit, changed_prepare FROM read.tickets WHERE id = '{ticket}'"
    );
    shop.sql(format!("CREATE TABLE before_edit AS {row}")).await;
    shop.edit("Concert, first row").await;
    shop.edit("Concert, balcony").await;
    assert_verified(&shop.client, &shop.pool).await;
    shop.sql(format!(
        "UPDATE tickets_v3.tickets SET (title, version, changed_commit, changed_prepare) = \
         (SELECT * FROM before_edit) WHERE id = '{ticket}'"
    ))
    .await;

    let found = shop.verify("tickets").await;
    assert!(!found.comparison.same());
    let first = found.first.unwrap();
    assert_eq!(first.stream, shop.stream());
    let event = first.event.unwrap();
    assert!(event.missing && event.revision == Revision(2), "{event:?}");
    assert_eq!(event.event_type, "TicketEdited.v1");

    let tickets = ["tickets".to_owned()];
    let repaired = repair(&shop.client, &shop.pool, &tickets, &shop.stream()).await.unwrap();
    assert_eq!(repaired[0].events, 4);
    assert_verified(&shop.client, &shop.pool).await;
    shop.edit("Concert, again").await;
    assert_verified(&shop.client, &shop.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nothing_explains_are_found_in_every_table() {
    let shop = Shop::open(22).await;
    let stream = shop.stream();
    shop.sql(format!("UPDATE tickets_v3.tickets SET reserved = 7 WHERE id = '{}'", shop.ticket))
        .await;
    shop.sql(format!(
        "DELETE FROM timeline_v1.timeline WHERE stream = '{stream}' AND revision = 1"
    ))
    .await;
    shop.sql("UPDATE sales_by_day_v1.sales_by_day SET gross_minor = gross_minor + 1".to_owned())
        .await;
    let nobody = Uuid::from_u128(1);
    shop.sql(format!(
        "INSERT INTO accounts_v1.account_sessions VALUES ('{nobody}', '{nobody}', now())"
    ))
    .await;

    let tickets = shop.verify("tickets").await;
    let [difference] = &tickets.comparison.differences[..] else { panic!("{tickets:?}") };
    assert_eq!(difference.found.as_ref().unwrap()["reserved"], 7);
    assert_eq!(difference.expected.as_ref().unwrap()["reserved"], 0);
    let off = tickets.first.unwrap().event.unwrap();
    assert!(!off.missing && off.revision == Revision(1), "{off:?}");

    let timeline = shop.verify("timeline").await.first.unwrap();
    let off = timeline.event.unwrap();
    assert!(timeline.stream == stream && off.missing && off.revision == Revision(1), "{off:?}");

    let sales = shop.verify("sales_by_day").await;
    assert!(!sales.comparison.same() && sales.first.is_none(), "{sales:?}");
    let by_aggregate =
        repair(&shop.client, &shop.pool, &["sales_by_day".to_owned()], &stream).await;
    assert!(matches!(by_aggregate, Err(Error::NotByAggregate("sales_by_day"))));

    let accounts = shop.verify("accounts").await;
    assert_eq!(accounts.first.unwrap().stream, format!("account-{nobody}"));
    assert!(shop.verify("orders").await.comparison.same(), "what is well is not blamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sees_one_moment_while_everything_goes_on() {
    let shop = Shop::open(23).await;
    let mut market = Market::new(&shop.client, 24);
    let checks = async {
        for _ in 0..3 {
            assert_verified(&shop.client, &shop.pool).await;
        }
    };
    tokio::join!(checks, market.bustle(150));
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'scratch%'")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!(left, 0, "it leaves nothing behind");
}
