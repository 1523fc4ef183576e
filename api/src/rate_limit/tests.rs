use actix_web::ResponseError;
use governor::clock::FakeRelativeClock;
use uuid::Uuid;

use super::*;

fn allotment(requests: u32) -> Allotment {
    Allotment { requests, window_seconds: 60 }
}

fn limits(anonymous: u32) -> (RateLimits<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let settings = RateLimitSettings {
        anonymous: allotment(anonymous),
        shopper: allotment(20),
        staff: allotment(30),
        trusted_proxies: ["10.0.0.1", "172.16.0.0/12"].map(|text| text.parse().expect("a range")).to_vec(),
    };
    (RateLimits::with_clock(&settings, &clock).expect("a policy"), clock)
}

fn peer(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn header_of(verdict: &Verdict, name: HeaderName) -> String {
    let mut headers = HeaderMap::new();
    verdict.add_headers(&mut headers);
    headers.get(name).expect("a header").to_str().expect("text").to_owned()
}

#[test]
fn a_bucket_empties_and_is_refilled_with_time() {
    let (limits, clock) = limits(6);
    let ask = || limits.judge(None, peer("192.0.2.1"), &HeaderMap::new());
    let first = ask();
    assert_eq!(header_of(&first, POLICY), "\"anonymous\";q=6;w=60");
    assert_eq!(header_of(&first, STATE), "\"anonymous\";r=5;t=10");
    assert!((0..5).all(|_| ask().is_admitted));
    let refused = ask();
    assert!(!refused.is_admitted);
    assert_eq!(header_of(&refused, STATE), "\"anonymous\";r=0;t=10");
    let answer = refused.problem().expect("a problem").error_response();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers().get(header::RETRY_AFTER).expect("a header"), "10");

    clock.advance(Duration::from_secs(9));
    assert_eq!(ask().problem().expect("too soon").code(), ErrorCode::RateLimited);
    clock.advance(Duration::from_secs(1));
    assert!(ask().is_admitted && !ask().is_admitted, "one request in 10 s");
    clock.advance(Duration::from_secs(60));
    assert_eq!(ask().remaining, 5, "a minute fills it");
}

#[test]
fn callers_do_not_share_a_bucket() {
    let (limits, _) = limits(1);
    let none = HeaderMap::new();
    let ask = |caller, from| limits.judge(caller, peer(from), &none).is_admitted;
    assert!(ask(None, "192.0.2.1") && !ask(None, "192.0.2.1") && ask(None, "192.0.2.2"));
    assert!(ask(None, "2001:db8::1") && !ask(None, "2001:db8::ffff") && ask(None, "2001:db8:0:1::1"));
    assert!(!ask(None, "::ffff:192.0.2.1"), "the same address, written in another way");

    let staff = Caller { role: Role::Vendor, user_id: None };
    assert_eq!(limits.judge(Some(staff), peer("192.0.2.1"), &none).remaining, 29);
    let shopper = |id| Caller { role: Role::Shopper, user_id: Some(UserId(Uuid::from_u128(id))) };
    assert_eq!(limits.judge(Some(shopper(1)), peer("192.0.2.1"), &none).remaining, 19);
    assert_eq!(
        limits.judge(Some(shopper(1)), peer("192.0.2.9"), &none).remaining,
        18,
        "wherever it comes from"
    );
    assert_eq!(limits.judge(Some(shopper(2)), peer("192.0.2.1"), &none).remaining, 19);
}

#[test]
fn only_a_trusted_proxy_is_believed() {
    let (limits, _) = limits(1);
    let address = |from: &str, forwarded: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::X_FORWARDED_FOR, HeaderValue::from_str(forwarded).expect("a value"));
        limits.address(peer(from), &headers).to_string()
    };
    assert_eq!(address("192.0.2.1", "198.51.100.7"), "192.0.2.1");
    assert_eq!(address("10.0.0.1", "198.51.100.7"), "198.51.100.7");
    assert_eq!(address("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.1"), "198.51.100.7");
    assert_eq!(address("10.0.0.1", "203.0.113.9, nonsense"), "10.0.0.1");
    assert_eq!(address("172.20.0.3", "203.0.113.9, 198.51.100.7, 172.31.0.1"), "198.51.100.7");
    assert_eq!(address("172.32.0.3", "198.51.100.7"), "172.32.0.3");
    assert_eq!(address("10.0.0.1", "203.0.113.9, 198.51.100.7:4711, 10.0.0.1:80"), "198.51.100.7");
    assert_eq!(address("10.0.0.1", "[2001:db8::1]:4711"), "2001:db8::");
    assert_eq!(address("10.0.0.1", "[2001:db8::1]"), "2001:db8::");
}

#[test]
fn who_is_quiet_is_forgotten_and_a_crowd_has_a_bound() {
    let (limits, clock) = limits(1);
    let none = HeaderMap::new();
    let many = u32::try_from(KEY_COUNT_MAX).expect("fits") + 1;
    for number in 0..many {
        assert!(limits.judge(None, IpAddr::V4(number.into()), &none).is_admitted);
    }
    limits.sweep();
    for number in many..many + 200_000 {
        limits.judge(None, IpAddr::V4(number.into()), &none);
    }
    let bound = KEY_COUNT_MAX + 1 + usize::from(u16::MAX) + 1;
    assert!(limits.anonymous.limiter.len() <= bound, "{}", limits.anonymous.limiter.len());
    // A bucket is forgotten when it has been full for as long as one request takes.
    clock.advance(Duration::from_secs(121));
    limits.sweep();
    assert_eq!(limits.anonymous.limiter.len(), 0);
    assert!(limits.judge(None, IpAddr::V4(0.into()), &none).is_admitted);
}

#[test]
fn a_policy_is_never_none() {
    for (requests, window_seconds) in [(0, 60), (1, 0), (2_000_000_000, 1), (1, 100_000)] {
        let settings = RateLimitSettings {
            staff: Allotment { requests, window_seconds },
            ..RateLimitSettings::default()
        };
        assert_eq!(RateLimits::new(&settings).expect_err("refused"), InvalidPolicy("staff"));
    }
}
