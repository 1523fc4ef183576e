//! How shoppers put what they ask for.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::Query;
use super::asked::{Asked, family};
use crate::catalogue::colour;
use crate::shop::{DemoProduct, Traits};

/// Forms of queries.
const FORMS: u32 = 16;

/// A query of that form about a product; `None` when the product has nothing to say in it.
pub fn query(form: u32, made: &DemoProduct, stream: &mut impl Rng) -> Option<Query> {
    let traits = &made.traits;
    let mut phrase = Phrase { words: Vec::new(), asked: Asked::default() };
    match form % FORMS {
        0 => phrase.colour(traits).material(traits)?.head(traits),
        1 => phrase.department(traits, stream).garment(traits),
        2 => phrase.department(traits, stream).pattern(traits)?.garment(traits).size(made, stream)?,
        3 => phrase.brand(traits).head(traits),
        4 => phrase.occasion(traits)?.head(traits),
        5 => phrase.colour(traits).misspelt(traits)?,
        6 => phrase.department(traits, stream).synonym(traits, stream)?,
        7 => phrase.colour_family(traits).pattern(traits)?.head(traits),
        8 => phrase.fit(traits)?.head(traits).department(traits, stream),
        9 => phrase.material(traits)?.garment(traits),
        10 => phrase.season(traits)?.head(traits),
        11 => phrase.garment(traits).size(made, stream)?,
        12 => phrase.colour(traits).synonym(traits, stream)?,
        13 => phrase.detail(made, stream)?.head(traits),
        14 => phrase.brand(traits),
        _ => phrase.colour(traits).garment(traits).department(traits, stream),
    };
    Some(Query { words: phrase.words.join(" "), asked: phrase.asked })
}

struct Phrase {
    words: Vec<String>,
    asked: Asked,
}

impl Phrase {
    fn say(&mut self, word: &str) -> &mut Self {
        self.words.push(word.to_lowercase());
        self
    }

    fn ask_garment(&mut self, traits: &Traits, garment: &'static str) {
        self.asked.garment = Some(garment);
        self.asked.family = Some(family(traits.garment));
    }

    fn garment(&mut self, traits: &Traits) -> &mut Self {
        self.ask_garment(traits, traits.garment);
        self.say(traits.garment)
    }

    /// Only the last word: `dress` of `midi dress`.
    fn head(&mut self, traits: &Traits) -> &mut Self {
        let head = traits.garment.rsplit(' ').next().unwrap_or(traits.garment);
        self.ask_garment(traits, head);
        self.say(head)
    }

    fn synonym(&mut self, traits: &Traits, stream: &mut impl Rng) -> Option<&mut Self> {
        let synonym = synonyms(traits.garment).choose(stream)?;
        self.ask_garment(traits, traits.garment);
        Some(self.say(synonym))
    }

    fn misspelt(&mut self, traits: &Traits) -> Option<&mut Self> {
        let wrong = misspelling(traits.garment)?;
        self.ask_garment(traits, traits.garment);
        Some(self.say(wrong))
    }

    fn department(&mut self, traits: &Traits, stream: &mut impl Rng) -> &mut Self {
        let words: &[&str] = match traits.department {
            "women" => &["womens", "women's", "ladies"],
            "men" => &["mens", "men's"],
            _ => &["kids", "childrens"],
        };
        self.asked.department = Some(traits.department);
        let word = words.choose(stream).expect("there is a word");
        self.say(word)
    }

    fn colour(&mut self, traits: &Traits) -> &mut Self {
        let colour = *traits.colours.first().expect("every product has a colour");
        self.asked.colour = Some(colour);
        self.say(colour)
    }

    fn colour_family(&mut self, traits: &Traits) -> &mut Self {
        let colour = traits.colours.first().expect("every product has a colour");
        let family = colour::named(colour).family;
        self.asked.colour = Some(family);
        self.say(family)
    }

    /// A material goes without saying where the garment has its name from it.
    fn material(&mut self, traits: &Traits) -> Option<&mut Self> {
        let goes_without = traits.material == "denim" || traits.garment.contains(traits.material);
        if goes_without {
            return None;
        }
        self.asked.material = Some(traits.material);
        Some(self.say(traits.material))
    }

    fn pattern(&mut self, traits: &Traits) -> Option<&mut Self> {
        if traits.pattern == "plain" {
            return None;
        }
        self.asked.pattern = Some(traits.pattern);
        Some(self.say(traits.pattern))
    }

    fn fit(&mut self, traits: &Traits) -> Option<&mut Self> {
        if traits.fit == "regular" || traits.garment.contains(traits.fit) {
            return None;
        }
        self.asked.fit = Some(traits.fit);
        Some(self.say(traits.fit))
    }

