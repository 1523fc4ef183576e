//! Colours: the words on the shelf and what they look like.

/// A colour.
#[derive(Debug, PartialEq, Eq)]
pub struct Colour {
    /// Such as `navy`.
    pub name: &'static str,
    /// Three letters for SKUs.
    pub code: &'static str,
    /// The broad word that shoppers use, such as `blue`.
    pub family: &'static str,
    /// Red, green, blue.
    pub rgb: [u8; 3],
}

const fn colour(name: &'static str, code: &'static str, family: &'static str, hex: u32) -> Colour {
    let [_, red, green, blue] = hex.to_be_bytes();
    Colour { name, code, family, rgb: [red, green, blue] }
}

/// Every colour, in the order of a filter.
pub const COLOURS: [Colour; 36] = [
    colour("black", "BLK", "black", 0x1f1f22),
    colour("charcoal", "CHA", "grey", 0x45484d),
    colour("grey", "GRY", "grey", 0x9a9da1),
    colour("stone", "STO", "beige", 0xd3cab9),
    colour("white", "WHT", "white", 0xfafaf7),
    colour("ivory", "IVO", "white", 0xf2ede2),
    colour("beige", "BEI", "beige", 0xd9c4a3),
    colour("camel", "CAM", "brown", 0xb98a55),
    colour("tan", "TAN", "brown", 0xa9713f),
    colour("brown", "BRN", "brown", 0x6b4630),
    colour("chocolate", "CHO", "brown", 0x47302a),
    colour("rust", "RUS", "orange", 0xb0532c),
    colour("orange", "ORG", "orange", 0xe08135),
    colour("mustard", "MUS", "yellow", 0xd3a02e),
    colour("yellow", "YEL", "yellow", 0xf0cc4d),
    colour("lime", "LIM", "green", 0xa9c94b),
    colour("sage", "SAG", "green", 0x9bae95),
    colour("green", "GRN", "green", 0x3f7f55),
    colour("olive", "OLI", "green", 0x6d6c3c),
    colour("khaki", "KHA", "green", 0x9a9068),
    colour("teal", "TEA", "blue", 0x237078),
    colour("turquoise", "TUR", "blue", 0x4ab3b5),
    colour("sky blue", "SKY", "blue", 0x9cc3e3),
    colour("blue", "BLU", "blue", 0x3f6db0),
    colour("navy", "NAV", "blue", 0x22345c),
    colour("indigo", "IND", "blue", 0x34466e),
    colour("mid wash", "MID", "blue", 0x5f82ab),
    colour("light wash", "LWA", "blue", 0xa5bdd3),
    colour("lilac", "LIL", "purple", 0xbfaad6),
    colour("purple", "PUR", "purple", 0x6f4a8e),
    colour("burgundy", "BUR", "red", 0x6e2236),
    colour("red", "RED", "red", 0xc03a36),
    colour("coral", "COR", "pink", 0xea7f6a),
    colour("pink", "PNK", "pink", 0xe59fb4),
    colour("blush", "BLS", "pink", 0xedccc9),
    colour("fuchsia", "FUC", "pink", 0xc2357f),
];

/// Names of a palette, the usual ones first: a name early in the list is chosen more often.
pub fn palette(name: &str) -> &'static [&'static str] {
    match name {
        "denim" => &["indigo", "mid wash", "black", "light wash", "grey", "white"],
        "leather" => &["black", "brown", "tan", "chocolate", "navy", "burgundy", "camel", "stone"],
        "earth" => &["navy", "stone", "khaki", "olive", "black", "beige", "camel", "charcoal"],
        "suiting" => &["navy", "charcoal", "grey", "black", "brown", "camel"],
        "shirting" => &["white", "sky blue", "pink", "navy", "lilac", "grey"],
        "bright" => &[
            "navy",
            "red",
            "pink",
            "green",
            "yellow",
            "sky blue",
            "blue",
            "white",
            "grey",
            "purple",
            "orange",
            "turquoise",
            "coral",
            "lime",
            "lilac",
            "mustard",
        ],
        _ => &[
            "black",
            "navy",
            "white",
            "grey",
            "ivory",
            "green",
            "blue",
            "red",
            "pink",
            "beige",
            "burgundy",
            "olive",
            "sage",
            "charcoal",
            "rust",
            "camel",
            "brown",
            "teal",
            "mustard",
            "sky blue",
            "blush",
            "lilac",
            "stone",
            "purple",
            "coral",
            "khaki",
            "yellow",
            "turquoise",
            "orange",
            "fuchsia",
        ],
    }
}

/// Names of the palette for a material: denim has its own washes, whatever is made of it.
pub fn palette_in(name: &str, material: &str) -> &'static [&'static str] {
    palette(if material == "denim" { "denim" } else { name })
}

/// The colour of that name.
pub fn named(name: &str) -> &'static Colour {
    COLOURS.iter().find(|colour| colour.name == name).expect("every palette names colours of the list")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_codes_are_unique_and_palettes_known() {
        let names: BTreeSet<_> = COLOURS.iter().map(|colour| colour.name).collect();
        let codes: BTreeSet<_> = COLOURS.iter().map(|colour| colour.code).collect();
        assert_eq!((names.len(), codes.len()), (COLOURS.len(), COLOURS.len()));
        for name in ["all", "denim", "leather", "earth", "suiting", "shirting", "bright"] {
            assert!(palette(name).iter().all(|colour| names.contains(colour)), "{name}");
        }
        assert_eq!(named("navy").rgb, [0x22, 0x34, 0x5c]);
    }
}
