//! How many matches have which value.

use serde_json::{Value, json};

use super::{FACET_VALUES_MAX, FacetValue, Facets};

pub(super) fn asked() -> Value {
    let facet = |field: &str| json!({"terms": {"field": field, "size": FACET_VALUES_MAX}});
    json!({"category": facet("category_lineage"), "brand": facet("brand")})
}

pub(super) fn read(answered: &Value) -> Facets {
    Facets { category: values(&answered["category"]), brand: values(&answered["brand"]) }
}

fn values(facet: &Value) -> Vec<FacetValue> {
    let value = |bucket: &Value| {
        Some(FacetValue { value: bucket["key"].as_str()?.to_owned(), count: bucket["doc_count"].as_u64()? })
    };
    facet["buckets"].as_array().into_iter().flatten().filter_map(value).collect()
}
