//! Titles and descriptions: sentences that follow from what a product is.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::garment::Garment;
use super::wording::{sentence, titled, with_article};
use crate::shop::Traits;

/// The name on the shelf, such as `Harbour & Vale Striped Linen Midi Dress`.
pub fn title(garment: &Garment, traits: &Traits, stream: &mut impl Rng) -> String {
    let mut words = vec![traits.brand.to_owned()];
    if says_fit(garment, traits) && stream.next_u32().is_multiple_of(3) {
        words.push(titled(traits.fit));
    }
    if traits.pattern != "plain" {
        words.push(titled(traits.pattern));
    }
    let is_told = garment.name.contains(traits.material);
    if !is_told && (traits.material, garment.group) != ("denim", "jeans") {
        words.push(titled(traits.material));
    }
    words.push(titled(garment.name));
    words.join(" ")
}

/// Whether the fit is a word that is said of it: not `regular`, and not twice.
fn says_fit(garment: &Garment, traits: &Traits) -> bool {
    traits.fit != "regular" && !garment.name.contains(traits.fit)
}

/// Two to four sentences. `details` are the garment's own attributes with the product's values.
pub fn text(garment: &Garment, traits: &Traits, details: &[(&str, &str)], stream: &mut impl Rng) -> String {
    let mut sentences = vec![opening(garment, traits, stream)];
    sentences.extend(feature(garment, details, stream));
    if stream.next_u32() % 10 < 7 {
        sentences.push(styling(garment, traits, stream));
    }
    if stream.next_u32() % 10 < 6 {
        sentences.push(care(traits.material, stream));
    }
    if sentences.len() < 2 {
        sentences.push(styling(garment, traits, stream));
    }
    sentences.join(" ")
}

fn pick<'a>(choices: &[&'a str], stream: &mut impl Rng) -> &'a str {
    choices.choose(stream).expect("there is a choice")
}

fn opening(garment: &Garment, traits: &Traits, stream: &mut impl Rng) -> String {
    let name = garment.name;
    let (this, is, cuts) =
        if garment.is_plural() { ("these", "are", "come") } else { ("this", "is", "comes") };
    let cloth = match traits.pattern {
        "plain" => traits.material.to_owned(),
        "floral" => format!("{} with a floral print", traits.material),
        "polka dot" => format!("{} with polka dots", traits.material),
        "striped" => format!("striped {}", traits.material),
        other => format!("{other} {}", traits.material),
    };
    let quality = pick(material_words(traits.material), stream);
    let cut = fit_phrase(traits.fit);
    match stream.next_u32() % 6 {
        0 => format!("Made from {quality} {cloth}, {this} {name} {cuts} in {cut}."),
        1 => format!("{} {name} {is} cut from {quality} {cloth} for {cut}.", sentence(this)),
        2 => {
            let kind = format!("{quality} {name} in {cloth}");
            let kind = if garment.is_plural() { kind } else { with_article(&kind) };
            format!("{}, with {cut}.", sentence(&kind))
        }
        3 => format!("{} has given {this} {name} {cut}, in {quality} {cloth}.", traits.brand),
        4 => format!("We love {this} {name} by {}: {cut}, and {cloth} that feels {quality}.", traits.brand),
        _ => format!("{} {cloth} and {cut}: meet the {name} by {}.", sentence(quality), traits.brand),
    }
}

fn material_words(material: &str) -> &'static [&'static str] {
    match material {
        "linen" => &["breathable", "airy", "washed", "cool"],
        "wool" | "lambswool" | "tweed" => &["warm", "soft", "hard-wearing", "pure"],
        "merino wool" => &["fine", "soft", "light but warm"],
        "cashmere" | "mohair" => &["sumptuous", "feather-soft", "fine"],
        "satin" | "silk" => &["lustrous", "smooth", "fluid"],
        "leather" | "suede" => &["supple", "full-grain", "rich"],
        "denim" | "twill" | "canvas" | "gabardine" | "corduroy" => &["sturdy", "hard-wearing", "soft-washed"],
        "nylon" | "recycled nylon" | "recycled polyester" | "waxed cotton" => {
            &["light", "quick-drying", "tough"]
        }
        "fleece" | "flannel" => &["brushed", "cosy", "soft"],
        "rubber" => &["flexible", "waterproof", "natural"],
        "straw" => &["woven", "natural", "light"],
        _ => &["soft", "easy-care", "comfortable", "crisp"],
    }
}

fn fit_phrase(fit: &str) -> &'static str {
    match fit {
        "relaxed" => "a relaxed shape",
        "oversized" => "a generous, oversized shape",
        "fitted" => "a close fit",
        "slim" => "a slim fit",
        "skinny" => "a skinny fit with stretch",
        "straight" => "a straight leg",
        "tapered" => "a tapered leg",
        "tailored" => "a sharp, tailored line",
        "a-line" => "a flattering A-line",
        "skater" => "a nipped waist and a full skirt",
        "pleated" => "crisp pleats",
        "high waisted" => "a high waist",
        "wide" => "a roomier, wide fit",
        _ => "a classic shape",
    }
}

