//! What the index holds of a product: one flat document, always built whole.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::ids::{ProductId, VariantId};
use domain::product::{Product, ProductStatus, category_lineage};
use jiff::Timestamp;
use serde::Serialize;

use crate::checksum;
use crate::english::title_head;

/// Most `name=value` pairs of a document: attributes of the product and options of its variants together.
pub const ATTRIBUTE_COUNT_MAX: usize = 1_000;

/// Newest reviews of a product whose words are searched.
pub const REVIEW_COUNT_MAX: i32 = 20;
/// Characters of a review that are searched.
pub const REVIEW_LENGTH_MAX: i32 = 500;

/// What else is known of the products that documents are built of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Variants of which nothing is left to sell. One whose stock is not counted is never among them.
    pub sold_out: HashSet<VariantId>,
    /// Pieces sold in the last 30 days; a product that sold none may be missing.
    pub popularity: HashMap<ProductId, i64>,
    /// The first [`REVIEW_LENGTH_MAX`] characters of their newest reviews, at most [`REVIEW_COUNT_MAX`] of each.
    pub reviews: HashMap<ProductId, Vec<String>>,
}

/// A product as the index knows it. Every field is in the mapping, which refuses any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProductDocument {
    /// The product, also the document's own id.
    pub product_id: ProductId,
    /// The readable part of its address.
    pub slug: String,
    /// Its name.
    pub title: String,
    /// The words that name the thing in the title: see [`title_head`].
    pub title_head: String,
    /// Plain text.
    pub description: String,
    /// Who makes it.
    pub brand: Option<String>,
    /// Path of slugs from the root.
    pub category: Option<String>,
    /// The category and every category above it.
    pub category_lineage: Vec<String>,
    /// `name=value` of attributes and of variants' options, sorted, each once.
    pub attributes: Vec<String>,
    /// The values alone, to be searched as text.
    pub attribute_text: Vec<String>,
    /// What its newest reviews say.
    pub review_text: Vec<String>,
    /// Stock keeping units of all variants.
    pub skus: Vec<String>,
    /// Lowest price of a variant in `currency`.
    pub price_minor_min: Option<i64>,
    /// Highest price of a variant in `currency`.
    pub price_minor_max: Option<i64>,
    /// Currency of the first variant that has a price.
    pub currency: Option<String>,
    /// Whether a variant can be bought now: it has a price and is in stock, and the product is on sale.
    pub buyable: bool,
    /// Whether a variant is in stock, with a price or without, and the product is on sale.
    pub in_stock: bool,
    /// Pieces sold in the last 30 days.
    pub popularity: i64,
    /// Mean of the ratings as an exact decimal.
    pub rating_average: Option<String>,
    /// Number of ratings.
    pub rating_count: u32,
    /// `draft`, `active` or `archived`; only an active product is found.
    pub status: &'static str,
    /// The product is gone: kept as a mark, so that a late write cannot bring it back.
    pub deleted: bool,
    /// Version of the product that this was built from; 0 when it is gone.
    pub product_version: i64,
    /// When the product was made.
    pub created_at: Option<Timestamp>,
    /// When it was marked as gone. Not in the hash: the same mark made again is no other content.
    pub deleted_at: Option<Timestamp>,
    /// SHA-256 of all the other fields: two equal documents have equal hashes.
    pub content_hash: String,
}

impl ProductDocument {
    /// The document of a product, whatever its status.
    pub fn of(product: &Product, facts: &Facts) -> Self {
        let stocked = || product.variants.iter().filter(|variant| !facts.sold_out.contains(&variant.id));
        let prices = PriceRange::of(product);
        let pairs = attribute_pairs(product);
        let values: BTreeSet<&str> = pairs.iter().map(|(_, value)| *value).collect();
        Self {
            product_id: product.id,
            slug: product.slug.clone(),
            title: product.title.clone(),
            title_head: title_head(&product.title),
            description: product.description.clone(),
            brand: product.brand.clone(),
            category: product.category.clone(),
            category_lineage: product
                .category
                .iter()
                .flat_map(|category| category_lineage(category))
                .map(str::to_owned)
                .collect(),
            attributes: pairs.iter().map(|(name, value)| attribute(name, value)).collect(),
            attribute_text: values.into_iter().map(str::to_owned).collect(),
            review_text: facts.reviews.get(&product.id).cloned().unwrap_or_default(),
            skus: product.variants.iter().map(|variant| variant.sku.clone()).collect(),
            price_minor_min: prices.as_ref().map(|range| range.min),
            price_minor_max: prices.as_ref().map(|range| range.max),
            currency: prices.map(|range| range.currency),
            buyable: stocked().any(|variant| product.is_available(variant)),
            in_stock: product.status == ProductStatus::Active && stocked().next().is_some(),
            popularity: facts.popularity.get(&product.id).copied().unwrap_or(0),
            rating_average: product.rating.average.map(|average| average.normalize().to_string()),
            rating_count: product.rating.count,
            status: product.status.name(),
            deleted: false,
            product_version: product.version,
            created_at: Some(product.created_at),
            deleted_at: None,
            content_hash: String::new(),
        }
        .hashed()
    }

