//! Brands, all invented.

/// A brand.
#[derive(Debug, PartialEq, Eq)]
pub struct Brand {
    /// Its name.
    pub name: &'static str,
    /// Its prices against the usual ones, in thousandths.
    pub price_permille: i64,
    /// Departments that it makes for, by their first letters.
    departments: &'static str,
    /// Groups of garments that it makes; empty: any but shoes.
    groups: &'static [&'static str],
}

const fn brand(name: &'static str, price_permille: i64, departments: &'static str) -> Brand {
    Brand { name, price_permille, departments, groups: &[] }
}

const fn only(brand: Brand, groups: &'static [&'static str]) -> Brand {
    Brand { groups, ..brand }
}

/// A brand from here on is dear: whole pounds.
pub const PREMIUM_PERMILLE: i64 = 1_500;
/// A brand up to here is cheap.
pub const VALUE_PERMILLE: i64 = 700;

const SHOES: &[&str] = &["shoes"];
const SPORT: &[&str] = &["tops", "sweatshirts", "trousers", "shorts", "swimwear", "bottoms", "shoes"];
const OUTDOOR: &[&str] = &["coats-and-jackets", "outerwear", "knitwear", "sweatshirts", "accessories"];
const TAILORED: &[&str] = &["coats-and-jackets", "trousers", "tops", "knitwear", "dresses", "skirts"];

/// Every brand.
pub const BRANDS: [Brand; 30] = [
    brand("Harbour & Vale", 1_000, "wm"),
    brand("Aldermoor Lane", 1_100, "wm"),
    brand("Brackenfold", 900, "wmk"),
    brand("Calderwick & Moss", 1_300, "wm"),
    brand("Dunnowhere", 600, "wmk"),
    brand("Elmsworth Row", 1_250, "w"),
    brand("Fernhollow Thread", 950, "wk"),
    brand("Greyholt & Sons", 1_550, "m"),
    brand("Ivorelle Atelier", 1_900, "w"),
    brand("Juniper & Quill", 850, "wm"),
    brand("Kestrelby", 750, "m"),
    brand("Larkenmere", 1_000, "w"),
    brand("Marlowe Finchley", 1_200, "m"),
    brand("Oakumdale Trading", 800, "wm"),
    brand("Plainwell Basics", 550, "wmk"),
    brand("Quillstonebury", 1_600, "wm"),
    brand("Rowantide", 1_000, "wmk"),
    brand("Umberleigh Studio", 1_150, "w"),
    brand("Velmorane", 650, "w"),
    brand("Yarrowsby", 700, "wmk"),
    only(brand("Northwold Tarn", 1_350, "wmk"), OUTDOOR),
    only(brand("Saltmarsh Rigging", 1_200, "wm"), OUTDOOR),
    only(brand("Thornecliffe Tailors", 1_700, "wm"), TAILORED),
    only(brand("Pacerunne", 950, "wmk"), SPORT),
    only(brand("Cobblestowe", 1_000, "wmk"), SHOES),
    only(brand("Stridewold", 800, "wmk"), SHOES),
    only(brand("Lastings & Welt", 1_600, "wm"), SHOES),
    brand("Tumbleby", 1_000, "k"),
    brand("Little Otterby", 1_250, "k"),
    brand("Pebblewicket", 750, "k"),
];

impl Brand {
    /// Whether it makes such garments.
    pub fn makes(&self, department: &str, group: &str) -> bool {
        let is_for = department.chars().next().is_some_and(|letter| self.departments.contains(letter));
        is_for && if self.groups.is_empty() { group != "shoes" } else { self.groups.contains(&group) }
    }
}
