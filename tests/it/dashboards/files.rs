//! What the dashboards and the alert rules ask for.

use std::collections::BTreeSet;

use serde_json::Value;
use support::files::checkout;

/// A question to Prometheus, and where it stands.
#[derive(Debug, Clone)]
pub struct Query {
    /// Dashboard and panel.
    pub place: String,
    /// The expression.
    pub expression: String,
}

/// Every dashboard with the name of its file.
pub fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(checkout().join("dashboards/grafana")).expect("dashboards");
    files
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("text");
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
}

/// The panels of a dashboard, rows among them.
pub fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().expect("panels")
}

/// Every query of every dashboard.
pub fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
            let targets = panel["targets"].as_array().expect("targets");
            assert!(!targets.is_empty(), "{name}: {} asks nothing", panel["title"]);
            queries.extend(targets.iter().map(|target| Query {
                place: format!("{name}: {}", panel["title"].as_str().expect("a title")),
                expression: target["expr"].as_str().expect("an expression").to_owned(),
            }));
        }
    }
    queries
}

/// The metric names of an expression: words with an underscore that are neither a function nor in a selector or a text.
pub fn metric_names(expression: &str) -> BTreeSet<String> {
    const FUNCTIONS: [&str; 3] = ["histogram_quantile", "label_replace", "clamp_min"];
    let mut bare = String::new();
    let (mut depth, mut is_text) = (0, false);
    for character in expression.chars() {
        match character {
            '"' => is_text = !is_text,
            '{' | '[' if !is_text => depth += 1,
            '}' | ']' if !is_text => depth -= 1,
            _ if depth == 0 && !is_text => bare.push(character),
            _ => {}
        }
    }
    bare.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.contains('_') && !FUNCTIONS.contains(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn names_are_told_from_labels_and_functions() {
    let names = metric_names(concat!(
        "histogram_quantile(0.5, sum by (le) (rate(a_b_bucket{c_d=\"e_f\"}[$__rate_interval])))",
        " or label_replace(g_h, \"i_j\", \"$1\", \"k\", \"{_}\")",
    ));
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a_b_bucket", "g_h"]);
}
