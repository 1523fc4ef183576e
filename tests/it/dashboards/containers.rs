//! What can be held of the containers without an engine: their files agree with what runs here.

use std::collections::BTreeSet;
use std::process::Command;

use devstack::servers::prometheus;
use support::files::{checkout, folder};

fn text(path: &str) -> String {
    std::fs::read_to_string(checkout().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn prometheus_scrapes_the_same_in_containers() {
    let words = [
        ("scrape_interval", "5s"),
        ("evaluation_interval", "15s"),
        ("environment", "containers"),
        ("api", "api:9000"),
        ("ingest", "ingest:9000"),
        ("worker", "worker:9000"),
        ("search_indexer", "search-indexer:9000"),
        ("analytics", "analytics:9000"),
        ("rabbitmq", "rabbitmq:15692"),
        ("postgres_1", "postgres-exporter-1:9187"),
        ("postgres_2", "postgres-exporter-2:9187"),
        ("postgres_3", "postgres-exporter-3:9187"),
        ("redis", "redis-exporter:9121"),
        ("opensearch", "opensearch-exporter:9114"),
        ("prometheus", "localhost:9090"),
    ];
    let words = words.map(|(word, value)| (word.to_owned(), value.to_owned()));
    assert_eq!(text("deploy/prometheus.yml"), prometheus::configuration(&words).expect("every word"));
    let incomplete = prometheus::configuration(&words[1..]).expect_err("a word is missing").to_string();
    assert!(incomplete.contains("scrape_interval"), "{incomplete}");
    let compose = text("deploy/compose.yaml");
    for (_, target) in
        words.iter().filter(|(_, value)| value.contains(':') && !value.starts_with("localhost"))
    {
        let (service, _) = target.split_once(':').expect("host:port");
        assert!(compose.contains(&format!("\n  {service}:\n")), "there is no service {service}");
    }
}

#[test]
fn the_settings_of_the_containers_are_complete() {
    let settings = text("deploy/entrepot.toml");
    let tokens: String = ["admin", "vendor", "merchandiser", "analyst", "shopper"]
        .map(|role| format!("{role} = \"{role:a>32}\"\n"))
        .concat();
    // What compose.yaml gives as variables.
    let whole = settings
        .replace("[postgres]\n", "[postgres]\npassword = \"p\"\n")
        .replace("[api]\n", &format!("[api]\ncursor_key = \"{}\"\n", "ab".repeat(32)))
        + &format!("\n[amqp]\nurl = \"amqp://rabbitmq\"\n\n[development_tokens]\n{tokens}");
    let path = folder("containers").join("entrepot.toml");
    std::fs::write(&path, whole).expect("written");
    let read: api::settings::Settings = process::settings::load(&path).expect("valid settings");
    assert_eq!(read.postgres.nodes.len(), 3);
    let compose = text("deploy/compose.yaml");
    for variable in ["POSTGRES__PASSWORD", "AMQP__URL", "API__CURSOR_KEY", "DEVELOPMENT_TOKENS__ADMIN"] {
        assert!(compose.contains(&format!("ENTREPOT__{variable}: ")), "{variable} is given to nobody");
    }
}

#[test]
fn every_variable_of_the_containers_is_in_the_example() {
    let compose = text("deploy/compose.yaml");
    let asked: BTreeSet<&str> =
        compose.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next()).collect();
    let example = text("deploy/.env.example");
    let given: BTreeSet<&str> =
        example.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let unknown: Vec<_> = asked.difference(&given).filter(|name| **name != "RUST_LOG").collect();
    assert!(asked.len() > 10 && unknown.is_empty(), "{unknown:?}");
}

/// Only where the program is: nothing else here needs it.
#[test]
fn compose_takes_the_file() {
    let Some(variables) = example_with_values() else { return };
    let run = Command::new("docker-compose")
        .arg("--env-file")
        .arg(variables)
        .args(["--file", "deploy/compose.yaml", "config", "--quiet"])
        .current_dir(checkout())
        .output()
        .expect("docker-compose runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

fn example_with_values() -> Option<std::path::PathBuf> {
    Command::new("docker-compose").arg("--version").output().ok()?;
    let path = folder("compose").join("env");
    let filled = text("deploy/.env.example").replace("=\n", "=a1\n");
    std::fs::write(&path, filled).expect("written");
    Some(path)
}
