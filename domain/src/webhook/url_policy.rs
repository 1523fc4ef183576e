//! Where a webhook may be sent: to the public internet, never into our own network.

use std::net::IpAddr;
use std::sync::LazyLock;

use serde::Deserialize;
use url::{Host, Url};

use crate::address_range::AddressRange;

/// Longest URL, in characters.
pub const URL_LENGTH_MAX: usize = 2_000;

/// Of IPv6 only this is the public internet: not loopback, link-local, unique local, multicast, NAT64.
const GLOBAL_UNICAST: &str = "2000::/3";
/// This host, private, shared (carrier-grade NAT), loopback, link-local with the metadata of clouds, protocol
/// assignments, documentation, 6to4 relays, benchmarks, multicast, reserved and broadcast; then what IPv6 has of
/// these within its global unicast: protocol assignments with Teredo, documentation, 6to4, which leads to any
/// address of IPv4.
const NOT_PUBLIC: [&str; 19] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
];

/// `[webhooks]` of the settings file. The default is the strictest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UrlPolicy {
    /// Whether `http` is allowed too.
    pub allow_insecure: bool,
    /// Networks that are allowed although they are not public.
    pub allow_networks: Vec<AddressRange>,
}

/// Why nothing is sent there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// No URL with a host, or too long.
    #[error("an absolute URL of at most 2000 characters")]
    Malformed,
    /// Neither `https` nor what the settings allow.
    #[error("the scheme is to be https")]
    Scheme,
    /// A user or a password in it.
    #[error("no user and no password in the URL: deliveries are signed instead")]
    Credentials,
    /// A port of other services.
    #[error("the port is to be 443, or 1024 and above")]
    Port,
    /// An address that is not of the public internet.
    #[error("the address {0} is not allowed: it is not of the public internet")]
    Address(IpAddr),
}

impl UrlPolicy {
    /// The URL as it is asked, when everything that it says by itself is allowed. A name in it is still to be
    /// resolved, and each of its addresses to be checked.
    pub fn check(&self, text: &str) -> Result<Url, UrlRefusal> {
        if text.chars().count() > URL_LENGTH_MAX {
            return Err(UrlRefusal::Malformed);
        }
        let url = Url::parse(text).map_err(|_| UrlRefusal::Malformed)?;
        let is_plain = url.scheme() == "http" && self.allow_insecure;
        if url.scheme() != "https" && !is_plain {
            return Err(UrlRefusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefusal::Credentials);
        }
        match url.port_or_known_default() {
            Some(443 | 1024..) => {}
            Some(80) if is_plain => {}
            _ => return Err(UrlRefusal::Port),
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into())?,
            Some(Host::Ipv6(address)) => self.check_address(address.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err(UrlRefusal::Malformed),
        }
        Ok(url)
    }

    /// Whether a connection to that address may be made.
    pub fn check_address(&self, address: IpAddr) -> Result<(), UrlRefusal> {
        let is_allowed = || self.allow_networks.iter().any(|network| network.contains(address));
        if is_public(address) || is_allowed() { Ok(()) } else { Err(UrlRefusal::Address(address)) }
    }
}

/// Whether an address is one of the public internet. One of IPv4 written as IPv6 is that of IPv4.
pub fn is_public(address: IpAddr) -> bool {
    static GLOBAL: LazyLock<AddressRange> = LazyLock::new(|| network(GLOBAL_UNICAST));
    static OTHERS: LazyLock<[AddressRange; NOT_PUBLIC.len()]> = LazyLock::new(|| NOT_PUBLIC.map(network));
    let address = address.to_canonical();
    (address.is_ipv4() || GLOBAL.contains(address)) && !OTHERS.iter().any(|network| network.contains(address))
}

fn network(text: &str) -> AddressRange {
    text.parse().expect("written as a network")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn strict(text: &str) -> Result<Url, UrlRefusal> {
        UrlPolicy::default().check(text)
    }

    fn refused_address(text: &str) -> bool {
        matches!(strict(text), Err(UrlRefusal::Address(_)))
    }

    proptest! {
        #[test]
        fn what_the_standard_library_knows_as_not_public_is_refused(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let is_special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!(is_special && is_public(address.into())));
        }

        #[test]
        fn an_address_is_the_same_in_any_writing(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(is_public(address.into()), is_public(address.to_ipv6_mapped().into()));
        }

        #[test]
        fn no_address_of_ipv6_leads_to_ipv4(bits: u32, rest: u64) {
            let (bits, rest) = (u128::from(bits), u128::from(rest));
            let nat64 = (0x64_ff9b << 96) | bits;
            let six_to_four = (0x2002 << 112) | (bits << 80) | rest;
            let teredo = (0x2001_0000 << 96) | (bits << 64) | rest;
            for address in [bits, nat64, six_to_four, teredo] {
                prop_assert!(!is_public(Ipv6Addr::from_bits(address).into()), "{address:x}");
            }
        }

        #[test]
        fn whatever_is_written_there_is_no_panic(text: String) {
            let _ = strict(&text);
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for text in
            ["8.8.8.8", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]
        {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn own_networks_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::]",
            "[100::1]",
        ] {
            assert!(refused_address(&format!("https://{host}/hook")), "{host}");
        }
    }

    #[test]
    fn a_url_is_of_the_web_and_holds_no_secret() {
        assert!(strict("https://example.com/hook?shop=1").is_ok());
        assert!(strict("https://example.com:8443/hook").is_ok());
        for (text, refusal) in [
            ("", UrlRefusal::Malformed),
            ("/hook", UrlRefusal::Malformed),
            ("https://", UrlRefusal::Malformed),
            ("http://example.com/", UrlRefusal::Scheme),
            ("ftp://example.com/", UrlRefusal::Scheme),
            ("file:///etc/passwd", UrlRefusal::Scheme),
            ("https://user@example.com/", UrlRefusal::Credentials),
            ("https://:secret@example.com/", UrlRefusal::Credentials),
            ("https://example.com:22/", UrlRefusal::Port),
            ("https://example.com:80/", UrlRefusal::Port),
        ] {
            assert_eq!(strict(text), Err(refusal), "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(URL_LENGTH_MAX));
        assert_eq!(strict(&long), Err(UrlRefusal::Malformed));
    }

    #[test]
    fn settings_open_a_network_and_plain_http() {
        let policy = UrlPolicy { allow_insecure: true, allow_networks: vec![network("127.0.0.0/8")] };
        assert!(policy.check("http://127.0.0.1:9000/hook").is_ok());
        assert!(policy.check("http://example.com/").is_ok());
        assert!(policy.check("http://[::ffff:127.0.0.1]:9000/").is_ok());
        assert_eq!(
            policy.check("http://10.0.0.1/"),
            Err(UrlRefusal::Address(Ipv4Addr::new(10, 0, 0, 1).into()))
        );
        assert_eq!(policy.check("http://example.com:25/"), Err(UrlRefusal::Port));
    }
}
