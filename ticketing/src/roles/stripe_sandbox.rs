//! `ticketing stripe-sandbox`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use stripe_sandbox::{Options, Sandbox, Webhook};

use crate::config;
use crate::shutdown;

/// What `--help` teaches beside the settings.
const LONG_HELP: &str = "\
Test cards, as `tok_…` or `pm_card_…`:
  visa, mastercard, amex, …         pay
  chargeDeclined, chargeDeclinedInsufficientFunds, …LostCard, …ExpiredCard, …  are declined
  threeDSecure2Required             the bank asks; press \"Bank approves\" on the page
  delayed, delayedDeclined          the bank takes two seconds to answer
  pendingRefund, refundFail         refunds that take time, or fail afterwards
  createDispute                     the buyer complains at once

Being somebody else than the shop:
  POST   /sandbox/payments/{id}/approve|refuse    the bank that was asked
  POST   /sandbox/payments/{id}/refund            in the dashboard; amount=… for a part
  POST   /sandbox/payments/{id}/dispute|win|lose  the buyer, then the bank; reason=…, amount=…
  POST   /sandbox/events/{id}/send                send a webhook again
  GET    /sandbox/payments                        everything, as JSON

Trouble on demand:
  POST   /sandbox/faults   {\"next\": 3, \"kind\": \"lost_answer\", \"on\": \"confirm\"}
                           {\"percent\": 5, \"kind\": \"slow_ms\", \"ms\": 800}
         kinds: lost_answer, error_500, error_500_after (done, and answered 500), rate_limit, slow_ms
         on:    create, confirm, cancel, refund, retrieve, search, list; all calls when absent
  GET    /sandbox/faults   what waits, and how many calls and webhooks were hit
  DELETE /sandbox/faults   no more trouble
  PUT    /sandbox/webhook  {\"to\": {\"url\": …, \"secret\": …}, \"duplicate_percent\": 10,
                            \"hold_back_ms\": 2000, \"lose_percent\": 1}";

#[derive(Args, Debug)]
#[command(after_long_help = LONG_HELP)]
pub(crate) struct Settings {
    /// The address to serve at.
    #[arg(
        long,
        env = "TICKETING_STRIPE_SANDBOX_LISTEN",
        default_value = "127.0.0.1:12111",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// Keep the payments in this directory over restarts; without it, in memory only.
    #[arg(long, value_name = "DIRECTORY")]
    journal: Option<PathBuf>,
    /// Send events to this address, as in http://127.0.0.1:8080/webhooks/stripe.
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    webhook_url: Option<String>,
    /// Sign what is sent with this, as the shop expects it; with the first of several.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    webhook_secret: Option<String>,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = config::listen(settings.listen).await?;
    let webhook = settings
        .webhook_url
        .zip(settings.webhook_secret.as_deref().and_then(|secrets| secrets.split(',').next()))
        .map(|(url, secret)| Webhook { url, secret: secret.trim().to_owned() });
    let sandbox = Sandbox::open(Options { journal: settings.journal, webhook })?;
    let address = listener.local_addr()?;
    println!("stripe-sandbox: http://{address} (payments to look at there)");
    println!("use it with STRIPE_SECRET_KEY=sk_test_sandbox STRIPE_API_BASE=http://{address}");
    sandbox.serve(listener, shutdown.cancelled_owned()).await?;
    Ok(())
}
