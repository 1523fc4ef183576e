//! Dashboards and alerts ask for what is there, and their panels do not lie on each other.

mod containers;
mod files;
mod live;
mod processes;

use std::collections::HashSet;
use std::process::Command;

use devstack::servers::prometheus;
use files::{dashboards, panels};
use support::files::checkout;

#[test]
fn every_query_names_a_job_that_is_scraped() {
    let template = checkout().join("dashboards/prometheus/prometheus.yml.template");
    let template = std::fs::read_to_string(template).expect("text");
    let scraped: HashSet<_> =
        template.lines().filter_map(|line| line.trim().strip_prefix("- job_name: ")).collect();
    let text: Vec<_> = files::queries().into_iter().map(|query| query.expression).collect();
    for part in text.iter().flat_map(|text| text.split("job").skip(1)) {
        let value = part.trim_start_matches(['=', '~', '!']).strip_prefix('"');
        for job in
            value.into_iter().flat_map(|value| value.split('"').next()).flat_map(|jobs| jobs.split('|'))
        {
            assert!(scraped.contains(job), "nothing is scraped as {job}");
        }
    }
    assert_eq!(scraped.len(), 10, "{scraped:?}");
}

#[test]
fn panels_have_ids_and_places_of_their_own() {
    for (file, dashboard) in dashboards() {
        let mut ids = HashSet::new();
        let mut cells = HashSet::new();
        for panel in panels(&dashboard) {
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

#[test]
fn dashboards_are_found_by_name_and_tag() {
    let all = dashboards();
    let mut names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["api", "caches", "events-and-index", "overview", "stores"]);
    for (name, dashboard) in &all {
        assert_eq!(dashboard["uid"], format!("entrepot-{name}"));
        assert_eq!(
            dashboard["tags"],
            serde_json::json!(["entrepot"]),
            "{name}: the links between them go by tag"
        );
    }
}

#[test]
fn a_stat_that_can_be_red_says_what_to_do() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard).iter().filter(|panel| panel["type"] == "stat") {
            let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
            let can_be_red = steps.as_array().expect("steps").iter().any(|step| step["color"] == "red");
            let description = panel["description"].as_str().expect("a description");
            assert!(!can_be_red || description.len() > 10, "{file}: {}", panel["title"]);
        }
    }
}

/// promtool of Prometheus' own package: the rules themselves, and when each alert comes and stays away.
#[test]
fn alert_rules_do_what_their_tests_say() {
    let folder = checkout().join("dashboards/prometheus");
    for arguments in [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]] {
        let run = Command::new("/usr/bin/promtool").args(arguments).current_dir(&folder).output();
        let output = run.expect("promtool runs");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{arguments:?}: {}", said.concat());
    }
}

#[test]
fn every_alert_has_a_test_and_a_first_step() {
    let tests =
        std::fs::read_to_string(checkout().join("dashboards/prometheus/rules.test.yml")).expect("text");
    let rules: Vec<_> = prometheus::RULES.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 10, "{} alerts", rules.len());
    for rule in rules {
        let name = rule.lines().next().expect("a name");
        assert!(
            tests.contains(&format!("alertname: {name}\n        exp_alerts:")),
            "{name} never comes in a test"
        );
        assert!(rule.contains("severity: ") && rule.contains("action: "), "{name}");
    }
}
