//! Entity tags: strong, made from the version of a thing, and of a product also from its id: another one may have its
//! slug, and so its address, one day.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use domain::ids::ProductId;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// The tag of a version.
pub fn of_version(version: i64) -> String {
    format!("\"v{version}\"")
}

/// The tag of a version of a product.
pub fn of_product(id: ProductId, version: i64) -> String {
    format!("\"v{version}-{:08x}\"", id.0.as_u128() & 0xffff_ffff)
}

/// Whether the client has this version already: `If-None-Match`, compared weakly.
pub fn is_known(request: &HttpRequest, version: i64) -> bool {
    is_known_tag(request, || of_version(version))
}

/// Whether the client has this version of the product already.
pub fn is_known_product(request: &HttpRequest, id: ProductId, version: i64) -> bool {
    is_known_tag(request, || of_product(id, version))
}

fn is_known_tag(request: &HttpRequest, tag: impl FnOnce() -> String) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    let tag = tag();
    tags(request.headers(), &header::IF_NONE_MATCH)
        .iter()
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag)
}

/// What a change may replace: `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// The condition of a request; a change without one is refused.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let tags = tags(request.headers(), &header::IF_MATCH);
        if tags.is_empty() {
            let detail = "send the ETag of what you have read as If-Match";
            return Err(Problem::new(ErrorCode::PreconditionRequired, detail));
        }
        Ok(Self(tags))
    }

    /// Whether the version is one that may be replaced. Weak tags never are.
    pub fn check(&self, version: i64) -> Result<(), Problem> {
        self.check_tag(&of_version(version))
    }

    /// Whether the version of the product is one that may be replaced.
    pub fn check_product(&self, id: ProductId, version: i64) -> Result<(), Problem> {
        self.check_tag(&of_product(id, version))
    }

    /// Whether the version of the product is the only one that may be replaced.
    pub fn is_only(&self, id: ProductId, version: i64) -> bool {
        matches!(self.0.as_slice(), [tag] if *tag == of_product(id, version))
    }

    fn check_tag(&self, tag: &str) -> Result<(), Problem> {
        if self.0.iter().any(|candidate| candidate == "*" || candidate == tag) {
            return Ok(());
        }
        Err(Self::failed())
    }

    /// The answer to a change of something that is not what the client has read.
    pub fn failed() -> Problem {
        Problem::new(ErrorCode::PreconditionFailed, "read it again, and change what is there now")
    }
}

/// Our tags hold no comma, so one that does is not ours and cannot match.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| !tag.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn if_match(value: &str) -> Result<IfMatch, Problem> {
        IfMatch::of(&TestRequest::patch().insert_header(("if-match", value)).to_http_request())
    }

    #[test]
    fn a_change_names_what_it_replaces() {
        let missing = IfMatch::of(&TestRequest::patch().to_http_request()).expect_err("428");
        assert_eq!(missing.code(), ErrorCode::PreconditionRequired);
        assert!(if_match("\"v3\"").expect("a tag").check(3).is_ok());
        assert!(if_match("\"v2\", \"v3\"").expect("tags").check(3).is_ok());
        assert!(if_match("*").expect("any").check(3).is_ok());
        assert!(if_match("\"v2\"").expect("a tag").check(3).is_err());
        assert!(if_match("W/\"v3\"").expect("a weak tag").check(3).is_err());
        assert!(if_match("v3").expect("no tag").check(3).is_err());
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let known = |value: &str| {
            is_known(&TestRequest::get().insert_header(("if-none-match", value)).to_http_request(), 3)
        };
        assert!(known("\"v3\"") && known("W/\"v3\"") && known("*") && known("\"v1\",\"v3\""));
        assert!(!known("\"v4\""));
    }

    #[test]
    fn the_tag_of_a_product_is_of_no_other_one() {
        let id = |text: &str| text.parse::<ProductId>().expect("an id");
        let product = id("01900000-0000-7000-8000-0000000a00ff");
        let other = id("01900000-0000-7000-8000-0000000b00ff");
        assert_eq!(of_product(product, 3), "\"v3-000a00ff\"");
        let condition = if_match("\"v3-000a00ff\"").expect("a tag");
        assert!(condition.check_product(product, 3).is_ok());
        assert!(condition.check_product(product, 4).is_err());
        assert!(condition.check_product(other, 3).is_err());
        assert!(if_match("\"v3\"").expect("a tag of before").check_product(product, 3).is_err());
        assert!(if_match("*").expect("any").check_product(other, 3).is_ok());
        assert!(condition.is_only(product, 3) && !condition.is_only(product, 4));
        assert!(!condition.is_only(other, 3));
        for more in ["*", "\"v3-000a00ff\", \"v4-000a00ff\"", "W/\"v3-000a00ff\""] {
            assert!(!if_match(more).expect("tags").is_only(product, 3), "{more}");
        }
        let known = |value: &str, id| {
            let request = TestRequest::get().insert_header(("if-none-match", value)).to_http_request();
            is_known_product(&request, id, 3)
        };
        assert!(known("W/\"v3-000a00ff\"", product) && !known("\"v3-000a00ff\"", other));
        assert!(!known("\"v3\"", product));
    }
}
