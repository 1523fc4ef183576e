//! A few visits.

use super::*;

/// A visit from 100 on is one of somebody who is signed in.
type Told<'a> = (u8, i64, &'a str, Option<&'a str>, Option<u8>, Option<i32>, Option<i64>, Option<i64>);

/// Visit, moment, kind, words, product, place, results, wait.
fn frame(told: &[Told<'_>]) -> LazyFrame {
    let bytes = |values: Vec<Option<u8>>| -> BinaryChunked {
        values.into_iter().map(|value| value.map(|value| vec![value; 16])).collect()
    };
    let ids = BinaryChunked::from_iter((0..told.len()).map(|place| Some(vec![place as u8; 16])));
    let moments: Int64Chunked = told.iter().map(|told| Some(told.1)).collect();
    df!(
        event::SESSION_ID => bytes(told.iter().map(|told| Some(told.0 % 100)).collect()).into_series(),
        event::USER_ID => bytes(told.iter().map(|told| (told.0 >= 100).then_some(255)).collect()).into_series(),
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
    for visit in 0..8 {
        told.push((visit, 1, "search", Some(" Sweater"), None, None, Some(0), Some(40)));
        told.push((visit, 2, "search", Some("jumper"), None, None, Some(7), Some(10 + i64::from(visit))));
        // Half of them further down, where fewer clicks are made: there each counts for more.
        let (taken, place) = if visit < 4 { (1, 1) } else { (2, 5) };
        told.push((visit, 3, "click", Some("jumper"), Some(taken), Some(place), None, None));
        told.push((visit, 4, "view", None, Some(taken), None, None, None));
    }
    for visit in 20..24 {
        told.push((visit, 1, "click", Some("belt"), Some(3), Some(1), None, None));
    }
    // However often one visit clicks, it counts once.
    for moment in 4..40 {
        told.push((0, moment, "click", Some("jumper"), Some(1), Some(1), None, None));
    }
    told.push((7, 5, "cart_add", None, Some(2), None, None, None));
    told.push((7, 6, "purchase", None, None, None, None, None));
    // Bought without having been found by these words.
    told.push((2, 5, "cart_add", None, Some(9), None, None, None));
    told.push((2, 6, "purchase", None, None, None, None, None));
    let report = report(&told);
    assert_eq!((report.searches, report.terms.len()), (16, 2));
    let jumper = SearchTerm {
        term: "jumper".to_owned(),
        searches: 8,
        sessions: 8,
        visitors: 8,
        counted: 8,
        without_results: 0,
        clicked: 8,
        reformulated: 0,
        reformulated_to: None,
        reformulated_to_sessions: 0,
        top_product: product(2),
        sales: 1,
        waited_ms_p95: Some(17),
    };
    let sweater = SearchTerm {
        term: "sweater".to_owned(),
        without_results: 8,
        clicked: 0,
        reformulated: 8,
        reformulated_to: Some("jumper".to_owned()),
        reformulated_to_sessions: 8,
        top_product: None,
        sales: 0,
        waited_ms_p95: Some(40),
        ..jumper.clone()
    };
    assert_eq!(report.terms, [jumper, sweater]);
}

#[test]
fn the_word_that_most_say_instead_is_found() {
    let nexts = ["red jumper", "wool jumper", "wool jumper", "jumper for women", "old sweater"];
    let mut told: Vec<Told<'_>> = Vec::new();
    for (visit, next) in (0..).zip(nexts) {
        told.push((visit, 1, "search", Some("sweater"), None, None, Some(0), None));
        told.push((visit, 2, "search", Some(next), None, None, Some(5), None));
    }
    let instead = |told: &[Told<'_>]| {
        let report = report(told);
        let term = report.terms.into_iter().find(|term| term.term == "sweater").expect("counted");
        (term.reformulated_to, term.reformulated_to_sessions)
    };
    assert_eq!(instead(&told), (Some("jumper".to_owned()), 4));
    // When they all say the same, it is all of that; a word of the term itself is none instead.
    for told in told.iter_mut().filter(|told| told.1 == 2) {
        told.3 = Some("wool sweater jumper");
    }
    assert_eq!(instead(&told), (Some("wool sweater jumper".to_owned()), 5));
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
    // Nor what one person types in many visits.
    let mine: Vec<_> = (100..120).map(|visit| search(visit, "anna weber")).collect();
    assert_eq!(self::report(&mine).terms, []);
}

#[test]
fn of_twelve_waits_the_longest_is_the_95th_percentile() {
    let search = |visit| (visit, 1, "search", Some("scarf"), None, None, Some(1), Some(i64::from(visit)));
    let told: Vec<Told<'_>> = (1..=12).map(search).collect();
    assert_eq!(report(&told).terms[0].waited_ms_p95, Some(12));
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