    fn occasion(&mut self, traits: &Traits) -> Option<&mut Self> {
        if matches!(traits.occasion, "everyday" | "weekend" | "gift" | "outdoor") {
            return None;
        }
        self.asked.occasion = Some(traits.occasion);
        Some(self.say(traits.occasion))
    }

    fn season(&mut self, traits: &Traits) -> Option<&mut Self> {
        if traits.season == "all-year" {
            return None;
        }
        self.asked.season = Some(traits.season);
        Some(self.say(traits.season))
    }

    fn brand(&mut self, traits: &Traits) -> &mut Self {
        self.asked.brand = Some(traits.brand);
        self.say(traits.brand)
    }

    fn detail(&mut self, made: &DemoProduct, stream: &mut impl Rng) -> Option<&mut Self> {
        let said = |name: &str| matches!(name, "neckline" | "sleeve" | "heel" | "rise");
        let details: Vec<_> = made.product.attributes.iter().filter(|(name, _)| said(name)).collect();
        let (name, value) = *details.choose(stream)?;
        self.asked.detail = Some((name.clone(), value.clone()));
        // Nobody says `kitten heel heels`.
        let said = if made.traits.garment == "heels" { value.trim_end_matches(" Heel") } else { value };
        Some(self.say(said))
    }

    fn size(&mut self, made: &DemoProduct, stream: &mut impl Rng) -> Option<&mut Self> {
        let variants = &made.product.variants;
        let size = variants[stream.random_range(0..variants.len())].options.get("size")?;
        let words = if let Some(ages) = size.strip_suffix(" Years") {
            format!("age {}", ages.split('-').next()?)
        } else if let Some(jeans) = size.strip_prefix('W') {
            format!("{} leg", jeans.replace(" L", " waist "))
        } else if size == "One Size" || size.contains('/') {
            return None;
        } else {
            format!("size {}", size.trim_start_matches("UK "))
        };
        self.asked.size = Some(size.clone());
        Some(self.say(&words))
    }
}

/// Other words for a garment that its page does not use.
pub(super) fn synonyms(garment: &str) -> &'static [&'static str] {
    match garment {
        "jumper" => &["sweater", "pullover"],
        "trainers" => &["sneakers", "running shoes"],
        "tailored trousers" | "suit trousers" => &["dress pants", "smart trousers"],
        "wide-leg trousers" => &["palazzo pants", "wide leg pants"],
        "pyjamas" => &["pajamas", "pjs", "sleepwear"],
        "handbag" => &["purse", "shoulder bag"],
        "tote bag" => &["shopper bag", "shopper"],
        "backpack" => &["rucksack"],
        "waterproof jacket" => &["rain jacket", "cagoule"],
        "raincoat" => &["rain mac", "waterproof coat"],
        "swimsuit" => &["swimming costume", "bathing suit"],
        "swim shorts" => &["swimming trunks", "board shorts"],
        "puffer jacket" => &["padded jacket", "quilted jacket"],
        "t-shirt" => &["tee", "tshirt"],
        "cardigan" => &["cardi"],
        "hoodie" => &["hooded sweatshirt", "hooded top"],
        "joggers" => &["sweatpants", "tracksuit bottoms"],
        "wellies" => &["wellington boots", "rain boots"],
        "camisole" => &["cami top", "strappy top"],
        "beanie" => &["woolly hat", "knitted hat"],
        "heels" => &["court shoes", "pumps"],
        "ballet flats" => &["ballerinas", "flat pumps"],
        "blazer" => &["suit jacket"],
        "polo shirt" => &["golf shirt"],
        _ => &[],
    }
}

/// As it is often typed.
fn misspelling(garment: &str) -> Option<&'static str> {
    Some(match garment {
        "cardigan" => "cardigen",
        "trainers" => "traniers",
        "wide-leg trousers" => "wide leg trowsers",
        "pyjamas" => "pyjammas",
        "blouse" => "blous",
        "jumper" => "jumpper",
        "hoodie" => "hoody",
        "leggings" => "leggins",
        "midi dress" => "midi drss",
        "maxi dress" => "maxi dres",
        "swimsuit" => "swimsut",
        "blazer" => "blazor",
        "ankle boots" => "ankel boots",
        "skinny jeans" => "skiny jeans",
        "waterproof jacket" => "waterprof jacket",
        "sweatshirt" => "swetshirt",
        "backpack" => "bakpack",
        "scarf" => "scraf",
        _ => return None,
    })
}
