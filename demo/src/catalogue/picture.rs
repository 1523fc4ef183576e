//! Pictures: a garment's silhouette in its colour and pattern, as SVG without scripts or references to elsewhere.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::silhouette::{Layer, named};
use crate::shop::Picture;

/// Letters of a key: half of the hash, in hexadecimal digits.
const KEY_LENGTH: usize = 32;
const BACKGROUNDS: [&str; 6] = ["#eef1f4", "#f4efe8", "#eaeef0", "#f0ebe4", "#f3eeee", "#edf0ea"];
const SHADING: &str = "<linearGradient id=\"s\"><stop stop-opacity=\".14\"/>\
    <stop offset=\".3\" stop-color=\"#fff\" stop-opacity=\".12\"/>\
    <stop offset=\".7\" stop-color=\"#fff\" stop-opacity=\".02\"/>\
    <stop offset=\"1\" stop-opacity=\".16\"/></linearGradient>";

type Rgb = [u8; 3];

/// The picture of a garment. `background` chooses among a few soft tones.
pub fn draw(silhouette: &str, colour: Rgb, pattern: &str, background: usize) -> Picture {
    let layers = named(silhouette).expect("every garment names a silhouette that there is");
    let content = svg(layers, colour, pattern, BACKGROUNDS[background % BACKGROUNDS.len()]);
    let mut key = String::with_capacity(KEY_LENGTH + 4);
    for byte in &Sha256::digest(content.as_bytes())[..KEY_LENGTH / 2] {
        write!(key, "{byte:02x}").expect("a string takes every text");
    }
    key.push_str(".svg");
    Picture { key, content }
}

fn svg(layers: &[Layer], colour: Rgb, pattern: &str, background: &str) -> String {
    let palette = Palette::of(colour);
    let fabric = fabric(pattern, &palette);
    let mut svg = String::with_capacity(3_000);
    svg.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 800\"><defs>");
    svg.push_str(SHADING);
    svg.push_str(&fabric);
    svg.push_str("</defs><rect width=\"640\" height=\"800\" fill=\"");
    svg.push_str(background);
    svg.push_str("\"/><ellipse cx=\"320\" cy=\"744\" rx=\"210\" ry=\"14\" opacity=\".07\"/>");
    svg.push_str(
        "<g fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\" stroke-width=\"3\" stroke=\"",
    );
    svg.push_str(&palette.ink);
    svg.push_str("\">");
    for layer in layers {
        paint(&mut svg, layer, &palette, !fabric.is_empty());
    }
    svg.push_str("</g></svg>");
    svg
}

fn paint(svg: &mut String, layer: &Layer, palette: &Palette, has_pattern: bool) {
    let mut path = |attributes: &str| {
        for part in ["<path d=\"", layer.path, "\" ", attributes, "/>"] {
            svg.push_str(part);
        }
    };
    match layer.kind {
        "body" => {
            path(&format!("fill=\"{}\"", palette.cloth));
            if has_pattern {
                path("fill=\"url(#p)\" opacity=\".8\" stroke=\"none\"");
            }
            path("fill=\"url(#s)\"");
        }
        "back" | "dark" => path(&format!("fill=\"{}\"", palette.dark)),
        "light" => path(&format!("fill=\"{}\"", palette.light)),
        "strap" => path(&format!("stroke=\"{}\" stroke-width=\"14\"", palette.dark)),
        "sole" => path("fill=\"#f7f4ee\" stroke=\"#b9b2a6\""),
        "metal" => path("stroke=\"#c9a45c\" stroke-width=\"11\""),
        "rib" => path("stroke-width=\"28\" stroke-dasharray=\"3 9\" stroke-linecap=\"butt\" opacity=\".4\""),
        "stitch" => path("stroke=\"#d9a860\" stroke-dasharray=\"8 6\""),
        "dots" => path("stroke=\"#f3eee4\" stroke-width=\"12\""),
        _ => path("opacity=\".75\""),
    }
}

/// The shades of one colour.
struct Palette {
    cloth: String,
    dark: String,
    light: String,
    ink: String,
    print: String,
    heart: String,
}

