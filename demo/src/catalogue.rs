//! The catalogue: the category tree and the products, each with its prices, its pictures and what its maker knows.
//!
//! A product follows from its own stream; only its rank among the others is drawn for all at once.

use std::collections::BTreeMap;

use domain::ids::{ProductId, VariantId};
use domain::money::{Currency, Money};
use domain::product::{Image, Product};
use domain::product_draft::{ProductDraft, VariantDraft};
use domain::slug::slugify;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};
use uuid::Uuid;

use crate::chance::normal;
use crate::random;
use crate::shop::{Catalogue, DemoProduct, Picture, Size, Traits};
use brand::{BRANDS, Brand};
use garment::Garment;
use launch::Life;
use wording::{sentence, titled};

pub mod brand;
pub mod colour;
mod description;
pub mod garment;
mod launch;
mod picture;
mod price;
mod silhouette;
mod size_scale;
#[cfg(test)]
mod tests;
mod tree;
pub mod wording;

/// Popularity falls with the rank to this power: Brynjolfsson, Hu and Smith ("Consumer Surplus in the Digital
/// Economy", Management Science, 2003) measured about -0.87 for books at Amazon.
pub const POPULARITY_EXPONENT: f64 = 0.87;
/// Mean of the qualities and their deviation, in stars: assumed, so that the mean of all ratings is that of large
/// shops, a little above 4.
const QUALITY_MEAN: f64 = 4.25;
const QUALITY_DEVIATION: f64 = 0.3;
/// Share of products of plain cloth, where there are others: assumed.
const PLAIN_SHARE: f64 = 0.55;
/// Share of products with one, two and three colours; the rest has four. Assumed, for six variants on average.
const COLOUR_SHARES: [f64; 3] = [0.905, 0.075, 0.015];
/// Most colours of what comes in one size.
const COLOURS_MAX_ONE_SIZE: usize = 6;

/// The catalogue of a shop of that size.
pub fn make(size: &Size) -> Catalogue {
    let mut popularities: Vec<f64> =
        (1..=size.products).map(|rank| f64::from(rank).powf(-POPULARITY_EXPONENT)).collect();
    popularities.shuffle(&mut random::stream(size.seed, "popularity", 0));
    let products = popularities
        .into_iter()
        .enumerate()
        .map(|(index, popularity)| DemoProduct { popularity, ..product(size, index as u64) });
    let mut products: Vec<_> = products.collect();
    products.sort_unstable_by_key(|product| product.product.id);
    Catalogue { categories: tree::make(size), products }
}

fn product(size: &Size, index: u64) -> DemoProduct {
    let mut stream = random::stream(size.seed, "product", index);
    let stream = &mut stream;
    let garment =
        garment::all().choose_weighted(stream, |garment| garment.weight).expect("every garment has a weight");
    let brand = brand_of(garment, stream);
    let traits = traits(garment, brand, stream);
    let details: Vec<_> =
        garment.details.iter().map(|(name, values)| (*name, pick(values, stream))).collect();
    let life = launch::life(size, traits.season, stream);
    let until = life.retired_at.unwrap_or(size.end);
    let lived = (life.launched_at, until);
    let prices = price::history(size, (garment, brand), (traits.material, traits.season), lived, stream);
    let pictures: Vec<Picture> = pictures(silhouette(garment, &details), &traits, stream);
    let tier = (brand.price_permille - 1_000) as f64 / 1_000.0;
    let quality = QUALITY_MEAN + 0.15 * tier + QUALITY_DEVIATION * normal(stream);
    let price_minor = prices.last().expect("a product has a price").price_minor;
    let draft = ProductDraft {
        attributes: attributes(&traits, &details),
        description: description::text(garment, &traits, &details, stream),
        images: images(garment, &traits, &pictures),
        ..draft(garment, &traits, index, price_minor, stream)
    };
    DemoProduct {
        product: Product { updated_at: changed_at(&life, &prices), ..checked(draft, &life, stream) },
        traits,
        retired_at: life.retired_at,
        popularity: 0.0,
        quality: quality.clamp(2.8, 4.76),
        return_permille: garment.return_permille,
        prices,
        pictures,
    }
}

fn pick<T: Copy>(choices: &[T], stream: &mut impl Rng) -> T {
    *choices.choose(stream).expect("there is a choice")
}

fn brand_of(garment: &Garment, stream: &mut impl Rng) -> &'static Brand {
    let makers: Vec<_> =
        BRANDS.iter().filter(|brand| brand.makes(garment.department, garment.group)).collect();
    pick(&makers, stream)
}

