//! Endpoints: who gets which events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::event_type;
use crate::field_error::FieldError;
use crate::ids::WebhookId;
use crate::product_draft::present;
use crate::webhook::url_policy::UrlPolicy;

/// Most endpoints of a shop.
pub const ENDPOINT_COUNT_MAX: i64 = 100;
/// Most event types that an endpoint names.
pub const EVENT_TYPE_COUNT_MAX: usize = 50;
/// Longest description, in characters.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;

/// Whether an endpoint gets events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
}

/// Why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisabledReason {
    /// A person wants it so.
    Manual,
    /// It answered that it is gone.
    Gone,
    /// It failed for five days without any success.
    Failing,
    /// More deliveries wait for it than are kept.
    Overfull,
}

impl EndpointState {
    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled].into_iter().find(|state| state.name() == name)
    }
}

impl DisabledReason {
    /// The reason's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Overfull => "overfull",
        }
    }

    /// The reason of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Manual, Self::Gone, Self::Failing, Self::Overfull];
        all.into_iter().find(|reason| reason.name() == name)
    }
}

/// An endpoint. Its secrets are not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookId,
    /// Where events are sent.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it asks for; empty: every event.
    pub event_types: Vec<String>,
    /// Whether it gets events.
    pub state: EndpointState,
    /// Why it does not.
    pub disabled_reason: Option<DisabledReason>,
    /// Since when every try has failed.
    pub failing_since: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An endpoint as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointDraft {
    /// Where events are to be sent.
    pub url: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What it asks for; empty: every event.
    #[serde(default)]
    pub event_types: Vec<String>,
}

/// A change of an endpoint: a missing field stays as it is, `null` is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointPatch {
    /// New address.
    #[serde(default, deserialize_with = "present")]
    pub url: Option<String>,
    /// New description.
    #[serde(default, deserialize_with = "present")]
    pub description: Option<String>,
    /// All event types anew.
    #[serde(default, deserialize_with = "present")]
    pub event_types: Option<Vec<String>>,
    /// Enabled or disabled.
    #[serde(default, deserialize_with = "present")]
    pub state: Option<EndpointState>,
}

