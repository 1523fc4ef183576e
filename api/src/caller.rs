//! Who asks: bearer tokens and the caller that each one stands for.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use domain::ids::UserId;
use domain::permission::{Permission, Role};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::settings::DevelopmentTokens;

/// The account that the development token of a shopper stands for.
pub const DEVELOPMENT_SHOPPER: UserId = UserId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));

/// A signed-in caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// What they may do.
    pub role: Role,
    /// Their account; the staff tokens of development have none.
    pub user_id: Option<UserId>,
}

impl Caller {
    /// Whether the caller holds a permission.
    pub fn holds(&self, permission: Permission) -> bool {
        self.role.holds(permission)
    }

    /// What stands for the caller in events and in the table of idempotency keys.
    pub fn actor(&self) -> String {
        match self.user_id {
            Some(user) => format!("user:{user}"),
            None => format!("role:{}", self.role.name()),
        }
    }
}

/// The tokens that are known. Only their hashes are kept.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    known: Vec<([u8; 32], Caller)>,
}

impl Tokens {
    /// The tokens of development.
    pub fn development(tokens: &DevelopmentTokens) -> Self {
        let known = |token: &SecretString, role, user_id| {
            let hash = Sha256::digest(token.expose_secret().as_bytes()).into();
            (hash, Caller { role, user_id })
        };
        Self {
            known: vec![
                known(&tokens.admin, Role::Admin, None),
                known(&tokens.vendor, Role::Vendor, None),
                known(&tokens.merchandiser, Role::Merchandiser, None),
                known(&tokens.analyst, Role::Analyst, None),
                known(&tokens.shopper, Role::Shopper, Some(DEVELOPMENT_SHOPPER)),
            ],
        }
    }

    /// Who asks; `None` without a token. A wrong token is refused everywhere, also where none is needed.
    pub fn caller(&self, request: &HttpRequest) -> Result<Option<Caller>, Problem> {
        let Some(value) = request.headers().get(header::AUTHORIZATION) else {
            return Ok(None);
        };
        let token = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match token.and_then(|token| self.find(token)) {
            Some(caller) => Ok(Some(caller)),
            None => Err(unauthorized(
                "the access token is not known",
                "Bearer realm=\"entrepot\", error=\"invalid_token\"",
            )),
        }
    }

    /// Every hash is compared in full, so that the time tells nothing.
    fn find(&self, token: &str) -> Option<Caller> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for (known, caller) in &self.known {
            if bool::from(known.ct_eq(&hash)) {
                found = Some(*caller);
            }
        }
        found
    }
}

/// The answer to a request without a token where one is needed.
pub(crate) fn token_required() -> Problem {
    unauthorized("send Authorization: Bearer and an access token", "Bearer realm=\"entrepot\"")
}

fn unauthorized(detail: &str, challenge: &'static str) -> Problem {
    Problem::new(ErrorCode::AuthenticationRequired, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn caller(header: &str) -> Result<Option<Caller>, Problem> {
        let token = |text: &str| SecretString::from(text.to_owned());
        let tokens = Tokens::development(&DevelopmentTokens {
            admin: token("a"),
            vendor: token("v"),
            merchandiser: token("m"),
            analyst: token("n"),
            shopper: token("s"),
        });
        tokens.caller(&TestRequest::get().insert_header(("authorization", header)).to_http_request())
    }

    #[test]
    fn a_token_stands_for_its_role() {
        assert_eq!(caller("Bearer a").expect("known").map(|caller| caller.role), Some(Role::Admin));
        let shopper = caller("bearer s").expect("known").expect("a caller");
        assert_eq!(shopper.user_id, Some(DEVELOPMENT_SHOPPER));
        assert!(shopper.actor().starts_with("user:"));
    }

    #[test]
    fn any_other_header_is_refused() {
        for header in ["Bearer x", "Bearer", "Bearer ", "Basic a", "a"] {
            let problem = caller(header).expect_err("401");
            assert_eq!(problem.code(), ErrorCode::AuthenticationRequired, "{header}");
        }
    }
}
