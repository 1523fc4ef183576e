//! How many matches have which value. Each facet leaves its own filter out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{AttributeFacet, FACET_VALUES_MAX, FacetValue, Facets, PriceFacet, RatingFacet, SearchRequest};
use crate::document::attribute;
use crate::tuned::any_case;

/// Pairs of name and value that are counted.
const PAIR_COUNT_MAX: u16 = 500;
/// Attributes that are told.
const ATTRIBUTE_COUNT_MAX: usize = 20;
/// Values of an attribute that are told.
const ATTRIBUTE_VALUES_MAX: usize = 30;
/// Where ranges of prices begin, in minor units.
const PRICE_STEPS: [i64; 12] =
    [0, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];
const STARS: [u8; 4] = [4, 3, 2, 1];

/// A facet that can be chosen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Facet<'a> {
    Category,
    Brand,
    Price,
    Rating,
    Attribute(&'a str),
}

/// The filters of what was chosen, without those of one facet.
pub(super) fn chosen(request: &SearchRequest, without: Option<Facet<'_>>) -> Vec<Value> {
    let mut chosen: Vec<(Facet<'_>, Value)> = Vec::new();
    let mut add = |facet, filter: Option<Value>| chosen.extend(filter.map(|filter| (facet, filter)));
    let category = request.category.as_ref();
    add(Facet::Category, category.map(|category| json!({"term": {"category_lineage": category}})));
    add(Facet::Brand, request.brand.as_ref().map(|brand| any_case("brand", brand)));
    let range = |field: &str, bound: &str, value: Value| json!({"range": {field: {bound: value}}});
    add(Facet::Price, request.price_min_minor.map(|price| range("price_minor_max", "gte", json!(price))));
    add(Facet::Price, request.price_max_minor.map(|price| range("price_minor_min", "lte", json!(price))));
    add(Facet::Rating, request.rating_min.map(|stars| range("rating_average", "gte", json!(stars))));
    for (name, value) in &request.attributes {
        add(Facet::Attribute(name), Some(any_case("attributes", &attribute(name, value))));
    }
    chosen.into_iter().filter(|(facet, _)| Some(*facet) != without).map(|(_, filter)| filter).collect()
}

pub(super) fn asked(request: &SearchRequest) -> Value {
    let terms = |field: &str| json!({"terms": {"field": field, "size": FACET_VALUES_MAX}});
    let within = |facet: Option<Facet<'_>>, counted: Value| within(&chosen(request, facet), &counted);
    let price = |(from, to): (i64, Option<i64>)| match to {
        Some(to) => json!({"from": from, "to": to}),
        None => json!({"from": from}),
    };
    let prices: Vec<_> = price_ranges().map(price).collect();
    let stars: Vec<_> = STARS.iter().map(|stars| json!({"from": stars})).collect();
    let mut asked = json!({
        "category": within(Some(Facet::Category), terms("category_lineage")),
        "brand": within(Some(Facet::Brand), terms("brand")),
        "price": within(Some(Facet::Price), json!({"range": {"field": "price_minor_min", "ranges": prices}})),
        "rating": within(Some(Facet::Rating), json!({"range": {"field": "rating_average", "ranges": stars}})),
        "attributes": within(None, json!({"terms": {"field": "attributes", "size": PAIR_COUNT_MAX}})),
    });
    let asked_map: &mut Map<String, Value> = asked.as_object_mut().expect("an object");
    for (place, name) in request.attributes.keys().enumerate() {
        let pairs = json!({"terms": {
            "field": "attributes", "size": FACET_VALUES_MAX, "include": format!("{}=.*", escaped(name)),
        }});
        asked_map.insert(own(place), within(Some(Facet::Attribute(name)), pairs));
    }
    asked
}

/// What is counted of the matches that pass the filters.
fn within(filters: &[Value], counted: &Value) -> Value {
    json!({"filter": {"bool": {"filter": filters}}, "aggs": {"of": counted}})
}

pub(super) fn read(request: &SearchRequest, answered: &Value) -> Facets {
    let facet = |name: &str| &answered[name]["of"];
    let mut attributes = by_name(pairs(facet("attributes")));
    for (place, name) in request.attributes.keys().enumerate() {
        let own = by_name(pairs(facet(&own(place)))).into_iter().find(|facet| facet.name == *name);
        attributes.retain(|facet| facet.name != *name);
        attributes.extend(own);
    }
    let count = |facet: &AttributeFacet| facet.values.iter().map(|value| value.count).sum::<u64>();
    attributes.sort_by(|one, next| count(next).cmp(&count(one)).then_with(|| one.name.cmp(&next.name)));
    attributes.truncate(ATTRIBUTE_COUNT_MAX);
    Facets {
        category: values(facet("category")),
        brand: values(facet("brand")),
        attributes,
        price: prices(facet("price")),
        rating: ratings(facet("rating")),
    }
}

/// Counts of an attribute that was chosen from.
fn own(place: usize) -> String {
    format!("attribute_{place}")
}

/// The name as itself in the engine's regular expressions.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn price_ranges() -> impl Iterator<Item = (i64, Option<i64>)> {
    let ends = PRICE_STEPS.iter().skip(1).copied().map(Some).chain([None]);
    PRICE_STEPS.iter().copied().zip(ends)
}

fn buckets(facet: &Value) -> impl Iterator<Item = &Value> {
    facet["buckets"].as_array().into_iter().flatten()
}

