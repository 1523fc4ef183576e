//! How many requests one caller may send: a bucket each, refilled steadily (GCRA), by the class of caller.
//!
//! A caller is the account or the role of its token, otherwise the address it comes from: an IPv6 network of 64 bits
//! counts as one. The limits are those of one process. They can be raised by policy and never be switched off.
//! Answers carry `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web;
use domain::address_range::AddressRange;
use domain::ids::UserId;
use domain::permission::Role;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::app_state::AppState;
use crate::caller::Caller;
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::settings::{Allotment, RateLimitSettings};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// Only what is under it is counted: probes and documentation are not.
const COUNTED_PREFIX: &str = "/api/";
/// Callers that are told apart. While there are more, addresses share buckets.
const KEY_COUNT_MAX: usize = 100_000;
/// Most addresses of `X-Forwarded-For` that are looked at.
const FORWARDED_COUNT_MAX: usize = 16;

/// Why settings are no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "api.rate_limit.{0}: 1 to 1,000,000,000 requests in 1 to 86,400 seconds, at most one in a nanosecond"
)]
pub struct InvalidPolicy(&'static str);

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Account(UserId),
    Role(Role),
    Address(IpAddr),
    /// One of a fixed number of buckets that addresses share when there are too many of them.
    Crowd(u16),
}

/// The limits of every class.
#[derive(Debug)]
pub struct RateLimits<C: Clock = DefaultClock> {
    anonymous: Class<C>,
    shopper: Class<C>,
    staff: Class<C>,
    trusted_proxies: Vec<AddressRange>,
}

#[derive(Debug)]
struct Class<C: Clock> {
    name: &'static str,
    limiter: RateLimiter<Key, DashMapStateStore<Key>, C, StateInformationMiddleware>,
    clock: C,
    requests: NonZeroU32,
    /// Time after which one more request may be sent.
    period: Duration,
    policy: HeaderValue,
    is_crowded: AtomicBool,
    crowd: RandomState,
}

/// What a request is told of its caller's limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    class: &'static str,
    policy: HeaderValue,
    is_admitted: bool,
    /// Requests that may follow at once.
    remaining: u32,
    /// Until the bucket is full again; for a refused request, until it may be sent again.
    seconds: u64,
}

/// The verdict on a request, which counts it; `None` for what is not counted.
pub fn judge(request: &ServiceRequest) -> Option<Verdict> {
    if !request.path().starts_with(COUNTED_PREFIX) {
        return None;
    }
    let state = request.app_data::<web::Data<AppState>>()?;
    // Who sends a wrong token is nobody, and will be told so.
    let caller = state.tokens.caller(request.request()).ok().flatten();
    let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
    Some(state.rate_limits.judge(caller, peer, request.headers()))
}

