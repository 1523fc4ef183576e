//! Kinds of garments: one for each leaf of the category tree, read from a table beside this file.
//!
//! Returns follow the figures that the Australian shop Birdsnest gave of 85,000 returns: dresses 31 %, jeans 29 %,
//! swimwear 27 %, coats 24 %, casual wear 23 %, essentials 13 %, formal wear 36 %. Shoes are put a little above
//! casual wear and accessories at half of it (the order in which shoppers name them to Statista Consumer Insights,
//! 2024); men's and children's are assumed lower than women's.

use std::sync::LazyLock;

use super::size_scale::{self, SizeScale};
use super::wording;

/// A kind of garment.
#[derive(Debug)]
pub struct Garment {
    /// `women`, `men`, `kids`.
    pub department: &'static str,
    /// Slug of the level below the department, such as `dresses`.
    pub group: &'static str,
    /// Slug of the leaf, such as `midi-dresses`.
    pub leaf: &'static str,
    /// Such as `midi dress`.
    pub name: &'static str,
    /// Three letters for SKUs, unique within the department.
    pub code: &'static str,
    /// What it is drawn as.
    pub silhouette: &'static str,
    /// The sizes that there are.
    pub scale: SizeScale,
    /// Palette of its colours.
    pub palette: &'static str,
    /// What it is made of.
    pub materials: Vec<&'static str>,
    /// `plain` and others.
    pub patterns: Vec<&'static str>,
    /// How it sits.
    pub fits: Vec<&'static str>,
    /// What it is worn for.
    pub occasions: Vec<&'static str>,
    /// When it sells.
    pub seasons: Vec<&'static str>,
    /// Attributes that only such garments have, with their values.
    pub details: Vec<(&'static str, Vec<&'static str>)>,
    /// Usual price, in pounds, tax included.
    pub price_pounds: i64,
    /// Of a thousand sold pieces so many come back.
    pub return_permille: u32,
    /// How many products there are of it, against the others.
    pub weight: u32,
}

/// Every garment, in the order of the tree.
pub fn all() -> &'static [Garment] {
    static GARMENTS: LazyLock<Vec<Garment>> = LazyLock::new(|| {
        let lines = include_str!("garments.psv").lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| parse(line).unwrap_or_else(|| panic!("a garment per line, not {line}"))).collect()
    });
    &GARMENTS
}

fn parse(line: &'static str) -> Option<Garment> {
    let mut fields = line.split(" | ");
    let mut text = || fields.next();
    Some(Garment {
        department: text()?,
        group: text()?,
        leaf: text()?,
        name: text()?,
        code: text()?,
        silhouette: text()?,
        scale: size_scale::named(text()?)?,
        palette: text()?,
        materials: list(text()?),
        patterns: list(text()?),
        fits: list(text()?),
        occasions: list(text()?),
        seasons: list(text()?),
        details: text()?.split(';').map(detail).collect::<Option<_>>()?,
        price_pounds: text()?.parse().ok()?,
        return_permille: text()?.parse().ok()?,
        weight: text()?.parse().ok()?,
    })
}

fn list(text: &'static str) -> Vec<&'static str> {
    text.split(',').collect()
}

fn detail(text: &'static str) -> Option<(&'static str, Vec<&'static str>)> {
    let (name, values) = text.split_once('=')?;
    Some((name, list(values)))
}

impl Garment {
    /// Path of its category.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.department, self.group, self.leaf)
    }

    /// Whether it is spoken of as `these`.
    pub fn is_plural(&self) -> bool {
        wording::is_plural(self.name)
    }

    /// Seasons in which it may be made of a material: linen is for warm days, wool for cold ones.
    pub fn seasons_in(&self, material: &str) -> Vec<&'static str> {
        let fitting: &[&str] = match material {
            "linen" | "chiffon" | "straw" => &["spring", "summer"],
            "wool" | "merino wool" | "lambswool" | "cashmere" | "mohair" | "flannel" | "fleece"
            | "velvet" | "corduroy" | "tweed" => &["autumn", "winter"],
            _ => &["spring", "summer", "autumn", "winter", "all-year"],
        };
        let both: Vec<_> = self.seasons.iter().copied().filter(|season| fitting.contains(season)).collect();
        if both.is_empty() { self.seasons.clone() } else { both }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue::brand::BRANDS;

    #[test]
    fn the_table_is_whole() {
        let garments = all();
        let paths: BTreeSet<_> = garments.iter().map(Garment::path).collect();
        let codes: BTreeSet<_> = garments.iter().map(|garment| (garment.department, garment.code)).collect();
        assert_eq!((paths.len(), codes.len()), (garments.len(), garments.len()));
        assert!(garments.len() >= 60);
        for garment in garments {
            assert!(garment.code.len() == 3 && garment.weight > 0 && garment.price_pounds > 0, "{garment:?}");
            assert!((1..=400).contains(&garment.return_permille), "{garment:?}");
            let made = BRANDS.iter().filter(|brand| brand.makes(garment.department, garment.group));
            assert!(made.count() >= 3, "{garment:?}");
        }
        assert!(parse("women | dresses").is_none());
    }

    #[test]
    fn no_winter_coat_is_of_linen() {
        let seasons = |path: &str, material| {
            all().iter().find(|garment| garment.path() == path).unwrap().seasons_in(material)
        };
        assert_eq!(seasons("women/coats-and-jackets/blazers", "linen"), ["spring"]);
        assert_eq!(seasons("women/coats-and-jackets/blazers", "wool"), ["autumn"]);
        let coats = all()
            .iter()
            .filter(|garment| garment.name.ends_with("coat") && garment.seasons.contains(&"winter"));
        assert!(coats.flat_map(|coat| &coat.materials).all(|material| *material != "linen"));
    }
}
