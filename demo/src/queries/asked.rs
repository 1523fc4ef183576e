//! What a query asks for, and how well a product answers it.

use crate::catalogue::colour;
use crate::shop::DemoProduct;

/// What a query asks for; what it does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// A garment or the last word of several: `dress` asks for a midi dress too.
    pub garment: Option<&'static str>,
    /// The family of the garment, for what is like it.
    pub family: Option<&'static str>,
    /// `women`, `men`, `kids`.
    pub department: Option<&'static str>,
    /// The brand.
    pub brand: Option<&'static str>,
    /// The material.
    pub material: Option<&'static str>,
    /// The pattern.
    pub pattern: Option<&'static str>,
    /// The fit.
    pub fit: Option<&'static str>,
    /// The occasion.
    pub occasion: Option<&'static str>,
    /// The season.
    pub season: Option<&'static str>,
    /// A colour, or a family of colours.
    pub colour: Option<&'static str>,
    /// A size as variants have it.
    pub size: Option<String>,
    /// An attribute of the product, name and value.
    pub detail: Option<(String, String)>,
}

impl Asked {
    /// 3: all that is asked for. 2: the garment and most of the rest. 1: the garment with less or for another
    /// department, or something like it with a part of the rest. 0: none of these.
    pub fn grade(&self, made: &DemoProduct) -> u8 {
        let traits = &made.traits;
        let is_garment = self.garment.is_none_or(|asked| is_kind_of(traits.garment, asked));
        let is_related = self.family.is_some_and(|family| family == self::family(traits.garment));
        if !is_garment && !is_related {
            return 0;
        }
        let answers = self.answers(made);
        let matched = answers.iter().filter(|answer| **answer).count();
        let missed = answers.len() - matched;
        let is_for_another = self.department.is_some_and(|department| department != traits.department);
        match (is_garment, missed) {
            (true, 0) if !is_for_another => 3,
            (true, 1) if matched > 0 && !is_for_another => 2,
            (true, _) if matched > missed && !is_for_another => 2,
            (true, _) if self.garment.is_some() || matched > 0 => 1,
            (false, _) if !is_for_another && (matched > 0 || answers.is_empty()) => 1,
            _ => 0,
        }
    }

    /// For each thing that is asked for beside garment and department, whether the product has it.
    fn answers(&self, made: &DemoProduct) -> Vec<bool> {
        let traits = &made.traits;
        let mut answers = Vec::new();
        let plain = [
            (self.brand, traits.brand),
            (self.material, traits.material),
            (self.pattern, traits.pattern),
            (self.fit, traits.fit),
            (self.occasion, traits.occasion),
            (self.season, traits.season),
        ];
        answers.extend(plain.iter().filter_map(|(asked, has)| asked.map(|asked| asked == *has)));
        answers.extend(self.colour.map(|asked| {
            traits.colours.iter().any(|name| *name == asked || colour::named(name).family == asked)
        }));
        answers.extend(self.size.as_ref().map(|asked| {
            made.product.variants.iter().any(|variant| variant.options.get("size") == Some(asked))
        }));
        answers.extend(
            self.detail.as_ref().map(|(name, value)| made.product.attributes.get(name) == Some(value)),
        );
        answers
    }
}

/// Whether a garment is one of that kind: a midi dress is a dress.
fn is_kind_of(garment: &str, kind: &str) -> bool {
    garment == kind || garment.strip_suffix(kind).is_some_and(|rest| rest.ends_with(' '))
}

/// Garments of one family may stand for each other.
pub fn family(garment: &str) -> &'static str {
    let last = garment.rsplit(' ').next().unwrap_or(garment);
    match last {
        "dress" => "dresses",
        "t-shirt" | "blouse" | "shirt" | "camisole" => "tops",
        "jumper" | "cardigan" | "hoodie" | "sweatshirt" => "warm tops",
        "trousers" | "chinos" | "joggers" | "leggings" | "jeans" => "trousers",
        "skirt" => "skirts",
        "shorts" => "shorts",
        "coat" | "jacket" | "blazer" | "overcoat" | "parka" | "raincoat" => "coats",
        "swimsuit" => "swimwear",
        "pyjamas" => "nightwear",
        "trainers" | "boots" | "heels" | "flats" | "loafers" | "wellies" => "shoes",
        "bag" | "handbag" | "backpack" => "bags",
        "hat" | "beanie" => "hats",
        "scarf" => "scarves",
        "belt" => "belts",
        _ => "socks",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use crate::shop::{Size, Traits};

    fn product(garment: &'static str, material: &'static str, colours: &[&'static str]) -> DemoProduct {
        let size = Size::of_orders(1, 1, "2026-11-21T09:00:00Z".parse().unwrap());
        let mut made = catalogue::make(&Size { products: 1, ..size }).products.remove(0);
        made.traits = Traits {
            department: "women",
            garment,
            material,
            pattern: "plain",
            fit: "relaxed",
            occasion: "office",
            season: "summer",
            colours: colours.to_vec(),
            brand: "Larkenmere",
        };
        made
    }

    #[test]
    fn grades_follow_from_traits() {
        let asked = Asked {
            garment: Some("dress"),
            family: Some("dresses"),
            material: Some("linen"),
            colour: Some("navy"),
            ..Asked::default()
        };
        let grade =
            |garment, material, colours: &[&'static str]| asked.grade(&product(garment, material, colours));
        assert_eq!(grade("midi dress", "linen", &["black", "navy"]), 3);
        assert_eq!(grade("midi dress", "cotton", &["navy"]), 2);
        assert_eq!(grade("midi dress", "cotton", &["red"]), 1);
        assert_eq!(grade("shirt", "linen", &["navy"]), 0);
        let family = Asked { colour: Some("blue"), ..asked.clone() };
        assert_eq!(family.grade(&product("maxi dress", "linen", &["navy"])), 3, "navy is a blue");
        let men = Asked { department: Some("men"), ..asked };
        assert_eq!(men.grade(&product("midi dress", "linen", &["navy"])), 1, "another department");
    }

    #[test]
    fn what_is_like_it_is_related() {
        let asked = Asked {
            garment: Some("jumper"),
            family: Some("warm tops"),
            colour: Some("navy"),
            ..Asked::default()
        };
        assert_eq!(asked.grade(&product("cardigan", "wool", &["navy"])), 1);
        assert_eq!(asked.grade(&product("cardigan", "wool", &["red"])), 0);
        assert_eq!(asked.grade(&product("jumper", "wool", &["red"])), 1);
        let brand = Asked { brand: Some("Larkenmere"), ..Asked::default() };
        assert_eq!(brand.grade(&product("belt", "leather", &["tan"])), 3);
    }

    #[test]
    fn every_garment_has_its_family() {
        for garment in catalogue::garment::all() {
            let family = family(garment.name);
            assert!(family != "socks" || garment.name == "socks", "{}", garment.name);
        }
        assert!(
            is_kind_of("polo shirt", "shirt")
                && !is_kind_of("t-shirt", "shirt")
                && is_kind_of("belt", "belt")
        );
    }
}
