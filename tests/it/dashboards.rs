//! Dashboards ask for metrics that the programs really have, and their panels do not lie on each other.

use std::collections::HashSet;

use serde_json::Value;
use support::files::checkout;

const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(checkout().join("dashboards/grafana")).expect("dashboards");
    files
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("text");
            (path.display().to_string(), serde_json::from_str(&text).expect("JSON"))
        })
        .collect()
}

/// Every text in quotes of the programs' sources: metric names are among them.
fn quoted_words() -> HashSet<String> {
    let mut words = HashSet::new();
    let mut folders: Vec<_> = ["api", "cache", "ingest", "store", "search-indexer", "worker", "analytics"]
        .iter()
        .map(|room| checkout().join(room).join("src"))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).expect("text");
                words.extend(text.split('"').skip(1).step_by(2).map(str::to_owned));
                words.extend(text.split('"').step_by(2).map(str::to_owned));
            }
        }
    }
    words
}

/// The metric names of an expression: words with an underscore that are no label.
fn metric_names(expression: &str) -> Vec<String> {
    let mut without_labels = String::new();
    let mut depth = 0;
    for character in expression.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => without_labels.push(character),
            _ => {}
        }
    }
    without_labels
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.contains('_') && !["histogram_quantile", "__rate_interval"].contains(word))
        .map(|word| {
            let base = SUFFIXES.iter().find_map(|suffix| word.strip_suffix(suffix));
            base.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn every_query_names_a_metric_of_ours() {
    let words = quoted_words();
    let mut count = 0;
    for (file, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                for name in metric_names(target["expr"].as_str().expect("an expression")) {
                    assert!(words.contains(&name), "{file}: {}: no program has {name}", panel["title"]);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 10, "{count} metric names");
}

#[test]
fn every_query_names_a_job_that_is_scraped() {
    let template = checkout().join("dashboards/prometheus/prometheus.yml.template");
    let template = std::fs::read_to_string(template).expect("text");
    let scraped: HashSet<_> =
        template.lines().filter_map(|line| line.trim().strip_prefix("- job_name: ")).collect();
    let text: Vec<_> = dashboards().iter().map(|(_, dashboard)| dashboard.to_string()).collect();
    let mut count = 0;
    for part in text.iter().flat_map(|text| text.split("job=").skip(1)) {
        let jobs = part.trim_start_matches('~').trim_start_matches(['\\', '"']);
        for job in jobs.split(['\\', '"']).next().expect("a value").split('|') {
            assert!(scraped.contains(job), "nothing is scraped as {job}");
            count += 1;
        }
    }
    assert!(count >= 5, "{count} jobs");
}

#[test]
fn panels_have_ids_and_places_of_their_own() {
    for (file, dashboard) in dashboards() {
        let mut ids = HashSet::new();
        let mut cells = HashSet::new();
        for panel in dashboard["panels"].as_array().expect("panels") {
            assert!(ids.insert(panel["id"].as_u64()), "{file}: id {} twice", panel["id"]);
            let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
            assert!(place("x") + place("w") <= 24, "{file}: {} is wider than the page", panel["title"]);
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(cells.insert((x, y)), "{file}: {} lies on another panel", panel["title"]);
                }
            }
        }
    }
}
