//! `GET /media/{key}`

use actix_web::http::header::{
    self, CacheControl, CacheDirective, ContentEncoding, EntityTag, Header, IfNoneMatch,
};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::app_state::AppState;
use crate::problem::{Problem, ReadProblems};

const SUFFIX: &str = ".svg";
/// Hexadecimal digits of the content's hash before the suffix.
const HASH_LENGTH: usize = 32;
const YEAR_SECONDS: u32 = 31_536_000;
/// A picture that is opened by itself runs no script and asks nobody for anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// A picture. Its key is made of its content, so it never changes.
#[utoipa::path(
    get,
    path = "/media/{key}",
    tag = "catalogue",
    params(
        ("key" = String, Path, description = "32 hexadecimal digits and `.svg`", pattern = "^[0-9a-f]{32}\\.svg$"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of what the client has"),
    ),
    responses(
        (status = 200, description = "The picture", body = String, content_type = "image/svg+xml",
         headers(("ETag" = String), ("Cache-Control" = String))),
        (status = 304, description = "The client has it", headers(("ETag" = String))),
        ReadProblems,
    ),
    security(()),
)]
pub async fn get_picture(
    key: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("picture");
    let hash = hash_of(&key).ok_or_else(not_found)?;
    let objects = state.objects.as_ref().ok_or_else(not_found)?;
    let picture = objects.get(&key).await?.ok_or_else(not_found)?;
    let tag = EntityTag::new_strong(hash.to_owned());
    let is_known = is_known(&request, &tag);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((header::ETAG, tag.to_string())).insert_header(CacheControl(vec![
        CacheDirective::Public,
        CacheDirective::MaxAge(YEAR_SECONDS),
        CacheDirective::Extension("immutable".to_owned(), None),
    ]));
    if is_known {
        return Ok(answer.finish());
    }
    Ok(answer
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(ContentEncoding::Identity)
        .content_type("image/svg+xml")
        .body(picture))
}

/// The hash in a picture's key; `None` when no picture can have that key.
fn hash_of(key: &str) -> Option<&str> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    key.strip_suffix(SUFFIX).filter(|hash| hash.len() == HASH_LENGTH && hash.bytes().all(is_digit))
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hash_with_its_suffix_is_a_key() {
        let hash = "0123456789abcdef0123456789abcdef";
        assert_eq!(hash_of(&format!("{hash}.svg")), Some(hash));
        for key in [
            "",
            ".svg",
            hash,
            "0123456789ABCDEF0123456789ABCDEF.svg",
            "0123456789abcdef0123456789abcde.svg",
            "0123456789abcdef0123456789abcdef0.svg",
            "../0123456789abcdef0123456789abc.svg",
            "0123456789abcdef0123456789abcdef.png",
            "0123456789abcdef0123456789abcdef.svg ",
        ] {
            assert_eq!(hash_of(key), None, "{key}");
        }
    }
}
