//! What reviewers write: sentences that agree with the stars and with the product.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::Complaint;
use crate::catalogue::wording::{is_plural, sentence};
use crate::random;
use crate::shop::{DemoProduct, Traits};

/// Share of products that come out small, and that come out large: assumed.
const SMALL_SHARE: f64 = 0.2;
const LARGE_SHARE: f64 = 0.12;

/// How a piece fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Smaller than its size says.
    Small,
    /// As its size says.
    True,
    /// Larger than its size says.
    Large,
    /// There is only one size.
    Unsized,
}

impl Fit {
    /// The fit of a product, which is its own, seldom seen otherwise; who sent it back for its size has the say.
    pub fn of(made: &DemoProduct, returned: Option<Complaint>, stream: &mut impl Rng) -> Self {
        let is_sized = made
            .product
            .variants
            .iter()
            .any(|variant| variant.options.get("size").is_some_and(|size| size != "One Size"));
        if !is_sized {
            return Self::Unsized;
        }
        match returned {
            Some(Complaint::TooSmall) => return Self::Small,
            Some(Complaint::TooLarge) => return Self::Large,
            _ => {}
        }
        if stream.random_bool(0.15) {
            return Self::True;
        }
        let own: f64 = random::stream(made.product.id.0.as_u64_pair().1, "fit", 0).random();
        match own {
            own if own < SMALL_SHARE => Self::Small,
            own if own < SMALL_SHARE + LARGE_SHARE => Self::Large,
            _ => Self::True,
        }
    }
}

/// Title and text of a review of that variant.
pub fn words(
    made: &DemoProduct,
    variant: usize,
    rating: u8,
    fit: Fit,
    stream: &mut impl Rng,
) -> (String, String) {
    let traits = &made.traits;
    let colour = made.product.variants.get(variant).and_then(|variant| variant.options.get("colour"));
    let colour = colour.map_or_else(|| traits.colours[0].to_owned(), |colour| colour.to_lowercase());
    let title = pick(titles(rating), stream).to_owned();
    let mut sentences = vec![opinion(traits, rating, stream)];
    let mut more = [
        fit_remark(traits, rating, fit, stream),
        material_remark(traits, rating, stream),
        colour_remark(&colour, rating, stream),
        (rating >= 4).then(|| occasion_remark(traits.occasion).to_owned()),
        ending(rating, stream),
    ];
    let mut chances = [0.7, 0.45, 0.35, 0.3, 0.4];
    // Who is unhappy about the size says so.
    if rating <= 3 && matches!(fit, Fit::Small | Fit::Large) {
        chances[0] = 1.0;
    }
    for (remark, chance) in more.iter_mut().zip(chances) {
        if stream.random_bool(chance) {
            sentences.extend(remark.take());
        }
    }
    (title, sentences.join(" "))
}

fn pick<'a>(choices: &[&'a str], stream: &mut impl Rng) -> &'a str {
    choices.choose(stream).expect("there is a choice")
}

fn titles(rating: u8) -> &'static [&'static str] {
    match rating {
        5 => &[
            "Love it",
            "Perfect",
            "Exactly what I wanted",
            "My new favourite",
            "Five stars",
            "Beautiful",
            "Would buy again",
            "So pleased",
            "Great buy",
            "Better than the pictures",
            "Excellent quality",
        ],
        4 => &[
            "Very nice",
            "Good buy",
            "Pleased, mostly",
            "Lovely but not perfect",
            "Good quality",
            "Nearly there",
        ],
        3 => &["It is all right", "Mixed feelings", "Okay for the price", "Average", "Not sure"],
        2 => &["Disappointing", "Expected more", "Not as pictured", "Not great", "Sadly not for me"],
        _ => {
            &["Sent it straight back", "Very disappointed", "Poor quality", "Do not bother", "Waste of money"]
        }
    }
}

fn opinion(traits: &Traits, rating: u8, stream: &mut impl Rng) -> String {
    let garment = traits.garment;
    let (this, is, have) = if is_plural(garment) { ("these", "are", "have") } else { ("this", "is", "has") };
    let wanted = match rating {
        5 => pick(
            &[
                "I love THIS GARMENT.",
                "THIS GARMENT IS even better than I hoped.",
                "Could not be happier with THIS GARMENT.",
                "THIS GARMENT HAVE hardly left my side since the parcel came.",
                "Everything about THIS GARMENT is right.",
                "THIS GARMENT by BRAND IS worth every penny.",
            ],
            stream,
        ),
        4 => pick(
            &[
                "I like THIS GARMENT a lot.",
                "THIS GARMENT IS very nice, with one small niggle.",
                "Happy with THIS GARMENT overall.",
                "BRAND did well: THIS GARMENT IS nearly perfect.",
            ],
            stream,
        ),
        3 => pick(
            &[
                "THIS GARMENT IS fine, no more than that.",
                "I wanted to love THIS GARMENT and only like what I see.",
                "THIS GARMENT IS okay, but I have had better from BRAND.",
            ],
            stream,
        ),
        2 => pick(
            &[
                "THIS GARMENT IS not what I expected.",
                "I was looking forward to THIS GARMENT and am let down.",
                "For the price I expected more of THIS GARMENT.",
            ],
            stream,
        ),
        _ => pick(
            &[
                "THIS GARMENT IS the worst thing I have bought in a long time.",
                "I cannot recommend THIS GARMENT.",
                "THIS GARMENT went straight back in the bag.",
                "Nothing about THIS GARMENT is as described.",
            ],
            stream,
        ),
    };
    let told = wanted.replace("THIS", this).replace("GARMENT", garment).replace("IS", is);
    sentence(&told.replace("HAVE", have).replace("BRAND", traits.brand))
}