    /// The mark of a product that no store knows (any longer).
    pub fn gone(product_id: ProductId, now: Timestamp) -> Self {
        let mark = Self {
            product_id,
            slug: String::new(),
            title: String::new(),
            title_head: String::new(),
            description: String::new(),
            brand: None,
            category: None,
            category_lineage: Vec::new(),
            attributes: Vec::new(),
            attribute_text: Vec::new(),
            review_text: Vec::new(),
            skus: Vec::new(),
            price_minor_min: None,
            price_minor_max: None,
            currency: None,
            buyable: false,
            in_stock: false,
            popularity: 0,
            rating_average: None,
            rating_count: 0,
            status: ProductStatus::Archived.name(),
            deleted: true,
            product_version: 0,
            created_at: None,
            deleted_at: None,
            content_hash: String::new(),
        }
        .hashed();
        Self { deleted_at: Some(now), ..mark }
    }

    /// The fields are written in the order of the struct and none is a map, so the JSON is canonical.
    fn hashed(mut self) -> Self {
        let canonical = serde_json::to_vec(&self).expect("plain data becomes JSON");
        self.content_hash = checksum::of(&canonical);
        self
    }
}

/// How an attribute is written in the index and asked for in a filter.
pub fn attribute(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

fn attribute_pairs(product: &Product) -> BTreeSet<(&str, &str)> {
    let own = product.attributes.iter();
    let options = product.variants.iter().flat_map(|variant| variant.options.iter());
    let pairs: BTreeSet<(&str, &str)> =
        own.chain(options).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pairs.into_iter().take(ATTRIBUTE_COUNT_MAX).collect()
}

struct PriceRange {
    min: i64,
    max: i64,
    currency: String,
}

impl PriceRange {
    /// Amounts of different currencies cannot be compared: the first priced variant says which one counts.
    fn of(product: &Product) -> Option<Self> {
        let prices = || product.variants.iter().filter_map(|variant| variant.price);
        let currency = prices().next()?.currency;
        let amounts = || prices().filter(|price| price.currency == currency).map(|price| price.amount_minor);
        Some(Self { min: amounts().min()?, max: amounts().max()?, currency: currency.code().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::VariantId;
    use domain::money::{Currency, Money};
    use domain::product::{Rating, Variant};

    use super::*;

    /// The document of a product whose stock is not counted and that nobody has bought yet.
    fn of(product: &Product) -> ProductDocument {
        ProductDocument::of(product, &Facts::default())
    }

    fn variant(sku: &str, size: &str, price: Option<(i64, Currency)>) -> Variant {
        Variant {
            id: VariantId::new(Timestamp::UNIX_EPOCH, [1; 10]),
            sku: sku.into(),
            options: [("size".to_owned(), size.to_owned())].into(),
            price: price.map(|(amount_minor, currency)| Money { amount_minor, currency }),
        }
    }

    fn product() -> Product {
        Product {
            id: ProductId::new(Timestamp::UNIX_EPOCH, [2; 10]),
            source: None,
            external_id: None,
            slug: "navy-shirt".into(),
            title: "Navy shirt".into(),
            description: String::new(),
            brand: Some("Puma".into()),
            category: Some("apparel/shirts".into()),
            attributes: [("colour".to_owned(), "Navy Blue".to_owned())].into(),
            images: Vec::new(),
            variants: vec![
                variant("A", "M", None),
                variant("B", "L", Some((1999, Currency::GBP))),
                variant("C", "L", Some((999, Currency::GBP))),
                variant("D", "L", Some((1, Currency::JPY))),
            ],
            rating: Rating { average: "4.50".parse().ok(), count: 2 },
            status: ProductStatus::Active,
            version: 3,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_document_holds_what_is_searched() {
        let document = of(&product());
        assert_eq!(document.category_lineage, ["apparel", "apparel/shirts"]);
        assert_eq!(document.attributes, ["colour=Navy Blue", "size=L", "size=M"]);
        assert_eq!(document.attribute_text, ["L", "M", "Navy Blue"]);
        assert_eq!((document.price_minor_min, document.price_minor_max), (Some(999), Some(1999)));
        assert_eq!(document.currency.as_deref(), Some("GBP"));
        assert_eq!(document.rating_average.as_deref(), Some("4.5"));
        assert!(document.buyable);
        assert_eq!(document.product_version, 3);
    }

    #[test]
    fn only_an_active_product_is_buyable() {
        let draft = of(&Product { status: ProductStatus::Draft, ..product() });
        assert_eq!((draft.buyable, draft.status), (false, "draft"));
        let unpriced = Product { variants: vec![variant("A", "M", None)], ..product() };
        let unpriced = of(&unpriced);
        assert_eq!((unpriced.buyable, unpriced.price_minor_min, unpriced.currency), (false, None, None));
    }

    #[test]
    fn a_variant_that_is_sold_out_cannot_be_bought() {
        let variants: Vec<Variant> = [("A", None), ("B", Some((1999, Currency::GBP)))]
            .into_iter()
            .zip(1..)
            .map(|((sku, price), number)| Variant {
                id: VariantId::new(Timestamp::UNIX_EPOCH, [number; 10]),
                ..variant(sku, "M", price)
            })
            .collect();
        let [unpriced, priced] = [variants[0].id, variants[1].id];
        let product = Product { variants, ..product() };
        let seen = |sold_out: &[VariantId]| {
            let facts = Facts { sold_out: sold_out.iter().copied().collect(), ..Facts::default() };
            let document = ProductDocument::of(&product, &facts);
            (document.buyable, document.in_stock)
        };
        assert_eq!(seen(&[]), (true, true));
        assert_eq!(seen(&[unpriced]), (true, true));
        assert_eq!(seen(&[priced]), (false, true));
        assert_eq!(seen(&[unpriced, priced]), (false, false));
        assert!(!of(&Product { status: ProductStatus::Archived, ..product.clone() }).in_stock);
    }

    #[test]
    fn popularity_is_that_of_the_product() {
        let product = product();
        let other = ProductId::new(Timestamp::UNIX_EPOCH, [9; 10]);
        let facts = Facts { popularity: [(product.id, 7), (other, 9)].into(), ..Facts::default() };
        assert_eq!(ProductDocument::of(&product, &facts).popularity, 7);
        assert_eq!(of(&product).popularity, 0);
    }

    #[test]
    fn reviews_are_those_of_the_product() {
        let product = product();
        let other = ProductId::new(Timestamp::UNIX_EPOCH, [9; 10]);
        let reviews = [(product.id, vec!["Warm".to_owned()]), (other, vec!["Cold".to_owned()])];
        let facts = Facts { reviews: reviews.into(), ..Facts::default() };
        assert_eq!(ProductDocument::of(&product, &facts).review_text, ["Warm"]);
        assert!(of(&product).review_text.is_empty());
    }

    #[test]
    fn the_hash_follows_the_content() {
        let first = of(&product());
        assert_eq!(first.content_hash.len(), 64);
        assert_eq!(first, of(&product()));
        let changed = of(&Product { title: "Blue shirt".into(), ..product() });
        assert_ne!(first.content_hash, changed.content_hash);
        let facts = Facts { popularity: [(first.product_id, 1)].into(), ..Facts::default() };
        assert_ne!(first.content_hash, ProductDocument::of(&product(), &facts).content_hash);
    }

    #[test]
    fn a_mark_made_again_is_the_same_content() {
        let id = product().id;
        let [first, second] = [0, 60]
            .map(|second| ProductDocument::gone(id, Timestamp::from_second(second).expect("in range")));
        assert!(first.deleted && !first.buyable && !first.in_stock);
        assert_eq!(first.content_hash, second.content_hash);
        assert_ne!(first.deleted_at, second.deleted_at);
    }

    #[test]
    fn attributes_are_capped() {
        let variants = (0..1_100).map(|size| variant("A", &size.to_string(), None)).collect();
        let document = of(&Product { variants, ..product() });
        assert_eq!(document.attributes.len(), ATTRIBUTE_COUNT_MAX);
    }
}
