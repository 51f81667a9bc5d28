//! How many requests one address and one account may make. Every process counts for itself.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use domain::id::{AccountId, EmailClaimId};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::problem::ApiError;

/// Whoever has been quiet for so long has all of every limit back.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// How many addresses or accounts are remembered at once, each in about 200 bytes; beyond that the
/// ones that have been quiet for longest are forgotten.
const REMEMBERED_MAX: u64 = 50_000;

const POLICY_HEADER: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT_HEADER: HeaderName = HeaderName::from_static("ratelimit");

/// A limit: so many at once, and each comes back after a while.
#[derive(Clone, Copy, Debug)]
struct Policy {
    name: &'static str,
    burst: NonZeroU32,
    one_per: Duration,
}

/// Many people may share an address.
const ADDRESS: Policy = policy("address", 2_000, Duration::from_millis(1));
const ACCOUNT: Policy = policy("account", 1_000, Duration::from_millis(2));
/// Attempts to show a password, whoever's.
const PASSWORDS_OF_ADDRESS: Policy =
    policy("passwords-by-address", 120, Duration::from_millis(500));
/// Attempts to show the password of one account, from wherever.
const PASSWORDS_OF_ACCOUNT: Policy = policy("passwords-of-account", 10, Duration::from_secs(6));

/// What all requests of this process are counted by.
pub(crate) struct Limits {
    addresses: Counted<IpAddr>,
    accounts: Counted<AccountId>,
    passwords_by_address: Counted<IpAddr>,
    passwords_of_account: Counted<EmailClaimId>,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            addresses: Counted::new(ADDRESS),
            accounts: Counted::new(ACCOUNT),
            passwords_by_address: Counted::new(PASSWORDS_OF_ADDRESS),
            passwords_of_account: Counted::new(PASSWORDS_OF_ACCOUNT),
        }
    }

    /// Counts one request of an address and, if it says so rightly, of an account. What is left
    /// of each limit comes back, for the answer.
    pub(crate) fn request(
        &self,
        address: Option<IpAddr>,
        account: Option<AccountId>,
    ) -> (Vec<Left>, Result<(), ApiError>) {
        let by_address = address.map(|address| self.addresses.count(block(address)));
        let by_account = account.map(|account| self.accounts.count(account));
        let mut left = Vec::new();
        let mut outcome = Ok(());
        for (counted, refused) in by_address.into_iter().chain(by_account) {
            left.push(counted);
            outcome = outcome.and(refused);
        }
        (left, outcome)
    }

    /// Counts one attempt to show the password of an account.
    pub(crate) fn password(
        &self,
        address: Option<IpAddr>,
        account: &EmailClaimId,
    ) -> Result<(), ApiError> {
        if let Some(address) = address {
            self.passwords_by_address.count(block(address)).1?;
        }
        self.passwords_of_account.count(account.clone()).1
    }
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    name: &'static str,
    of: u32,
    within_seconds: u64,
    left: u32,
}

/// Writes `RateLimit-Policy` and `RateLimit`.
pub(crate) fn tell(response: &mut Response, left: &[Left]) {
    let list = |write: fn(&Left) -> String| left.iter().map(write).collect::<Vec<_>>().join(", ");
    let policy = list(|Left { name, of, within_seconds, .. }| {
        format!("\"{name}\";q={of};w={within_seconds}")
    });
    let left = list(|Left { name, left, .. }| format!("\"{name}\";r={left}"));
    for (header, text) in [(POLICY_HEADER, policy), (LEFT_HEADER, left)] {
        if let Ok(value) = HeaderValue::from_str(&text)
            && !text.is_empty()
        {
            response.headers_mut().insert(header, value);
        }
    }
}