impl RateLimits {
    /// The limits of those settings.
    pub fn new(settings: &RateLimitSettings) -> Result<Self, InvalidPolicy> {
        Self::with_clock(settings, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimits<C> {
    /// The limits of those settings, by that clock.
    pub fn with_clock(settings: &RateLimitSettings, clock: &C) -> Result<Self, InvalidPolicy> {
        Ok(Self {
            anonymous: Class::new("anonymous", settings.anonymous, clock.clone())?,
            shopper: Class::new("shopper", settings.shopper, clock.clone())?,
            staff: Class::new("staff", settings.staff, clock.clone())?,
            trusted_proxies: settings.trusted_proxies.clone(),
        })
    }

    /// The verdict on a request of that caller from that peer, which counts it.
    pub fn judge(&self, caller: Option<Caller>, peer: IpAddr, headers: &HeaderMap) -> Verdict {
        let Some(caller) = caller else {
            return self.anonymous.judge(Key::Address(self.address(peer, headers)));
        };
        let class = if caller.role == Role::Shopper { &self.shopper } else { &self.staff };
        class.judge(caller.user_id.map_or(Key::Role(caller.role), Key::Account))
    }

    /// Forgets callers whose buckets are full again.
    pub fn sweep(&self) {
        for class in [&self.anonymous, &self.shopper, &self.staff] {
            class.limiter.retain_recent();
            class.limiter.shrink_to_fit();
            let count = class.limiter.len();
            class.is_crowded.store(count > KEY_COUNT_MAX, Ordering::Relaxed);
            metrics::gauge!("rate_limit_callers", "class" => class.name)
                .set(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Where a request comes from. What a client says of itself counts only when a proxy that is trusted passes it
    /// on: the last address that is none of a trusted proxy.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return network(peer);
        }
        let texts = headers.get_all(header::X_FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let addresses: Vec<_> = texts.flat_map(|text| text.split(',')).map(str::trim).collect();
        let mut nearest = peer;
        for text in addresses.into_iter().rev().take(FORWARDED_COUNT_MAX) {
            let Some(address) = forwarded_address(text) else { break };
            nearest = address;
            if !self.trusts(address) {
                break;
            }
        }
        network(nearest)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|proxies| proxies.contains(address))
    }
}

/// Some proxies write `address:port`, and IPv6 in brackets.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// Who has an IPv6 address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

impl<C: Clock + Clone> Class<C> {
    fn new(name: &'static str, allotment: Allotment, clock: C) -> Result<Self, InvalidPolicy> {
        let Allotment { requests, window_seconds } = allotment;
        let is_sane = (1..=1_000_000_000).contains(&requests) && (1..=86_400).contains(&window_seconds);
        let requests = NonZeroU32::new(requests).filter(|_| is_sane).ok_or(InvalidPolicy(name))?;
        let period = Duration::from_secs(window_seconds.into()) / requests.get();
        let quota = Quota::with_period(period).ok_or(InvalidPolicy(name))?.allow_burst(requests);
        let policy = format!("\"{name}\";q={requests};w={window_seconds}");
        Ok(Self {
            name,
            limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware(),
            clock,
            requests,
            period,
            policy: HeaderValue::try_from(policy).expect("plain ASCII"),
            is_crowded: AtomicBool::new(false),
            crowd: RandomState::new(),
        })
    }

    fn judge(&self, key: Key) -> Verdict {
        let key = if self.is_crowded.load(Ordering::Relaxed) { self.crowded(key) } else { key };
        let (is_admitted, remaining, wait) = match self.limiter.check_key(&key) {
            Ok(bucket) => {
                let remaining = bucket.remaining_burst_capacity();
                (true, remaining, self.period * self.requests.get().saturating_sub(remaining))
            }
            Err(refused) => {
                metrics::counter!("rate_limited_total", "class" => self.name).increment(1);
                (false, 0, refused.wait_time_from(self.clock.now()))
            }
        };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Verdict { class: self.name, policy: self.policy.clone(), is_admitted, remaining, seconds }
    }

    fn crowded(&self, key: Key) -> Key {
        match key {
            Key::Address(address) => {
                let [low, high, ..] = self.crowd.hash_one(address).to_le_bytes();
                Key::Crowd(u16::from_le_bytes([low, high]))
            }
            key => key,
        }
    }
}

impl Verdict {
    /// The answer to a request that is not admitted.
    pub fn problem(&self) -> Option<Problem> {
        (!self.is_admitted).then(|| {
            let seconds = self.seconds.max(1);
            Problem::new(ErrorCode::RateLimited, format!("try again in {seconds} s"))
                .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
        })
    }

    /// Tells the policy and what is left of it.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        let state = format!("\"{}\";r={};t={}", self.class, self.remaining, self.seconds);
        headers.insert(POLICY, self.policy.clone());
        headers
            .insert(STATE, HeaderValue::from_maybe_shared(bytes::Bytes::from(state)).expect("plain ASCII"));
    }
}

#[cfg(test)]
mod tests;
