use serde_json::json;

use super::*;

fn request() -> SearchRequest {
    SearchRequest { limit: 20, ..SearchRequest::default() }
}

#[test]
fn what_is_over_the_limits_is_refused() {
    let refused =
        |request: SearchRequest| matches!(check(&request), Err(SearchError::Refused { status: 400, .. }));
    let at = |after: Vec<Value>| SearchRequest {
        place: Some(Place { after: Some(after), ..Place::START }),
        ..request()
    };
    assert!(!refused(request()));
    assert!(refused(SearchRequest { limit: 0, ..request() }));
    assert!(refused(SearchRequest { limit: LIMIT_MAX + 1, ..request() }));
    assert!(refused(SearchRequest { text: Some("é".repeat(TEXT_LENGTH_MAX + 1)), ..request() }));
    assert!(refused(at(vec![json!(1)])));
    assert!(refused(at(vec![json!({}), json!("a")])));
    assert!(!refused(at(vec![json!(1.5), json!("a")])));
}

#[test]
fn a_place_comes_back_as_it_was() {
    let place = Place {
        corrected: Some("navy jumper".to_owned()),
        strictness: Strictness::Relaxed,
        is_by_meaning: true,
        after: Some(vec![json!(1.25), json!("a")]),
        snapshot: Some("s".to_owned()),
    };
    let text = serde_json::to_string(&place).expect("JSON");
    assert_eq!(serde_json::from_str::<Place>(&text).expect("a place"), place);
}
