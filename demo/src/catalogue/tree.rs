//! The category tree: departments, groups, garments, with the attributes of what is below.

use domain::category::{AttributeDefinition, Category};
use domain::ids::CategoryId;
use jiff::ToSpan;

use super::colour::{self, COLOURS};
use super::garment::{self, Garment};
use super::wording::titled;
use crate::random;
use crate::shop::Size;

/// Seasons in the order of the year.
const SEASONS: [&str; 5] = ["spring", "summer", "autumn", "winter", "all-year"];
/// The tree is older than the first product, which came at most a year before the history.
const OLDER_THAN_HISTORY_HOURS: i64 = 400 * 24;

/// The tree, parents before children.
pub fn make(size: &Size) -> Vec<Category> {
    let mut categories: Vec<Category> = Vec::new();
    for garment in garment::all() {
        for (path, name) in levels(garment) {
            let known = categories.iter().position(|category| category.path == path);
            let position = known.unwrap_or_else(|| {
                categories.push(category(size, &categories, path, name));
                categories.len() - 1
            });
            define(&mut categories[position].attributes, garment);
        }
    }
    categories
}

/// The path and the name of each level above a garment and of its own.
fn levels(garment: &Garment) -> [(String, String); 3] {
    let name =
        |slug: &str| titled(&slug.replace("-and-", " & ").replace('-', " ")).replace("T Shirts", "T-Shirts");
    let group = format!("{}/{}", garment.department, garment.group);
    [
        (garment.department.to_owned(), name(garment.department)),
        (group, name(garment.group)),
        (garment.path(), name(garment.leaf)),
    ]
}

fn category(size: &Size, known: &[Category], path: String, name: String) -> Category {
    let parent = path.rsplit_once('/').map(|(parent, _)| parent);
    let parent_id = parent.and_then(|parent| Some(known.iter().find(|category| category.path == parent)?.id));
    let siblings = known.iter().filter(|category| category.parent_id == parent_id).count();
    let made_at = size.start() - OLDER_THAN_HISTORY_HOURS.hours();
    let mut stream = random::stream(size.seed, "category", known.len() as u64);
    Category {
        id: CategoryId(random::id(made_at, &mut stream)),
        path,
        name,
        parent_id,
        position: u32::try_from(siblings).expect("a few siblings"),
        attributes: Vec::new(),
        version: 1,
    }
}

/// Adds a garment's attributes and values to those of a category.
fn define(attributes: &mut Vec<AttributeDefinition>, garment: &Garment) {
    let mut add = |name: &str, values: &[&str]| {
        let known = attributes.iter().position(|attribute| attribute.name == name);
        let position = known.unwrap_or_else(|| {
            attributes.push(AttributeDefinition { name: name.to_owned(), values: Vec::new() });
            attributes.len() - 1
        });
        let there = &mut attributes[position].values;
        for value in values.iter().map(|value| titled(value)) {
            if !there.contains(&value) {
                there.push(value);
            }
        }
    };
    let palettes = garment.materials.iter().map(|material| colour::palette_in(garment.palette, material));
    let palettes: Vec<_> = palettes.collect();
    let is_used = |name: &&str| palettes.iter().any(|palette| palette.contains(name));
    let colours = COLOURS.iter().map(|colour| colour.name).filter(is_used);
    add("colour", &colours.collect::<Vec<_>>());
    add("size", garment.scale.sizes);
    add("material", &garment.materials);
    add("pattern", &garment.patterns);
    add("fit", &garment.fits);
    add("occasion", &garment.occasions);
    add("season", &SEASONS.into_iter().filter(|season| garment.seasons.contains(season)).collect::<Vec<_>>());
    for (name, values) in &garment.details {
        add(name, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_whole() {
        let size = Size::of_orders(1_000, 1, "2026-11-21T00:00:00Z".parse().unwrap());
        let tree = make(&size);
        assert_eq!(tree, make(&size));
        let leaves = garment::all().len();
        assert!(tree.len() > leaves + 3 && tree.iter().filter(|it| it.parent_id.is_none()).count() == 3);
        for (index, category) in tree.iter().enumerate() {
            let parent = tree[..index].iter().find(|parent| Some(parent.id) == category.parent_id);
            let above = category.path.rsplit_once('/').map(|(above, _)| above);
            assert_eq!(parent.map(|parent| parent.path.as_str()), above);
            assert!(category.path.split('/').all(domain::slug::is_slug), "{}", category.path);
            assert!(category.attributes.len() <= 50);
            assert!(category.attributes.iter().all(|it| (1..=200).contains(&it.values.len())));
            let siblings = tree.iter().filter(|it| it.parent_id == category.parent_id);
            assert_eq!(
                siblings.filter(|it| it.position == category.position).count(),
                1,
                "{}",
                category.path
            );
        }
        let dresses = tree.iter().find(|category| category.path == "women/dresses").unwrap();
        let sizes = &dresses.attributes.iter().find(|it| it.name == "size").unwrap().values;
        assert_eq!(sizes, &["6", "8", "10", "12", "14", "16", "18", "20"]);
        assert!(tree.iter().any(|category| category.name == "Coats & Jackets"));
        assert!(tree.iter().any(|category| category.name == "T-Shirts"));
    }
}
