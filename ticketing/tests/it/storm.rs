//! Hundreds of buyers, a provider that fails in every way it can and whose webhooks come twice, in
//! disorder or never, refunds behind our back, disputes, and a program that is killed again and again:
//! in the end, for every order, the units, the money at the provider, the order and the ledger agree,
//! and nobody who paid in time was refused on the way. A storm in which too little of that happened
//! proves nothing, and says so.
//!
//! `STORM_SECONDS`, `STORM_BUYERS` and `STORM_SEED` change it; a night may have an hour of it. What
//! it says is shown with `cargo nextest run -p ticketing storm --no-capture`.

mod proof;

use std::path::Path;
use std::process::{Output, Stdio};
use std::str::FromStr;
use std::time::Duration;

use local_services::testing::TestFolder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::program::{Program, free_address, orders, ticketing};

const SECONDS_DEFAULT: u64 = 60;
const BUYERS_DEFAULT: u32 = 200;
/// Shorter than some buyers take to answer their bank, and long enough to pay.
const HOLD_SECONDS: u64 = 6;
const TICKETS_PER_BUYER: u32 = 2;
/// Orders that come in between one kill and the next, at most.
const ORDERS_BETWEEN_MAX: i64 = 40;
/// So often it is killed, on the average, and no more, so that something is bought as well.
const SECONDS_PER_KILL: u64 = 5;
/// It lives so much longer each time, up to a while: a payment whose bank is slow has to be answered
/// at last, and who had no answer for a minute and a half gives up.
const LIVES_LONGER: Duration = Duration::from_secs(2);
const LIVES_MAX: Duration = Duration::from_secs(40);
/// A storm in which too little happened is followed by a slower one.
const TRIES_MAX: u32 = 2;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the demo may take to sign everybody up, and to settle when the buying is over.
const AROUND: Duration = Duration::from_secs(180);

/// One of a hundred calls and more is hit by each.
const FAULTS: [(&str, &str, u8); 13] = [
    ("create", "lost_answer", 4),
    ("create", "error_500_after", 3),
    ("create", "error_500", 4),
    ("confirm", "lost_answer", 8),
    ("confirm", "error_500_after", 5),
    ("confirm", "error_500", 5),
    ("confirm", "rate_limit", 5),
    ("cancel", "lost_answer", 8),
    ("cancel", "error_500", 8),
    ("retrieve", "error_500", 5),
    ("refund", "lost_answer", 20),
    ("refund", "error_500", 20),
    ("list", "error_500", 5),
];
const WEBHOOK_SECRET: &str = "whsec_storm";
const SLOW_PERCENT: u8 = 10;
const SLOW_MS: u64 = 400;

struct Storm {
    seed: u64,
    seconds: u64,
    buyers: u32,
    /// How long an order is held.
    hold_seconds: u64,
}

struct Aftermath {
    said: String,
    success: bool,
}

impl Storm {
    fn new() -> Self {
        Self {
            seed: setting("STORM_SEED").unwrap_or_else(|| rand::rng().random()),
            seconds: setting("STORM_SECONDS").unwrap_or(SECONDS_DEFAULT),
            buyers: setting("STORM_BUYERS").unwrap_or(BUYERS_DEFAULT),
            hold_seconds: HOLD_SECONDS,
        }
    }

    /// For a machine that has so much else to do that hardly anybody pays in time.
    fn slower(self) -> Self {
        Self { seconds: 2 * self.seconds, hold_seconds: 3 * self.hold_seconds, ..self }
    }

    /// Over a shop with this mistake, if any.
    async fn rage(&self, mutant: Option<&str>) -> Aftermath {
        let data = TestFolder::new();
        let (listen, provider) = (free_address(), free_address());
        let journal = data.path().join("provider");
        let mut sandbox = ticketing(["stripe-sandbox", "--listen", &provider, "--journal"]);
        sandbox.arg(&journal).arg("--webhook-url").arg(format!("http://{listen}/webhooks/stripe"));
        sandbox.env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET);
        let mut sandbox = Program::start(sandbox);
        sandbox.wait_for("stripe-sandbox: http").await;
        let provider = format!("http://{provider}");
        trouble(&provider, &listen).await;

