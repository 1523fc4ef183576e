//! A JSON body as a typed value; whatever is wrong with it is a problem that names the place.

use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use bytes::BytesMut;
use domain::field_error::FieldError;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::error_code::ErrorCode;
use crate::json_limits::{self, JsonLimitError};
use crate::problem::Problem;

/// Largest body.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a body may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// The body of a request.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_head(request, &MEDIA_TYPES);
        let payload = payload.take();
        Box::pin(async move {
            checked?;
            parse(&arrived(payload).await?).map(Self)
        })
    }
}

/// Refuses a body of another type, an encoded one, and one that says it is too large.
pub(crate) fn check_head(request: &HttpRequest, media_types: &[&'static str]) -> Result<(), Problem> {
    if !media_types.contains(&request.content_type()) {
        let detail = format!("send {}", media_types.join(" or "));
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, detail)
            .with_header(header::ACCEPT, header::HeaderValue::from_static(media_types[0])));
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::new(
            ErrorCode::UnsupportedMediaType,
            "send the body without a content encoding",
        ));
    }
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    Ok(())
}

/// The whole body, [`BODY_BYTES_MAX`] at most.
pub(crate) async fn arrived(payload: Payload) -> Result<BytesMut, Problem> {
    tokio::time::timeout(ARRIVAL_TIMEOUT, read(payload))
        .await
        .map_err(|_| Problem::new(ErrorCode::RequestTimeout, "the body did not arrive in 10 seconds"))?
}

async fn read(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::new(ErrorCode::MalformedBody, "the body was cut").with_cause(error.to_string())
        })?;
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large() -> Problem {
    Problem::new(ErrorCode::BodyTooLarge, format!("at most {BODY_BYTES_MAX} bytes"))
}

/// The value, or what is wrong with it.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    json_limits::check(body).map_err(|error| match &error {
        JsonLimitError::Malformed(_) => Problem::new(ErrorCode::MalformedBody, error.to_string()),
        JsonLimitError::TooComplex(_) => Problem::new(ErrorCode::BodyTooComplex, error.to_string()),
    })?;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut deserializer);
    read.map_err(|error| Problem::invalid_fields(vec![field_error(&error)]))
}

/// A part of a body; the pointer of what is wrong is within it.
pub(crate) fn parse_part<T: DeserializeOwned>(part: Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(part).map_err(|error| field_error(&error))
}

fn field_error(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let text = error.inner().to_string();
    // The place in the text is of no use once the field is named.
    let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(detail, _)| detail);
    let code = if detail.starts_with("unknown field") { "unknown_field" } else { "invalid" };
    FieldError::new(pointer(error.path()), code, detail)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&name);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use domain::product_draft::{ProductDraft, ProductPatch};

    use super::*;

    async fn draft(body: impl Into<Vec<u8>>, content_type: &str) -> Result<JsonBody<ProductDraft>, Problem> {
        let (request, mut payload) = TestRequest::post()
            .insert_header(("content-type", content_type))
            .set_payload(body.into())
            .to_http_parts();
        JsonBody::from_request(&request, &mut payload).await
    }

    async fn refused(body: impl Into<Vec<u8>>) -> (ErrorCode, String) {
        let problem = draft(body, "application/json").await.expect_err("a problem");
        (problem.code(), problem.to_string())
    }

    #[actix_web::test]
    async fn a_wrong_field_is_named() {
        let (code, text) =
            refused(r#"{"title": "T", "variants": [{"sku": "S"}, {"sku": "S", "colour": 1}]}"#).await;
        assert_eq!(code, ErrorCode::InvalidField);
        assert!(text.contains("/variants/1/colour: unknown field"), "{text}");
        let (_, text) = refused(r#"{"title": 3, "variants": []}"#).await;
        assert!(text.contains("/title: invalid type"), "{text}");
    }

    #[test]
    fn a_null_where_there_must_be_a_value_is_named() {
        for field in ["slug", "title", "description", "attributes", "images", "variants", "status"] {
            let problem = parse::<ProductPatch>(format!("{{\"{field}\": null}}").as_bytes());
            let text = problem.expect_err("a problem").to_string();
            assert!(text.contains(&format!("/{field}: ")), "{text}");
        }
        let body = br#"{"brand": null, "category": null, "attributes": {"colour": null}}"#;
        parse::<ProductPatch>(body).expect("these may be empty");
    }

    #[actix_web::test]
    async fn a_body_has_limits() {
        assert_eq!(refused("{").await.0, ErrorCode::MalformedBody);
        assert_eq!(refused("[".repeat(40)).await.0, ErrorCode::BodyTooComplex);
        assert_eq!(refused(vec![b' '; BODY_BYTES_MAX + 1]).await.0, ErrorCode::BodyTooLarge);
        let wrong_type = draft("{}", "text/plain").await.expect_err("a problem");
        assert_eq!(wrong_type.code(), ErrorCode::UnsupportedMediaType);
    }

    #[actix_web::test]
    async fn a_good_body_is_read() {
        let body = r#"{"title": "T", "variants": [{"sku": "S"}]}"#;
        assert_eq!(draft(body, "application/json; charset=utf-8").await.expect("valid").0.title, "T");
    }
}