fn values(facet: &Value) -> Vec<FacetValue> {
    let value = |bucket: &Value| {
        Some(FacetValue { value: bucket["key"].as_str()?.to_owned(), count: bucket["doc_count"].as_u64()? })
    };
    buckets(facet).filter_map(value).collect()
}

/// Name, value and count, most frequent first.
fn pairs(facet: &Value) -> Vec<(String, FacetValue)> {
    let pair = |counted: FacetValue| {
        let (name, value) = counted.value.split_once('=')?;
        Some((name.to_owned(), FacetValue { value: value.to_owned(), count: counted.count }))
    };
    values(facet).into_iter().filter_map(pair).collect()
}

fn by_name(pairs: Vec<(String, FacetValue)>) -> Vec<AttributeFacet> {
    let mut facets: BTreeMap<String, Vec<FacetValue>> = BTreeMap::new();
    for (name, value) in pairs {
        let values = facets.entry(name).or_default();
        if values.len() < ATTRIBUTE_VALUES_MAX {
            values.push(value);
        }
    }
    facets.into_iter().map(|(name, values)| AttributeFacet { name, values }).collect()
}

/// Ranges are answered in the order of their beginnings; an empty one is not told.
fn prices(facet: &Value) -> Vec<PriceFacet> {
    let price = |((from_minor, to_minor), bucket): ((i64, Option<i64>), &Value)| {
        let count = bucket["doc_count"].as_u64().filter(|count| *count > 0)?;
        Some(PriceFacet { from_minor, to_minor, count })
    };
    price_ranges().zip(buckets(facet)).filter_map(price).collect()
}

/// Ranges are answered in the order of their beginnings, so the fewest stars come first.
fn ratings(facet: &Value) -> Vec<RatingFacet> {
    let rating = |(at_least, bucket): (&u8, &Value)| {
        let count = bucket["doc_count"].as_u64().filter(|count| *count > 0)?;
        Some(RatingFacet { at_least: *at_least, count })
    };
    let mut ratings: Vec<_> = STARS.iter().rev().zip(buckets(facet)).filter_map(rating).collect();
    ratings.reverse();
    ratings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SearchRequest {
        SearchRequest {
            category: Some("apparel".into()),
            brand: Some("puma".into()),
            price_min_minor: Some(100),
            price_max_minor: Some(200),
            attributes: [("colour".to_owned(), "Blue".to_owned()), ("size".to_owned(), "M".to_owned())]
                .into(),
            rating_min: Some(4),
            limit: 20,
            ..SearchRequest::default()
        }
    }

    #[test]
    fn every_choice_is_a_filter_but_a_facets_own() {
        let count = |without| chosen(&request(), without).len();
        assert_eq!(count(None), 7);
        assert_eq!((count(Some(Facet::Price)), count(Some(Facet::Brand))), (5, 6));
        assert_eq!(count(Some(Facet::Attribute("colour"))), 6);
        let asked = asked(&request());
        let filters = |name: &str| asked[name]["filter"]["bool"]["filter"].as_array().map(Vec::len);
        let counts =
            ["category", "brand", "price", "rating", "attributes", "attribute_0", "attribute_1"].map(filters);
        assert_eq!(counts, [6, 6, 5, 6, 7, 6, 6].map(Some));
        assert_eq!(asked["attribute_1"]["aggs"]["of"]["terms"]["include"], "size=.*");
        assert!(asked["attribute_2"].is_null());
    }

    #[test]
    fn a_name_is_no_pattern() {
        assert_eq!(escaped("a.*|b"), "a\\.\\*\\|b");
        assert_eq!(escaped("größe"), "größe");
    }

    #[test]
    fn facets_are_read() {
        let terms = |pairs: &[(&str, u64)]| {
            let bucket = |(key, count): &(&str, u64)| json!({"key": key, "doc_count": count});
            json!({"of": {"buckets": pairs.iter().map(bucket).collect::<Vec<_>>()}})
        };
        let counts = |counts: &[u64]| {
            let buckets: Vec<_> = counts.iter().map(|count| json!({"doc_count": count})).collect();
            json!({"of": {"buckets": buckets}})
        };
        let read = read(
            &request(),
            &json!({
                "category": terms(&[("apparel", 3)]),
                "brand": terms(&[("Puma", 3)]),
                "price": counts(&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                "rating": counts(&[3, 3, 2, 0]),
                "attributes": terms(&[("colour=Blue", 3), ("fit=a=b", 2)]),
                "attribute_0": terms(&[("colour=Blue", 3), ("colour=Red", 2)]),
                "attribute_1": terms(&[]),
            }),
        );
        let price = |from_minor, to_minor, count| PriceFacet { from_minor, to_minor, count };
        assert_eq!(read.price, [price(500, Some(1_000), 2), price(1_000_000, None, 1)]);
        let stars: Vec<_> = read.rating.iter().map(|rating| (rating.at_least, rating.count)).collect();
        assert_eq!(stars, [(3, 2), (2, 3), (1, 3)]);
        let names: Vec<_> =
            read.attributes.iter().map(|facet| (facet.name.as_str(), facet.values.len())).collect();
        assert_eq!(names, [("colour", 2), ("fit", 1)]);
        assert_eq!(read.attributes[1].values[0].value, "a=b");
    }
}
