//! A few visits.

use super::*;

type Told<'a> = (u8, i64, &'a str, Option<&'a str>, Option<u8>, Option<i32>, Option<i64>, Option<i64>);

/// Visit, moment, kind, words, product, place, results, wait.
fn frame(told: &[Told<'_>]) -> LazyFrame {
    let bytes = |values: Vec<Option<u8>>| -> BinaryChunked {
        values.into_iter().map(|value| value.map(|value| vec![value; 16])).collect()
    };
    let ids = BinaryChunked::from_iter((0..told.len()).map(|place| Some(vec![place as u8; 16])));
    let moments: Int64Chunked = told.iter().map(|told| Some(told.1)).collect();
    df!(
        event::SESSION_ID => bytes(told.iter().map(|told| Some(told.0)).collect()).into_series(),
        event::OCCURRED_AT => moments.into_series(),
        event::ID => ids.into_series(),
        event::KIND => told.iter().map(|told| told.2).collect::<Vec<_>>(),
        event::QUERY => told.iter().map(|told| told.3).collect::<Vec<_>>(),
        event::PRODUCT_ID => bytes(told.iter().map(|told| told.4).collect()).into_series(),
        event::POSITION => told.iter().map(|told| told.5).collect::<Vec<_>>(),
        event::RESULTS => told.iter().map(|told| told.6).collect::<Vec<_>>(),
        event::WAITED_MS => told.iter().map(|told| told.7).collect::<Vec<_>>(),
    )
    .expect("a frame")
    .lazy()
}

fn report(told: &[Told<'_>]) -> SearchTerms {
    let day = jiff::civil::date(2026, 1, 1);
    search_terms(&of_interest(frame(told)), day, day).expect("computed")
}

fn product(number: u8) -> Option<ProductId> {
    Some(ProductId(Uuid::from_bytes([number; 16])))
}

#[test]
fn a_term_is_counted_with_what_it_led_to() {
    let mut told: Vec<Told<'_>> = Vec::new();
    for visit in 0..4 {
        told.push((visit, 1, "search", Some(" Sweater"), None, None, Some(0), Some(40)));
        told.push((visit, 2, "search", Some("jumper"), None, None, Some(7), Some(10 + i64::from(visit))));
        // Half of them further down, where fewer clicks are made: there each counts for more.
        let (taken, place) = if visit < 2 { (1, 1) } else { (2, 5) };
        told.push((visit, 3, "click", Some("jumper"), Some(taken), Some(place), None, None));
        told.push((visit, 4, "view", None, Some(taken), None, None, None));
    }
    for moment in 1..3 {
        told.push((9, moment, "click", Some("belt"), Some(3), Some(1), None, None));
    }
    told.push((3, 5, "cart_add", None, Some(2), None, None, None));
    told.push((3, 6, "purchase", None, None, None, None, None));
    // Bought without having been found by these words.
    told.push((2, 5, "cart_add", None, Some(9), None, None, None));
    told.push((2, 6, "purchase", None, None, None, None, None));
    let report = report(&told);
    assert_eq!((report.searches, report.terms.len()), (8, 2));
    let jumper = SearchTerm {
        term: "jumper".to_owned(),
        searches: 4,
        sessions: 4,
        counted: 4,
        without_results: 0,
        clicked: 4,
        reformulated: 0,
        reformulated_to: None,
        top_product: product(2),
        sales: 1,
        waited_ms_p95: Some(13),
    };
    let sweater = SearchTerm {
        term: "sweater".to_owned(),
        without_results: 4,
        clicked: 0,
        reformulated: 4,
        reformulated_to: Some("jumper".to_owned()),
        top_product: None,
        sales: 0,
        waited_ms_p95: Some(40),
        ..jumper.clone()
    };
    assert_eq!(report.terms, [jumper, sweater]);
}

#[test]
fn what_few_people_type_is_counted_and_not_shown() {
    let search = |visit, term: &'static str| (visit, 1, "search", Some(term), None, None, None, None);
    let told = [
        search(1, "12 high street"),
        search(1, "12 high street"),
        search(2, "12 high street"),
        search(3, "  "),
    ];
    let report = report(&told);
    assert_eq!((report.searches, report.terms.as_slice()), (3, &[] as &[SearchTerm]));
}

#[test]
fn what_was_not_told_is_not_taken_for_nothing_found() {
    let search = |visit| (visit, 1, "search", Some("scarf"), None, None, None, None);
    let report = report(&[search(1), search(2), search(3)]);
    let scarf = &report.terms[0];
    assert_eq!((scarf.searches, scarf.counted, scarf.without_results, scarf.waited_ms_p95), (3, 0, 0, None));
}

#[test]
fn another_search_after_a_click_gives_nothing_up() {
    let mut told: Vec<Told<'_>> = Vec::new();
    for visit in 0..3 {
        told.push((visit, 1, "search", Some("scarf"), None, None, Some(3), None));
        told.push((visit, 2, "click", Some("scarf"), Some(1), Some(1), None, None));
        told.push((visit, 3, "search", Some("belt"), None, None, Some(3), None));
        // The next visit's search is no next one of this visit.
        told.push((visit, 4, "search", Some("belt"), None, None, Some(3), None));
    }
    let report = report(&told);
    let given_up: Vec<_> = report.terms.iter().map(|term| (term.term.as_str(), term.reformulated)).collect();
    assert_eq!(given_up, [("belt", 0), ("scarf", 0)]);
}

#[test]
fn no_event_is_no_term() {
    assert!(report(&[]).terms.is_empty());
}