fn traits(garment: &'static Garment, brand: &'static Brand, stream: &mut impl Rng) -> Traits {
    let material = pick(&garment.materials, stream);
    let others: Vec<_> = garment.patterns.iter().copied().filter(|pattern| *pattern != "plain").collect();
    let is_plain = others.is_empty() || stream.random_bool(PLAIN_SHARE);
    Traits {
        department: garment.department,
        garment: garment.name,
        material,
        pattern: if is_plain { "plain" } else { pick(&others, stream) },
        fit: pick(&garment.fits, stream),
        occasion: pick(&garment.occasions, stream),
        season: pick(&garment.seasons_in(material), stream),
        colours: colours(garment, material, stream),
        brand: brand.name,
    }
}

/// One or more colours; those early in the palette are chosen more often.
fn colours(garment: &Garment, material: &str, stream: &mut impl Rng) -> Vec<&'static str> {
    let count = if garment.scale.sizes.len() == 1 {
        stream.random_range(2..=COLOURS_MAX_ONE_SIZE)
    } else {
        let mut left: f64 = stream.random();
        let shares = COLOUR_SHARES.iter();
        1 + shares
            .take_while(|share| {
                left -= **share;
                left >= 0.0
            })
            .count()
    };
    let mut names = colour::palette_in(garment.palette, material).to_vec();
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count && !names.is_empty() {
        let first = stream.random_range(0..names.len());
        let second = stream.random_range(0..names.len());
        chosen.push(names.remove(first.min(second)));
    }
    chosen
}

fn attributes(traits: &Traits, details: &[(&str, &str)]) -> BTreeMap<String, String> {
    let shared = [
        ("material", traits.material),
        ("pattern", traits.pattern),
        ("fit", traits.fit),
        ("occasion", traits.occasion),
        ("season", traits.season),
    ];
    let all = shared.iter().chain(details);
    all.map(|(name, value)| ((*name).to_owned(), titled(value))).collect()
}

/// Sleeves are seen at once, so they are drawn as long as they are.
fn silhouette(garment: &Garment, details: &[(&str, &str)]) -> &'static str {
    let has = |sleeve: &str| details.contains(&("sleeve", sleeve));
    match garment.silhouette {
        "tee" if has("long sleeve") => "long-tee",
        "polo" if has("long sleeve") => "long-polo",
        "shirt" if has("short sleeve") => "short-shirt",
        drawn => drawn,
    }
}

fn pictures(silhouette: &str, traits: &Traits, stream: &mut impl Rng) -> Vec<Picture> {
    let background = stream.random_range(0..6);
    let draw = |name: &&str| picture::draw(silhouette, colour::named(name).rgb, traits.pattern, background);
    traits.colours.iter().map(draw).collect()
}

fn images(garment: &Garment, traits: &Traits, pictures: &[Picture]) -> Vec<Image> {
    let image = |(picture, colour): (&Picture, &&str)| {
        let mut alt = sentence(&format!("{colour} {} {}", traits.material, garment.name));
        if traits.pattern != "plain" {
            alt = format!("{alt}, {}", traits.pattern);
        }
        Image { url: format!("/media/{}", picture.key), alt }
    };
    pictures.iter().zip(&traits.colours).map(image).collect()
}

fn draft(
    garment: &Garment,
    traits: &Traits,
    index: u64,
    price_minor: i64,
    stream: &mut SmallRng,
) -> ProductDraft {
    let number = index + 1;
    let title = description::title(garment, traits, stream);
    let department = garment.department[..1].to_ascii_uppercase();
    let price = Some(Money { amount_minor: price_minor, currency: Currency::GBP });
    let sizes = garment.scale.run(stream);
    let variants = traits.colours.iter().flat_map(|name| {
        let code = colour::named(name).code;
        let sku = format!("{department}-{}-{number:06}-{code}", garment.code);
        sizes.iter().map(move |size| VariantDraft {
            sku: format!("{sku}-{}", size_scale::code(size)),
            options: [("colour".to_owned(), titled(name)), ("size".to_owned(), (*size).to_owned())].into(),
            price,
        })
    });
    ProductDraft {
        slug: Some(format!("{}-{number:06}", slugify(&title))),
        brand: Some(traits.brand.to_owned()),
        category: Some(garment.path()),
        variants: variants.collect(),
        description: String::new(),
        attributes: BTreeMap::new(),
        images: Vec::new(),
        status: None,
        title,
    }
}

/// The product as the rules of the shop let it be.
fn checked(draft: ProductDraft, life: &Life, stream: &mut SmallRng) -> Product {
    let id = random::id(life.launched_at, stream);
    let skus: Vec<_> = draft.variants.iter().map(|variant| variant.sku.clone()).collect();
    let variant_id = |position: usize| VariantId(Uuid::new_v5(&id, skus[position].as_bytes()));
    let draft = ProductDraft { status: Some(life.status), ..draft };
    draft.into_product(ProductId(id), life.launched_at, variant_id).expect("what is made keeps the rules")
}

fn changed_at(life: &Life, prices: &[crate::shop::PriceStep]) -> jiff::Timestamp {
    life.retired_at.unwrap_or_else(|| prices.last().expect("a product has a price").at)
}
