//! Addresses that are one network, such as `10.0.0.0/8`; an address alone is a network of one.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

/// Why a text names no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct InvalidAddressRange(String);

/// A network. One of IPv4 is also that of its addresses written as IPv6.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressRange {
    bits: u128,
    prefix_length: u32,
}

impl AddressRange {
    /// Whether an address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let difference = self.bits ^ bits(address);
        // A shift by all 128 bits leaves nothing.
        difference.checked_shr(u128::BITS - self.prefix_length).unwrap_or(0) == 0
    }
}

impl FromStr for AddressRange {
    type Err = InvalidAddressRange;

    fn from_str(text: &str) -> Result<Self, InvalidAddressRange> {
        read(text).ok_or_else(|| InvalidAddressRange(text.to_owned()))
    }
}

impl TryFrom<String> for AddressRange {
    type Error = InvalidAddressRange;

    fn try_from(text: String) -> Result<Self, InvalidAddressRange> {
        text.parse()
    }
}

fn read(text: &str) -> Option<AddressRange> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (length_max, mapped) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    let length: u32 = match length {
        Some(length) => length.parse().ok()?,
        None => length_max,
    };
    (length <= length_max).then(|| AddressRange { bits: bits(address), prefix_length: mapped + length })
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses() {
        let holds = |range: &str, address: &str| {
            let range: AddressRange = range.parse().expect("a range");
            range.contains(address.parse().expect("an address"))
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"), "the same address, written in another way");
        assert!(holds("192.0.2.1", "192.0.2.1") && !holds("192.0.2.1", "192.0.2.0"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::1", "::2"));
    }

    #[test]
    fn what_is_no_network_is_told() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "proxy", "10.0.0.1:80"]
        {
            let error = text.parse::<AddressRange>().expect_err("refused");
            assert_eq!(error, InvalidAddressRange(text.to_owned()));
        }
    }
}
