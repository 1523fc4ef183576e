//! The channels that a history can be imported into.

use domain::order::SHOP_CHANNEL;

/// Longest name of a channel.
const LENGTH_MAX: usize = 60;

/// Why nothing can be imported into a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// What happens in our own shop comes from the shop.
    #[error("the channel {SHOP_CHANNEL:?} is our own shop: an import needs a channel of its own")]
    Shop,
    /// Not a channel's name.
    #[error("{0:?} is no channel: use lower-case letters, digits and hyphens, at most {LENGTH_MAX}")]
    Invalid(String),
}

/// Whether a history can be imported into a channel of this name.
pub fn check(channel: &str) -> Result<(), ChannelError> {
    if channel == SHOP_CHANNEL {
        return Err(ChannelError::Shop);
    }
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let holds = channel.len() <= LENGTH_MAX
        && channel.bytes().next().is_some_and(is_plain)
        && channel.bytes().all(|byte| is_plain(byte) || byte == b'-');
    if holds { Ok(()) } else { Err(ChannelError::Invalid(channel.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_a_plain_name_and_is_not_the_shop() {
        assert!(check("online-retail").is_ok());
        assert_eq!(check("shop"), Err(ChannelError::Shop));
        for channel in ["", "-a", "Online", "a b", "a_b", &"a".repeat(61)] {
            assert!(matches!(check(channel), Err(ChannelError::Invalid(_))), "{channel:?}");
        }
    }
}