impl Palette {
    fn of(colour: Rgb) -> Self {
        const BLACK: Rgb = [0; 3];
        const WHITE: Rgb = [255; 3];
        const MIDNIGHT: Rgb = [0x1d, 0x2b, 0x4f];
        let [red, green, blue] = colour.map(u32::from);
        let luminance = (299 * red + 587 * green + 114 * blue) / 1_000;
        let ink = if luminance > 70 { mix(colour, BLACK, 50) } else { mix(colour, WHITE, 38) };
        let print = if luminance < 150 { WHITE } else { mix(colour, MIDNIGHT, 75) };
        let heart = mix(colour, if luminance < 90 { WHITE } else { BLACK }, 35);
        Self {
            cloth: hex(colour),
            dark: hex(mix(colour, BLACK, 28)),
            light: hex(mix(colour, WHITE, 12)),
            ink: hex(ink),
            print: hex(print),
            heart: hex(heart),
        }
    }
}

fn mix(colour: Rgb, other: Rgb, percent: u32) -> Rgb {
    let channel = |index: usize| {
        let mixed = u32::from(colour[index]) * (100 - percent) + u32::from(other[index]) * percent;
        u8::try_from((mixed + 50) / 100).expect("a mean of two bytes")
    };
    [channel(0), channel(1), channel(2)]
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// What is printed on the cloth: an SVG pattern of id `p`; empty for plain cloth.
fn fabric(pattern: &str, palette: &Palette) -> String {
    let Palette { print, heart, .. } = palette;
    let tile = |size: u32, content: String| {
        let unit = "patternUnits=\"userSpaceOnUse\"";
        format!("<pattern id=\"p\" width=\"{size}\" height=\"{size}\" {unit}>{content}</pattern>")
    };
    match pattern {
        "striped" => tile(36, format!("<path d=\"M0 9H36\" stroke=\"{print}\" stroke-width=\"12\"/>")),
        "polka dot" => {
            let dots = "<circle cx=\"11\" cy=\"11\" r=\"7\"/><circle cx=\"33\" cy=\"33\" r=\"7\"/>";
            tile(44, format!("<g fill=\"{print}\">{dots}</g>"))
        }
        "checked" => {
            let wide = "d=\"M14 0V56M0 14H56\" stroke-width=\"20\" opacity=\".45\"";
            let narrow = "d=\"M42 0V56M0 42H56\" stroke-width=\"3\"";
            tile(56, format!("<g stroke=\"{print}\"><path {wide}/><path {narrow}/></g>"))
        }
        "floral" => {
            let petals = [(22, 13), (31, 19), (28, 29), (16, 29), (13, 19)];
            let petals: String =
                petals.iter().map(|(x, y)| format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"7\"/>")).collect();
            let flowers = format!("<g id=\"f\">{petals}</g><use href=\"#f\" x=\"42\" y=\"42\"/>");
            let hearts = "<circle cx=\"22\" cy=\"22\" r=\"5\"/><circle cx=\"64\" cy=\"64\" r=\"5\"/>\
                <path d=\"M58 12q18 2 14 20q-16-4-14-20M16 54q-4 18 12 20q6-16-12-20\"/>";
            tile(84, format!("<g fill=\"{print}\">{flowers}</g><g fill=\"{heart}\">{hearts}</g>"))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue::garment;

    #[test]
    fn every_garment_is_drawn_small_and_safe() {
        let sleeves = ["long-tee", "long-polo", "short-shirt"].map(|silhouette| (silhouette, "striped"));
        let drawn = garment::all().iter();
        let drawn = drawn.flat_map(|it| it.patterns.iter().map(|pattern| (it.silhouette, *pattern)));
        let mut keys = BTreeSet::new();
        for (silhouette, pattern) in drawn.chain(sleeves) {
            let picture = draw(silhouette, [0x22, 0x34, 0x5c], pattern, 0);
            let size = picture.content.len();
            assert!((800..=4_000).contains(&size), "{silhouette}: {size} bytes");
            let content = picture.content.replace("http://www.w3.org/2000/svg", "");
            let unsafe_words = ["script", "http:", "https:", "data:", " on", "foreignObject"];
            assert!(!unsafe_words.iter().any(|word| content.contains(word)), "{content}");
            assert!(picture.key.len() == 36 && picture.key.ends_with(".svg"));
            assert_eq!(pattern != "plain", content.contains("<pattern"), "{pattern}");
            keys.insert(picture.key);
        }
        assert!(keys.len() > 100);
    }

    #[test]
    fn equal_pictures_are_one() {
        let draw = |background| draw("tee", [200, 30, 30], "striped", background);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1).key, draw(2).key);
    }
}