        let up = || {
            let mut command = ticketing(["up", "--metrics", "127.0.0.1:0", "--listen", &listen]);
            command.arg("--data").arg(data.path());
            command.env("STRIPE_SECRET_KEY", "sk_test_storm").env("STRIPE_API_BASE", &provider);
            command.env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET).env("STRIPE_POLL_SECONDS", "3");
            command.env("TICKETING_LIMITS", "off").env("RUST_LOG", "info,fjall=warn,lsm_tree=warn");
            if let Some(mutant) = mutant {
                command.env("TICKETING_MUTANT", mutant);
            }
            command
        };
        let mut shop = Program::up(up()).await;
        let mut demo = tokio::spawn(self.demo(data.path(), &provider));
        let mut dice = StdRng::seed_from_u64(self.seed);
        let mut kills: u32 = 0;
        let output = loop {
            let more = dice.random_range(1..=ORDERS_BETWEEN_MAX);
            tokio::select! {
                output = &mut demo => break output.unwrap(),
                () = life(data.path(), more, kills) => {}
            }
            if u64::from(kills) > self.seconds / SECONDS_PER_KILL {
                break demo.await.unwrap();
            }
            shop.kill().await;
            kills += 1;
            shop = Program::up(up()).await;
        };
        shop.signal(Signal::SIGTERM);
        shop.ended().await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = format!("{said}  {:<38} {kills:>10}\n", "times the shop was killed");
        let went_wrong = String::from_utf8_lossy(&output.stderr);
        let said = format!("{said}{went_wrong}{}", shop.output());
        Aftermath { said, success: output.status.success() }
    }

    fn demo(&self, data: &Path, provider: &str) -> impl Future<Output = Output> + use<> {
        let (buyers, seconds) = (self.buyers.to_string(), self.seconds.to_string());
        let (seed, tickets) =
            (self.seed.to_string(), (self.buyers * TICKETS_PER_BUYER).to_string());
        let mut command = ticketing(["demo", "--buyers", &buyers, "--seconds", &seconds]);
        command.args(["--seed", &seed, "--tickets", &tickets, "--sandbox", provider]);
        command.args(["--hold-seconds", &self.hold_seconds.to_string()]);
        command.arg("--data").arg(data);
        let limit = AROUND + Duration::from_secs(self.seconds);
        async move { ended(command, limit).await }
    }
}

/// What it said until it ended, or was ended because it took too long.
async fn ended(mut command: Command, limit: Duration) -> Output {
    let child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the demo starts");
    let pid = child.id();
    let watch = async {
        tokio::time::sleep(limit).await;
        if let Some(pid) = pid.and_then(|pid| pid.try_into().ok()) {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::future::pending::<Output>().await
    };
    tokio::select! {
        output = child.wait_with_output() => output.expect("the demo ran"),
        never = watch => never,
    }
}

/// Has the provider fail from now on.
async fn trouble(provider: &str, shop: &str) {
    let client = reqwest::Client::new();
    let inject = async |fault: Value| {
        let answer = client.post(format!("{provider}/sandbox/faults")).json(&fault).send().await;
        assert!(answer.unwrap().status().is_success(), "{fault}");
    };
    for (on, kind, percent) in FAULTS {
        inject(json!({ "on": on, "kind": kind, "percent": percent })).await;
    }
    inject(json!({ "kind": "slow_ms", "ms": SLOW_MS, "percent": SLOW_PERCENT })).await;
    let webhooks = json!({
        "to": { "url": format!("http://{shop}/webhooks/stripe"), "secret": WEBHOOK_SECRET },
        "duplicate_percent": 20, "hold_back_ms": 2000, "lose_percent": 20,
    });
    let answer = client.put(format!("{provider}/sandbox/webhook")).json(&webhooks).send().await;
    assert!(answer.unwrap().status().is_success(), "webhooks go wrong");
}

/// Until so many more orders are seen, and it has lived as long as it should by now.
async fn life(data: &Path, more: i64, kills: u32) {
    tokio::join!(
        orders_come(data, more),
        tokio::time::sleep(LIVES_LONGER.saturating_mul(kills).min(LIVES_MAX)),
    );
}

/// Waits until so many more orders are seen.
async fn orders_come(data: &Path, more: i64) {
    let mut first = None;
    loop {
        if let Some(seen) = orders(data).await {
            let first = *first.get_or_insert(seen);
            if seen >= first + more {
                return;
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[allow(clippy::disallowed_methods, reason = "whoever runs the tests says how long it storms")]
fn setting<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_leaves_units_money_orders_and_ledger_in_agreement() {
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (mut storm, mut tries) = (Storm::new(), 1);
    loop {
        let Aftermath { said, success } = storm.rage(None).await;
        println!("{said}");
        assert!(success && said.contains("everything agrees"), "{said}");
        let lacks = proof::lacks(&said);
        if lacks.is_empty() {
            return;
        }
        let lacks = lacks.join("; ");
        println!("this storm proved nothing: {lacks}");
        assert!(tries < TRIES_MAX, "this storm proved nothing: {lacks}\n{said}");
        (storm, tries) = (storm.slower(), tries + 1);
    }
}

/// Each mistake shows. By hand, as each takes a build with the mistakes in it and a storm:
/// `cargo nextest run -p ticketing --features mutants storm --run-ignored only --no-capture`.
#[cfg(feature = "mutants")]
mod mutants {
    use super::{Aftermath, Storm};

    async fn shows(mutant: &str) {
        let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let Aftermath { said, success } = Storm::new().rage(Some(mutant)).await;
        println!("{mutant}: {said}");
        assert!(!success && said.contains("DISAGREES"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn a_result_recorded_first_shows() {
        shows("ResultFirst").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn a_random_key_shows() {
        shows("RandomKey").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn a_release_without_asking_the_provider_shows() {
        shows("ReleaseUnasked").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "takes a storm"]
    async fn an_expiry_that_ignores_an_undecided_payment_shows() {
        shows("ExpireUndecided").await;
    }
}
