//! Scales of sizes.

use rand::{Rng, RngExt};

/// The sizes that a kind of garment comes in.
#[derive(Debug)]
pub struct SizeScale {
    /// Every size, smallest first.
    pub sizes: &'static [&'static str],
    /// A product comes in at least so many neighbouring sizes.
    least: usize,
}

const JEANS: &[&str] = &[
    "W28 L30", "W28 L32", "W30 L30", "W30 L32", "W30 L34", "W32 L30", "W32 L32", "W32 L34", "W34 L30",
    "W34 L32", "W34 L34", "W36 L32", "W36 L34", "W38 L32", "W38 L34",
];
const DENIM: &[&str] = &[
    "W24 L28", "W24 L30", "W26 L28", "W26 L30", "W26 L32", "W28 L28", "W28 L30", "W28 L32", "W30 L30",
    "W30 L32", "W32 L30", "W32 L32", "W34 L30", "W34 L32",
];
const AGES: &[&str] = &[
    "2-3 Years",
    "3-4 Years",
    "4-5 Years",
    "5-6 Years",
    "7-8 Years",
    "9-10 Years",
    "11-12 Years",
    "13-14 Years",
];

/// The scale of that name.
pub fn named(name: &str) -> Option<SizeScale> {
    let (sizes, least): (&'static [&'static str], usize) = match name {
        "alpha" => (&["XS", "S", "M", "L", "XL", "XXL"], 4),
        "dress" => (&["6", "8", "10", "12", "14", "16", "18", "20"], 5),
        "jeans" => (JEANS, 5),
        "denim" => (DENIM, 5),
        "age" => (AGES, 4),
        "shoe-women" => (&["UK 3", "UK 4", "UK 5", "UK 6", "UK 7", "UK 8"], 4),
        "shoe-men" => (&["UK 6", "UK 7", "UK 8", "UK 9", "UK 10", "UK 11", "UK 12"], 4),
        "shoe-kids" => (&["UK 8", "UK 9", "UK 10", "UK 11", "UK 12", "UK 13", "UK 1", "UK 2"], 4),
        "sock" => (&["UK 3-5", "UK 6-8", "UK 9-11"], 2),
        "sock-kids" => (&["UK 6-8", "UK 9-12", "UK 13-2"], 2),
        "belt" => (&["S/M", "M/L", "L/XL"], 2),
        "one" => (&["One Size"], 1),
        _ => return None,
    };
    Some(SizeScale { sizes, least })
}

impl SizeScale {
    /// The neighbouring sizes that one product comes in.
    pub fn run(&self, stream: &mut impl Rng) -> &'static [&'static str] {
        let most = self.sizes.len().min(self.least + 3);
        let count = stream.random_range(self.least..=most);
        let first = stream.random_range(0..=self.sizes.len() - count);
        &self.sizes[first..first + count]
    }
}

/// A size within a SKU: `W30 L32` is `3032`, `5-6 Years` is `5-6Y`.
pub fn code(size: &str) -> String {
    if size == "One Size" {
        return "OS".to_owned();
    }
    let short = size.replace("UK ", "").replace(" Years", "Y").replace('/', "");
    // A waist and a length; `L` and `XL` are sizes of their own.
    if short.starts_with('W') { short.replace(['W', 'L', ' '], "") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_short_codes() {
        let codes = ["W30 L32", "5-6 Years", "One Size", "UK 6", "L/XL", "12", "XL"].map(code);
        assert_eq!(codes, ["3032", "5-6Y", "OS", "6", "LXL", "12", "XL"]);
    }

    #[test]
    fn a_run_is_within_its_scale() {
        let mut stream = crate::random::stream(1, "run", 0);
        for name in ["alpha", "dress", "jeans", "denim", "age", "shoe-kids", "sock", "belt", "one"] {
            let scale = named(name).unwrap();
            for _ in 0..100 {
                let run = scale.run(&mut stream);
                assert!((scale.least..=scale.sizes.len()).contains(&run.len()));
            }
        }
        assert!(named("hats of the moon").is_none());
    }
}