fn feature(garment: &Garment, details: &[(&str, &str)], stream: &mut impl Rng) -> Option<String> {
    let parts: Vec<String> = details.iter().filter_map(|(name, value)| detail(name, value)).collect();
    let list = match parts.as_slice() {
        [] => return None,
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let have = if garment.is_plural() { "They have" } else { "It has" };
    let start = pick(&[have, "Look for", "The details:", "Note"], stream);
    Some(format!("{start} {list}."))
}

fn detail(name: &str, value: &str) -> Option<String> {
    Some(match (name, value) {
        (_, "sleeveless") => "a sleeveless cut".to_owned(),
        ("sleeve", _) => format!("{value}s"),
        ("closure", "button") => "buttons down the front".to_owned(),
        ("closure", "popper") => "poppers down the front".to_owned(),
        ("closure", "zip") => "a zip".to_owned(),
        ("closure", "belted") => "a belt at the waist".to_owned(),
        ("closure", "clasp") => "a gold-tone clasp".to_owned(),
        ("closure", "lace-up") => "laces".to_owned(),
        ("closure", "open") => "an open top".to_owned(),
        ("closure", "touch fastening") => "a touch fastening".to_owned(),
        ("closure", "pullover" | "pull-on" | "slip-on") => format!("an easy {value} shape"),
        ("closure", _) => with_article(&format!("{value} top")),
        ("heel", "flat") => "a flat sole".to_owned(),
        ("neckline", "henley") => "a henley placket".to_owned(),
        ("length", "standard") => return None,
        ("length", "mid-length" | "full length") => format!("a {value} cut"),
        ("length" | "width", _) => with_article(&format!("{value} {name}")),
        _ => with_article(value),
    })
}

fn styling(garment: &Garment, traits: &Traits, stream: &mut impl Rng) -> String {
    let it = if garment.is_plural() { "them" } else { "it" };
    let place = match traits.occasion {
        "wedding guest" => "to a wedding, with your best smile",
        "office" => "to the office and straight on to dinner",
        "interview" => "to the interview that matters",
        "party" => "to every party of the season",
        "date night" => "on a date night",
        "beach" => "on the beach, straight over swimwear",
        "holiday" => "on holiday, from breakfast to sunset",
        "festival" => "at a festival, whatever the weather",
        "outdoor" => "outdoors, in wind and rain",
        "gym" => "to the gym and on the way home",
        "golf" => "on the golf course",
        "school" => "to school, day after day",
        "lounge" => "for slow mornings at home",
        "weekend" => "at the weekend, with your favourite layers",
        _ => "every day, with almost everything you own",
    };
    if traits.occasion == "gift" {
        let gifts = ["A gift that is always welcome.", "A gift that cannot go wrong.", "Lovely as a gift."];
        return pick(&gifts, stream).to_owned();
    }
    let season = match (traits.season, stream.next_u32() % 2) {
        ("all-year", _) | (_, 0) => String::new(),
        (season, _) => format!(", all {season} long"),
    };
    let verb = if matches!(garment.silhouette, "tote" | "handbag" | "backpack") { "Take" } else { "Wear" };
    match stream.next_u32() % 3 {
        0 => format!("Made {}{season}.", made_for(traits.occasion)),
        _ => format!("{verb} {it} {place}{season}."),
    }
}

fn made_for(occasion: &str) -> String {
    match occasion {
        "everyday" => "for every day".to_owned(),
        "wedding guest" => "for wedding guests".to_owned(),
        "outdoor" => "for the outdoors".to_owned(),
        "lounge" => "for lounging".to_owned(),
        "holiday" => "for holidays".to_owned(),
        "interview" | "party" => format!("for your next {occasion}"),
        "school" | "golf" | "date night" => format!("with {occasion} in mind"),
        _ => format!("for the {occasion}"),
    }
}

fn care(material: &str, stream: &mut impl Rng) -> String {
    let choices: &[&str] = match material {
        "wool" | "merino wool" | "lambswool" | "cashmere" | "mohair" => {
            &["Hand wash cool and dry flat.", "Wool wash only, reshape while damp.", "Air rather than wash."]
        }
        "silk" | "satin" | "velvet" | "tweed" | "crepe" => {
            &["Dry clean only.", "Dry clean, or hand wash with care."]
        }
        "leather" | "suede" => &["Wipe clean and treat once a season.", "Keep dry and brush gently."],
        "rubber" | "straw" => &["Wipe clean with a damp cloth."],
        "waxed cotton" => &["Sponge clean only, and wax again each autumn."],
        "linen" => {
            &["Machine wash at 30 degrees; the creases belong to it.", "Machine wash cool, iron while damp."]
        }
        _ => &["Machine wash at 30 degrees.", "Machine wash at 40 degrees.", "Wash with like colours."],
    };
    pick(choices, stream).to_owned()
}