/// The address that a request came from: the connection's or, behind `proxies` of ours, the one
/// that the outermost of them has seen. What stands further left may be made up by the client.
pub(crate) fn client(
    connection: Option<IpAddr>,
    headers: &HeaderMap,
    proxies: u8,
) -> Option<IpAddr> {
    if proxies == 0 {
        return connection;
    }
    let passed = headers.get_all("x-forwarded-for").into_iter();
    let passed: Vec<_> =
        passed.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
    let seen = passed.len().checked_sub(usize::from(proxies)).and_then(|at| passed.get(at));
    seen.and_then(|text| text.trim().parse().ok()).or(connection)
}

/// Whoever has one IPv6 address has a whole block of them.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// One limit, kept for everybody apart.
struct Counted<K> {
    policy: Policy,
    buckets: Cache<K, Arc<Bucket>>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Send + Sync + 'static> Counted<K> {
    fn new(policy: Policy) -> Self {
        // There from the start: a counter that begins with 1 has not risen for who watches it.
        metrics::counter!("http_requests_limited_total", "limit" => policy.name).increment(0);
        // Least recently used: a newcomer is always remembered, or he would never be limited.
        let buckets = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(FORGOTTEN_AFTER)
            .build();
        Self { policy, buckets, clock: DefaultClock::default() }
    }

    fn count(&self, who: K) -> (Left, Result<(), ApiError>) {
        let Policy { name, burst, .. } = self.policy;
        let bucket = self.buckets.get_with(who, || Arc::new(self.policy.bucket()));
        let (left, outcome) = match bucket.check() {
            Ok(state) => (state.remaining_burst_capacity(), Ok(())),
            Err(until) => {
                metrics::counter!("http_requests_limited_total", "limit" => name).increment(1);
                let wait = until.wait_time_from(self.clock.now());
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
                (0, Err(ApiError::too_many_requests(seconds.saturating_add(1))))
            }
        };
        let within_seconds = self.policy.window().as_secs();
        (Left { name, of: burst.get(), within_seconds, left }, outcome)
    }
}

impl Policy {
    /// How long it takes until all of it is back.
    fn window(&self) -> Duration {
        self.one_per.saturating_mul(self.burst.get())
    }

    fn bucket(&self) -> Bucket {
        // Only a period of no time at all is none.
        let quota = Quota::with_period(self.one_per).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        RateLimiter::direct(quota.allow_burst(self.burst)).with_middleware()
    }
}

const fn policy(name: &'static str, burst: u32, one_per: Duration) -> Policy {
    let burst = match NonZeroU32::new(burst) {
        Some(burst) => burst,
        None => NonZeroU32::MIN,
    };
    Policy { name, burst, one_per }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_limit_of_his_own_and_is_told_what_is_left() {
        let counted = Counted::new(policy("test", 2, Duration::from_secs(60)));
        let left = |who| counted.count(who);
        assert_eq!(left(1).0.left, 1);
        assert!(left(1).1.is_ok());
        let (state, outcome) = left(1);
        assert_eq!((state.left, state.of, state.within_seconds), (0, 2, 120));
        assert_eq!(outcome.unwrap_err().status().as_u16(), 429);
        assert!(left(2).1.is_ok());
    }

    #[test]
    fn only_what_our_own_proxies_have_seen_counts() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("6.6.6.6, 1.2.3.4, 10.0.0.1");
        headers.insert("x-forwarded-for", value);
        let connection = Some(ip("127.0.0.1"));
        assert_eq!(client(connection, &headers, 0), connection);
        assert_eq!(client(connection, &headers, 1), Some(ip("10.0.0.1")));
        assert_eq!(client(connection, &headers, 2), Some(ip("1.2.3.4")));
        assert_eq!(client(connection, &headers, 9), connection);
        assert_eq!(client(connection, &HeaderMap::new(), 1), connection);
    }

    #[test]
    fn the_addresses_of_one_block_are_one() {
        let ip = |text: &str| block(text.parse().unwrap());
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:1"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_ne!(ip("10.0.0.1"), ip("10.0.0.2"));
        assert_eq!(ip("::ffff:10.0.0.1"), ip("10.0.0.1"));
    }
}
