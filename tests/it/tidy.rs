//! The house rules that a compiler does not hold: edges between rooms, where drivers and SQL may be, sizes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use support::files::checkout;

/// Every edge between rooms. A new one is a change of `ARCHITECTURE.md` too.
const EDGES: [(&str, &[&str]); 14] = [
    ("domain", &[]),
    ("process", &[]),
    ("lake", &["domain"]),
    ("migrations", &["process"]),
    ("store", &["domain"]),
    ("text-embedding", &[]),
    ("cache", &["domain"]),
    ("search-indexer", &["domain", "process", "store", "text-embedding"]),
    ("api", &["cache", "domain", "lake", "process", "search-indexer", "store"]),
    ("ingest", &["domain", "lake", "process", "store"]),
    ("worker", &["cache", "domain", "process", "store"]),
    ("analytics", &["domain", "lake", "process", "store"]),
    ("demo", &["domain", "lake", "process", "store"]),
    ("devstack", &["migrations"]),
];

/// Drivers and the only rooms that may know them; `tests` may know all.
const DRIVERS: [(&str, &[&str]); 12] = [
    ("tokio-postgres", &["store", "migrations", "devstack"]),
    ("deadpool-postgres", &["store"]),
    ("mongodb", &["store", "migrations", "devstack"]),
    ("bson", &["store", "migrations", "devstack"]),
    ("lapin", &["store"]),
    ("elasticsearch", &["search-indexer"]),
    ("polars", &["analytics"]),
    ("actix-web", &["api"]),
    ("rten", &["text-embedding"]),
    ("redis", &["cache"]),
    ("memcache", &["cache"]),
    ("moka", &["cache"]),
];

const LINE_COUNT_MAX: usize = 500;
const COLUMN_COUNT_MAX: usize = 120;

fn packages() -> Vec<Package> {
    let metadata = MetadataCommand::new()
        .manifest_path(checkout().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    metadata.packages
}

fn dependencies(package: &Package) -> BTreeSet<&str> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str()).collect()
}

#[test]
fn rooms_know_only_the_rooms_they_may() {
    let packages = packages();
    let rooms: BTreeSet<_> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in packages.iter().filter(|package| package.name.as_str() != "tests") {
        let allowed = EDGES
            .iter()
            .find(|(room, _)| *room == package.name.as_str())
            .unwrap_or_else(|| panic!("{} has no line in EDGES", package.name));
        let found: BTreeSet<_> = dependencies(package).intersection(&rooms).copied().collect();
        let unexpected: Vec<_> = found.iter().filter(|room| !allowed.1.contains(room)).collect();
        assert!(unexpected.is_empty(), "{} must not know {unexpected:?}", package.name);
    }
}

#[test]
fn drivers_stay_in_their_rooms() {
    for package in packages().iter().filter(|package| package.name.as_str() != "tests") {
        for (driver, rooms) in DRIVERS {
            let is_allowed = rooms.contains(&package.name.as_str());
            assert!(
                is_allowed || !dependencies(package).contains(driver),
                "{} must not know {driver}",
                package.name
            );
        }
    }
}

#[test]
fn every_dependency_has_its_version_in_the_workspace() {
    for package in packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        let own_versions = manifest.lines().skip_while(|line| !line.contains("dependencies]"));
        let own_versions =
            own_versions.take_while(|line| !line.starts_with("[lib]") && !line.starts_with("[["));
        let mut own = own_versions.filter(|line| line.contains(" = ") && !line.contains("workspace = true"));
        assert_eq!(own.next(), None, "{}", package.name);
    }
}

#[test]
fn statements_are_in_the_store() {
    const VERBS: [&str; 8] = [
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "ALTER TABLE ",
        "TRUNCATE ",
        "COPY ",
    ];
    for file in sources(&[
        "api",
        "analytics",
        "cache",
        "demo",
        "domain",
        "ingest",
        "process",
        "search-indexer",
        "worker",
    ]) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        for verb in VERBS {
            assert!(!text.contains(&format!("\"{verb}")), "{}: a statement with {verb}", file.display());
        }
    }
}

#[test]
fn files_and_lines_have_a_size() {
    for file in sources(&ROOMS) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let lines = text.lines().count();
        assert!(lines <= LINE_COUNT_MAX, "{}: {lines} lines: find the noun that is missing", file.display());
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(longest <= COLUMN_COUNT_MAX, "{}: a line of {longest} columns", file.display());
    }
}

#[test]
fn names_are_nouns_of_the_shop() {
    const BANNED: [&str; 7] = ["utils", "util", "helpers", "common", "manager", "service", "misc"];
    for file in sources(&ROOMS) {
        let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(!BANNED.contains(&stem.as_str()), "{}: what is it about?", file.display());
        assert_ne!(stem, "mod", "{}: foo.rs beside foo/, not foo/mod.rs", file.display());
    }
}

#[test]
fn nothing_is_left_half_done() {
    let unfinished = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["db", "g!("],
        ["#[ig", "nore"],
        ["#[should_", "panic"],
        ["#[al", "low("],
    ];
    for file in sources(&ROOMS) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        for word in unfinished.map(|parts| parts.concat()) {
            assert!(!text.contains(&word), "{}: {word}", file.display());
        }
    }
}

/// A feature that only tests ask for would have every program's dependencies compiled a second time.
#[test]
fn programs_and_tests_are_built_with_the_same_features() {
    let (programs, tests) = (built_with("no-dev"), built_with("normal,build,dev"));
    let other: Vec<_> = programs.difference(&tests).collect();
    assert!(other.is_empty(), "tests ask for more features of these: {other:#?}");
}

/// Every crate with its version and features.
fn built_with(edges: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = std::process::Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--prefix=none", "--format={p} {f}", "--edges", edges])
        .current_dir(checkout())
        .output()
        .expect("cargo tree");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).expect("UTF-8");
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn every_crate_says_what_it_owns() {
    for package in packages() {
        for target in package.targets.iter().filter(|target| target.is_lib()) {
            let text = std::fs::read_to_string(&target.src_path).expect("a source file");
            assert!(text.starts_with("//! "), "{}: opens without //!", target.src_path);
        }
    }
}

#[test]
fn every_migration_file_is_run() {
    let names = |folder: &str, extension: &str| -> BTreeSet<String> {
        let files = std::fs::read_dir(checkout().join("migrations").join(folder)).expect("a folder");
        let paths = files.map(|entry| entry.expect("an entry").path());
        let named = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
        named.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
    };
    let run =
        |files: &[(&str, &str)]| files.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names("pg", "sql"), run(&migrations::pg::FILES));
    assert_eq!(names("mongo", "json"), run(&migrations::mongo::FILES));
}

const ROOMS: [&str; 14] = [
    "analytics",
    "api",
    "cache",
    "demo",
    "devstack",
    "domain",
    "ingest",
    "lake",
    "migrations",
    "process",
    "search-indexer",
    "store",
    "tests",
    "worker",
];

/// Every Rust file of some rooms.
fn sources(rooms: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for room in rooms {
        collect(&checkout().join(room), &mut files);
    }
    assert!(files.len() >= rooms.len(), "the rooms have sources");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
