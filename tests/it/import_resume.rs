//! Imports that are killed by SIGKILL at any moment end, once they are let, as an undisturbed one does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domain::product::Product;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::mongo::connection::Mongo;
use store::mongo::products;
use support::{Scope, files, program};

const SEED: u64 = 20_261_121;
const KILLS: usize = 6;
/// How often it is tried to kill imports before they end.
const TRIES: usize = 5;
/// Many more than a checkpoint needs.
const PRODUCTS: usize = 12_000;
const MAP: &str = "source = \"kills\"\nexternal_id = \"id\"\ntitle = [\"name\"]\nbrand = \"brand\"\n\
                   price = { column = \"price\", currency = \"GBP\" }\n";

/// A file with refused rows among the good ones, the same for every scope.
fn catalogue() -> String {
    let mut text = "id,name,brand,price\n".to_owned();
    for number in 0..PRODUCTS {
        let price =
            if number % 97 == 0 { "free".to_owned() } else { format!("{}.{:02}", number % 50, number % 100) };
        text.push_str(&format!("{number},Thing {number},Maker {},{price}\n", number % 13));
    }
    text
}

/// `ingest import …`, in a folder of its own.
fn import(scope: &Scope, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program::command(scope, "ingest", folder);
    command.arg("import").args(arguments).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Kills it after a while; whether it had ended by itself.
async fn kill_after(mut command: Command, pause: Duration) -> bool {
    let mut child = command.spawn().expect("ingest is built");
    tokio::time::sleep(pause).await;
    let has_ended = child.try_wait().expect("asked").is_some();
    // One that has ended cannot be killed.
    let _ = child.kill();
    child.wait().expect("ended");
    has_ended
}

/// Kills it once the run has a checkpoint; one that the right of a killed run keeps out is begun again. Whether it was
/// still running.
async fn kill_at_checkpoint(scope: &Scope, mut command: impl FnMut() -> Command) -> bool {
    const SQL: &str = "SELECT count(*) FROM import_runs WHERE checkpoint IS NOT NULL AND finished_at IS NULL";
    let client = scope.primary().await;
    let mut child = command().spawn().expect("ingest is built");
    for _ in 0..6_000 {
        let has_checkpoint = client.query_one(SQL, &[]).await.expect("counts").get::<_, i64>(0) > 0;
        if has_checkpoint {
            // One that has ended cannot be killed.
            let _ = child.kill();
            return !child.wait().expect("ended").success();
        }
        if let Some(status) = child.try_wait().expect("asked") {
            if status.success() {
                return false;
            }
            child = command().spawn().expect("ingest is built");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = child.kill();
    child.wait().expect("ended");
    panic!("no run made a checkpoint");
}

/// Runs it to its end; the right of a killed one may be held for a moment longer.
async fn complete(mut command: impl FnMut() -> Command) -> String {
    for _ in 0..100 {
        let output = command().output().expect("ingest is built");
        let (told, failed) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            return told.into_owned();
        }
        assert!(failed.contains("under way"), "{failed}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the right is never free");
}

async fn stored(mongo: &Mongo) -> Vec<Product> {
    let mut all: Vec<Product> = Vec::new();
    loop {
        let after = all.last().map(|last| last.id);
        let page = products::scan(mongo, after, 1_000).await.expect("products");
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    // When they were written differs from run to run.
    let at = jiff::Timestamp::UNIX_EPOCH;
    all.into_iter().map(|product| Product { created_at: at, updated_at: at, ..product }).collect()
}

fn line(told: &str, name: &str) -> String {
    let line = told.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {told}"));
    line.split_whitespace().last().expect("a number").to_owned()
}

/// Imports into stores of its own, killed at random moments and then behind a checkpoint. `None`: one was so fast that
/// it ended before it was killed.
async fn killed(folder: &Path, arguments: &[&str], whole: Duration, random: &mut StdRng) -> Option<Scope> {
    let scope = Scope::new().await;
    for _ in 0..KILLS {
        // All together half of the time that an undisturbed import takes: none comes to its end.
        let pause = whole.mul_f64(random.random_range(0.1..1.0) / KILLS as f64 / 2.0);
        if kill_after(import(&scope, folder, arguments), pause).await {
            return None;
        }
    }
    kill_at_checkpoint(&scope, || import(&scope, folder, arguments)).await.then_some(scope)
}

#[tokio::test]
async fn a_killed_catalogue_import_goes_on_and_ends_as_an_undisturbed_one() {
    let calm = Scope::new().await;
    let (killed_folder, calm_folder) = (files::folder("killed"), files::folder("calm"));
    let write_input = |folder: &Path| {
        std::fs::write(folder.join("products.csv"), catalogue()).expect("written");
        std::fs::write(folder.join("map.toml"), MAP).expect("written");
    };
    write_input(&calm_folder);
    let arguments = ["products", "--map", "map.toml", "products.csv"];
    let begun_at = Instant::now();
    let undisturbed = complete(|| import(&calm, &calm_folder, &arguments)).await;
    let whole = begun_at.elapsed();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut made = None;
    for _ in 0..TRIES {
        let _ = std::fs::remove_dir_all(&killed_folder);
        std::fs::create_dir_all(&killed_folder).expect("made");
        write_input(&killed_folder);
        made = killed(&killed_folder, &arguments, whole, &mut random).await;
        if made.is_some() {
            break;
        }
    }
    let killed = made.expect("each import ended before it was killed");
    let told = complete(|| import(&killed, &killed_folder, &arguments)).await;

    let (mongo, calm_mongo) = (killed.mongo().await, calm.mongo().await);
    let products = stored(&mongo).await;
    assert_eq!(products.len(), PRODUCTS - PRODUCTS.div_ceil(97));
    assert!(products.iter().all(|product| product.version == 1));
    assert_eq!(products, stored(&calm_mongo).await);
    let events = store::mongo::outbox::backlog(&mongo).await.expect("a count");
    assert_eq!(events, products.len() as u64, "one event for each product");
    let read = |folder: &Path, name: &str| std::fs::read_to_string(folder.join(name)).expect("there");
    for name in ["products.csv.refused.csv", "products.csv.report.ndjson"] {
        assert_eq!(read(&killed_folder, name), read(&calm_folder, name), "{name}");
    }
    let resumed = told.lines().find_map(|line| line.strip_prefix("resumed after row ")).expect("resumed");
    assert!(!resumed.starts_with("0 "), "{told}");
    for name in ["rows read", "products added", "rows refused"] {
        assert_eq!(line(&told, name), line(&undisturbed, name), "{name}");
    }
}

#[tokio::test]
async fn a_killed_order_import_leaves_nothing_or_all_and_ends_as_an_undisturbed_one() {
    const COUNTS: &str = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_lines), \
                          (SELECT coalesce(sum(version), 0)::bigint FROM orders), (SELECT count(*) FROM outbox)";
    let scope = Scope::new().await;
    let folder = files::folder("killed-orders");
    let mut text = "number,sku,pieces,price,at\n".to_owned();
    for number in 0..30_000 {
        let (order, sku) = (number / 5, number % 777);
        text.push_str(&format!("A-{order},SKU-{sku},{},1.25,2021-03-04T10:00:00Z\n", number % 9 + 1));
    }
    std::fs::write(folder.join("orders.csv"), text).expect("written");
    let map = "number = \"number\"\nsku = \"sku\"\nquantity = \"pieces\"\nprice = \"price\"\ntime = \"at\"\n\
               time_format = \"rfc3339\"\ncurrency = \"EUR\"\n";
    std::fs::write(folder.join("map.toml"), map).expect("written");
    let arguments = ["orders", "--format", "csv", "--map", "map.toml", "--channel", "kills", "orders.csv"];
    let mut random = StdRng::seed_from_u64(SEED);
    let counts = async || {
        let row = scope.primary().await.query_one(COUNTS, &[]).await.expect("counts");
        [0, 1, 2, 3].map(|column| row.get::<_, i64>(column))
    };
    let all = [6_000, 30_000, 6_000, 1];
    for _ in 0..KILLS {
        let pause = Duration::from_millis(random.random_range(50..1_200));
        kill_after(import(&scope, &folder, &arguments), pause).await;
        let present = counts().await;
        assert!(present == [0; 4] || present == all, "{present:?}");
    }
    complete(|| import(&scope, &folder, &arguments)).await;
    assert_eq!(counts().await, all);
}