fn fit_remark(traits: &Traits, rating: u8, fit: Fit, stream: &mut impl Rng) -> Option<String> {
    let plural = is_plural(traits.garment);
    let (they, run, fits) = if plural { ("They", "run", "fit") } else { ("It", "runs", "fits") };
    let happy = rating >= 4;
    Some(match (fit, happy) {
        (Fit::Unsized, _) => return None,
        (Fit::Small, true) => format!("{they} {run} small, so I am glad that I took a size up."),
        (Fit::Small, false) => {
            let end = pick(
                &["far too tight for me", "my usual size was too tight", "at least one size out"],
                stream,
            );
            format!("{they} {run} small: {end}.")
        }
        (Fit::Large, true) => format!("{they} {run} a little large; I could have gone a size down."),
        (Fit::Large, false) => {
            let end = pick(
                &["I was swimming in my usual size", "much too wide on me", "order a size down"],
                stream,
            );
            format!("{they} {run} large: {end}.")
        }
        (Fit::True, true) => match traits.fit {
            "regular" => format!("{they} {fits} true to size."),
            cut => format!("The {cut} cut is true to size."),
        },
        (Fit::True, false) => format!(
            "The size was right, so that is not why {} disappointed.",
            if plural { "they" } else { "it" }
        ),
    })
}

fn material_remark(traits: &Traits, rating: u8, stream: &mut impl Rng) -> Option<String> {
    let praise = [
        "is lovely and soft",
        "feels well made",
        "washes well",
        "has a good weight",
        "is better than I expected",
    ];
    let blame =
        ["feels thin", "bobbled after one wash", "feels cheap", "is scratchy", "lost its shape in the wash"];
    let hard = matches!(traits.material, "leather" | "suede" | "rubber" | "straw" | "waxed cotton");
    let said = match (rating, hard) {
        (4.., false) => pick(&praise, stream),
        (4.., true) => pick(&["feels well made", "is of good quality", "is better than I expected"], stream),
        (3, _) => "is neither good nor bad",
        (_, false) => pick(&blame, stream),
        (_, true) => pick(&["feels cheap", "cracked within a week", "smells odd"], stream),
    };
    Some(format!("The {} {said}.", traits.material))
}

fn colour_remark(colour: &str, rating: u8, stream: &mut impl Rng) -> Option<String> {
    let said = match rating {
        4.. => pick(&["is gorgeous", "is just as in the picture", "goes with everything"], stream),
        3 => "is a little different from the picture",
        _ => pick(&["is nothing like the picture", "looks dull in daylight", "faded at once"], stream),
    };
    Some(format!("The {colour} {said}."))
}

fn occasion_remark(occasion: &str) -> &'static str {
    match occasion {
        "wedding guest" => "Wore it to a wedding and had so many compliments.",
        "office" | "interview" => "Smart enough for the office.",
        "party" | "date night" => "Perfect for a night out.",
        "beach" | "holiday" => "Came on holiday with me and was worn almost every day.",
        "festival" | "outdoor" => "Kept me comfortable in a whole day of rain.",
        "gym" => "Comfortable in the gym too.",
        "golf" => "Good on the golf course.",
        "school" => "Has survived a term of school.",
        "lounge" => "I live in this at home.",
        "gift" => "Bought as a gift, and it was very well received.",
        _ => "I wear it all the time.",
    }
}

fn ending(rating: u8, stream: &mut impl Rng) -> Option<String> {
    let said = match rating {
        5 => pick(
            &["Highly recommended.", "Already ordered another colour.", "Delivery was quick as well."],
            stream,
        ),
        4 => pick(&["Would recommend.", "Wait for the sale if you can.", "Delivery was quick."], stream),
        3 => pick(&["I am keeping it for now.", "Still deciding whether to keep it."], stream),
        _ => pick(
            &["It is going back.", "I would not buy it again.", "The refund at least was quick."],
            stream,
        ),
    };
    Some(said.to_owned())
}
