//! What happens to which searches, and when.

use std::num::NonZeroU8;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::condition::{Condition, Situation};
use super::schedule::{Schedule, ScheduleError};
use super::selector::Selector;
use super::{check_count, check_text};
use crate::field_error::FieldError;
use crate::ids::ProductId;

/// Longest name, in characters.
pub const NAME_LENGTH_MAX: usize = 100;
/// Most actions of a rule.
pub const ACTION_COUNT_MAX: usize = 50;
/// Last place that a product can be pinned to.
pub const PIN_POSITION_MAX: u8 = 50;
/// Longest text of a banner, in characters.
pub const BANNER_LENGTH_MAX: usize = 500;
/// Longest address of a redirect or a banner, in characters.
pub const URL_LENGTH_MAX: usize = 2_000;
/// The strongest boost, in percent of the score.
pub const BOOST_PERCENT_MAX: u16 = 1_000;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people and `rules_applied` call it: no two rules have the same.
    pub name: String,
    /// Whether it is in force at all.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Which searches.
    pub when: Condition,
    /// At which time.
    #[serde(default)]
    pub schedule: Schedule,
    /// What happens.
    pub actions: Vec<Action>,
}

/// Something that is done to a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// A product stands at a place, if the search may show it at all.
    Pin {
        /// Which.
        product_id: ProductId,
        /// From 1 to [`PIN_POSITION_MAX`].
        position: NonZeroU8,
        /// Also when it cannot be bought.
        #[serde(default)]
        even_if_unavailable: bool,
    },
    /// Products score higher.
    Boost {
        /// Which.
        products: Selector,
        /// What becomes of the score: over 100, at most [`BOOST_PERCENT_MAX`].
        percent: u16,
    },
    /// Products score lower.
    Bury {
        /// Which.
        products: Selector,
        /// What becomes of the score: 1 to 99.
        percent: u16,
    },
    /// Products are not shown.
    Hide {
        /// Which.
        products: Selector,
    },
    /// Only these products are shown.
    Filter {
        /// Which.
        products: Selector,
    },
    /// The shop goes to another page instead.
    Redirect {
        /// A path of the shop (`/sale`) or an `https` address.
        url: String,
    },
    /// A text beside the hits.
    Banner {
        /// What it says.
        text: String,
        /// Where it leads: a path of the shop or an `https` address.
        #[serde(default)]
        url: Option<String>,
    },
    /// The search is not suggested to others while they type.
    Unsuggest {},
}

fn enabled() -> bool {
    true
}

impl Rule {
    /// Whether it is in force for a search at a moment.
    pub fn holds(&self, situation: Situation<'_>, at: Timestamp) -> bool {
        self.enabled && self.schedule.holds_at(at) && self.when.holds(situation)
    }

    pub(super) fn check(
        &self,
        pointer: &str,
        now: Timestamp,
        may_have_ended: bool,
        errors: &mut Vec<FieldError>,
    ) {
        check_text(errors, format!("{pointer}/name"), &self.name, NAME_LENGTH_MAX);
        self.when.check(&format!("{pointer}/when"), errors);
        // One that is switched off may be old.
        match self.schedule.check(now) {
            Err(error @ ScheduleError::Empty) => refuse_schedule(error, pointer, errors),
            Err(error @ ScheduleError::Past) if self.enabled && !may_have_ended => {
                refuse_schedule(error, pointer, errors)
            }
            _ => {}
        }
        if self.actions.is_empty() {
            let detail = "a rule does at least one thing";
            errors.push(FieldError::new(format!("{pointer}/actions"), "required", detail));
        }
        check_count(errors, &format!("{pointer}/actions"), self.actions.len(), ACTION_COUNT_MAX);
        for (place, action) in self.actions.iter().enumerate() {
            action.check(&format!("{pointer}/actions/{place}"), errors);
        }
    }
}

fn refuse_schedule(error: ScheduleError, pointer: &str, errors: &mut Vec<FieldError>) {
    let code = if error == ScheduleError::Past { "past" } else { "invalid" };
    errors.push(FieldError::new(format!("{pointer}/schedule/until"), code, error.to_string()));
}

impl Action {
    fn check(&self, pointer: &str, errors: &mut Vec<FieldError>) {
        let mut refuse = |name: &str, detail: String| {
            errors.push(FieldError::new(format!("{pointer}/{name}"), "out_of_range", detail));
        };
        match self {
            Self::Pin { position, .. } => {
                if position.get() > PIN_POSITION_MAX {
                    refuse("position", format!("1 to {PIN_POSITION_MAX}"));
                }
            }
            Self::Boost { products, percent } => {
                if !(101..=BOOST_PERCENT_MAX).contains(percent) {
                    refuse("percent", format!("101 to {BOOST_PERCENT_MAX}"));
                }
                products.check(&format!("{pointer}/products"), errors);
            }
            Self::Bury { products, percent } => {
                if !(1..=99).contains(percent) {
                    refuse("percent", "1 to 99".to_owned());
                }
                products.check(&format!("{pointer}/products"), errors);
            }
            Self::Hide { products } | Self::Filter { products } => {
                products.check(&format!("{pointer}/products"), errors);
            }
            Self::Redirect { url } => check_url(url, &format!("{pointer}/url"), errors),
            Self::Banner { text, url } => {
                check_text(errors, format!("{pointer}/text"), text, BANNER_LENGTH_MAX);
                if let Some(url) = url {
                    check_url(url, &format!("{pointer}/url"), errors);
                }
            }
            Self::Unsuggest {} => {}
        }
    }
}

/// Shoppers are sent there: never to a script, and never to another host by a path that looks like ours.
fn check_url(url: &str, pointer: &str, errors: &mut Vec<FieldError>) {
    let is_plain = !url.contains(|letter: char| letter == '\\' || letter.is_control());
    let is_path = url.starts_with('/') && !url.starts_with("//");
    let is_address = || Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.username().is_empty());
    if url.chars().count() > URL_LENGTH_MAX || !is_plain || !(is_path || is_address()) {
        let detail = "a path of the shop that begins with one `/`, or an https address";
        errors.push(FieldError::new(pointer, "invalid", detail));
    }
}