impl EndpointDraft {
    /// A new endpoint, version 1, or every field that is wrong.
    pub fn into_endpoint(
        self,
        id: WebhookId,
        at: Timestamp,
        policy: &UrlPolicy,
    ) -> Result<WebhookEndpoint, Vec<FieldError>> {
        let mut errors = Vec::new();
        let endpoint = WebhookEndpoint {
            id,
            url: checked_url(self.url, policy, &mut errors),
            description: checked_description(self.description, &mut errors),
            event_types: checked_types(self.event_types, &mut errors),
            state: EndpointState::Enabled,
            disabled_reason: None,
            failing_since: None,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        if errors.is_empty() { Ok(endpoint) } else { Err(errors) }
    }
}

impl EndpointPatch {
    /// The endpoint after the change, one version later; `None` when nothing changes. Only what changes is checked, so
    /// that one whose URL is no longer allowed can still be disabled.
    pub fn apply(
        self,
        endpoint: &WebhookEndpoint,
        at: Timestamp,
        policy: &UrlPolicy,
    ) -> Result<Option<WebhookEndpoint>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut changed = endpoint.clone();
        if let Some(url) = self.url.filter(|url| *url != endpoint.url) {
            changed.url = checked_url(url, policy, &mut errors);
            // What failed was another address.
            changed.failing_since = None;
        }
        if let Some(description) = self.description {
            changed.description = checked_description(description, &mut errors);
        }
        if let Some(event_types) = self.event_types.filter(|types| *types != endpoint.event_types) {
            changed.event_types = checked_types(event_types, &mut errors);
        }
        if let Some(state) = self.state.filter(|state| *state != endpoint.state) {
            changed.state = state;
            changed.disabled_reason = (state == EndpointState::Disabled).then_some(DisabledReason::Manual);
            changed.failing_since = None;
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if changed == *endpoint {
            return Ok(None);
        }
        changed.version += 1;
        changed.updated_at = at;
        Ok(Some(changed))
    }
}

/// The URL as it will be asked.
fn checked_url(url: String, policy: &UrlPolicy, errors: &mut Vec<FieldError>) -> String {
    match policy.check(&url) {
        Ok(url) => url.into(),
        Err(refusal) => {
            errors.push(FieldError::new("/url", "not_allowed", refusal.to_string()));
            url
        }
    }
}

fn checked_description(description: String, errors: &mut Vec<FieldError>) -> String {
    if description.chars().count() > DESCRIPTION_LENGTH_MAX || description.contains('\0') {
        let detail = format!("at most {DESCRIPTION_LENGTH_MAX} characters, none of them NUL");
        errors.push(FieldError::new("/description", "too_long", detail));
    }
    description
}

fn checked_types(types: Vec<String>, errors: &mut Vec<FieldError>) -> Vec<String> {
    if types.len() > EVENT_TYPE_COUNT_MAX {
        let detail = format!("at most {EVENT_TYPE_COUNT_MAX}");
        errors.push(FieldError::new("/event_types", "too_many", detail));
        return types;
    }
    for (place, name) in types.iter().enumerate() {
        let pointer = format!("/event_types/{place}");
        if !event_type::ALL.contains(&name.as_str()) {
            let detail = format!("there is no event type {name:?}");
            errors.push(FieldError::new(pointer, "unknown_event_type", detail));
        } else if types[..place].contains(name) {
            errors.push(FieldError::new(pointer, "duplicate", "name it once"));
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> EndpointDraft {
        EndpointDraft {
            url: "https://example.com".into(),
            description: "Stock of the till".into(),
            event_types: vec![event_type::INVENTORY_CHANGED.into()],
        }
    }

    fn build(draft: EndpointDraft) -> Result<WebhookEndpoint, Vec<FieldError>> {
        let at = Timestamp::UNIX_EPOCH;
        draft.into_endpoint(WebhookId::new(at, [0; 10]), at, &UrlPolicy::default())
    }

    fn pointers(errors: Vec<FieldError>) -> Vec<String> {
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn an_endpoint_keeps_the_url_that_is_asked() {
        let endpoint = build(draft()).expect("valid");
        assert_eq!(endpoint.url, "https://example.com/");
        assert_eq!((endpoint.state, endpoint.version), (EndpointState::Enabled, 1));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = EndpointDraft {
            url: "https://127.0.0.1".into(),
            description: "x".repeat(DESCRIPTION_LENGTH_MAX + 1),
            event_types: vec![
                "cart.lost.v1".into(),
                "product.changed.v1".into(),
                "product.changed.v1".into(),
            ],
        };
        let errors = build(wrong).expect_err("refused");
        assert!(errors.iter().any(|error| error.detail.contains("cart.lost.v1")));
        assert_eq!(pointers(errors), ["/url", "/description", "/event_types/0", "/event_types/2"]);
        let many = EndpointDraft { event_types: vec!["x".into(); EVENT_TYPE_COUNT_MAX + 1], ..draft() };
        assert_eq!(pointers(build(many).expect_err("refused")), ["/event_types"]);
    }

    #[test]
    fn a_change_is_one_version_and_no_change_is_none() {
        let endpoint = build(draft()).expect("valid");
        let policy = UrlPolicy::default();
        let same = EndpointPatch { url: Some(endpoint.url.clone()), ..EndpointPatch::default() };
        assert_eq!(same.apply(&endpoint, endpoint.created_at, &policy), Ok(None));
        let disable = EndpointPatch { state: Some(EndpointState::Disabled), ..EndpointPatch::default() };
        let unreachable = WebhookEndpoint { url: "http://10.0.0.1/".into(), ..endpoint.clone() };
        let disabled =
            disable.apply(&unreachable, endpoint.created_at, &policy).expect("valid").expect("changed");
        assert_eq!((disabled.version, disabled.disabled_reason), (2, Some(DisabledReason::Manual)));
        let enable = EndpointPatch { state: Some(EndpointState::Enabled), ..EndpointPatch::default() };
        let failing = WebhookEndpoint {
            disabled_reason: Some(DisabledReason::Failing),
            failing_since: Some(endpoint.created_at),
            ..disabled
        };
        let enabled = enable.apply(&failing, endpoint.created_at, &policy).expect("valid").expect("changed");
        assert_eq!((enabled.disabled_reason, enabled.failing_since), (None, None));
    }

    #[test]
    fn another_address_has_not_failed_yet() {
        let endpoint = build(draft()).expect("valid");
        let failing = WebhookEndpoint { failing_since: Some(endpoint.created_at), ..endpoint };
        let change = |patch: EndpointPatch| {
            patch.apply(&failing, failing.created_at, &UrlPolicy::default()).expect("valid").expect("changed")
        };
        let moved = EndpointPatch { url: Some("https://example.com/new".into()), ..EndpointPatch::default() };
        assert_eq!(change(moved).failing_since, None);
        let renamed = EndpointPatch { description: Some("Till".into()), ..EndpointPatch::default() };
        assert_eq!(change(renamed).failing_since, failing.failing_since);
    }

    #[test]
    fn null_is_no_value() {
        for field in ["url", "description", "event_types", "state"] {
            let body = format!("{{\"{field}\": null}}");
            assert!(serde_json::from_str::<EndpointPatch>(&body).is_err(), "{field}");
        }
    }
}
