//! Silhouettes: what a garment is drawn as, read from a table beside this file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A layer of a drawing: what it is and its SVG path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// `back`, `strap`, `body`, `dark`, `light`, `sole`, `metal`, `rib`, `line`, `stitch`, `dots`.
    pub kind: &'static str,
    /// SVG path data on a canvas of 640 x 800.
    pub path: &'static str,
}

/// The layers of a silhouette, the lowest first; `None` when there is none of that name.
pub fn named(name: &str) -> Option<&'static [Layer]> {
    static SILHOUETTES: LazyLock<BTreeMap<&str, Vec<Layer>>> = LazyLock::new(parse);
    SILHOUETTES.get(name).map(Vec::as_slice)
}

fn parse() -> BTreeMap<&'static str, Vec<Layer>> {
    let mut silhouettes: BTreeMap<&str, Vec<Layer>> = BTreeMap::new();
    let blocks = include_str!("silhouettes.txt").split("\n\n").filter(|block| !block.starts_with('#'));
    for block in blocks {
        let mut lines = block.lines();
        let name = lines.next().expect("a block has a name");
        let mut layers = Vec::new();
        for line in lines {
            match line.split_once(' ').expect("a kind and a path") {
                ("like", other) => layers.clone_from(&silhouettes[other]),
                (kind, path) => layers.push(Layer { kind, path }),
            }
        }
        silhouettes.insert(name, layers);
    }
    silhouettes
}
