//! The shop's own programs, the exporters and a Prometheus as processes of one test, on free ports.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use devstack::ports::Ports;
use devstack::server::Launch;
use devstack::servers::{exporters, prometheus};
use devstack::settings::loopback;
use devstack::stack::StackKind;
use secrecy::ExposeSecret;
use support::{Scope, files, stack, wait};
use tokio::process::{Child, Command};

/// Name in the settings, program, and the verb that makes it stay.
const PROGRAMS: [(&str, &str, Option<&str>); 5] = [
    ("api", "api", None),
    ("ingest", "ingest", Some("relay")),
    ("worker", "worker", None),
    ("search_indexer", "search-indexer", Some("consume")),
    ("analytics", "analytics", Some("serve")),
];
const START_DEADLINE: Duration = Duration::from_secs(60);

/// What was started; killed when dropped, and by the system when the test dies.
pub struct Processes {
    children: Vec<Child>,
    folder: PathBuf,
    /// Where each one is scraped, by the word in the template.
    targets: BTreeMap<&'static str, String>,
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended by itself cannot be killed any more.
            let _ = child.start_kill();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Processes {
    /// Starts the five programs in a scope. Returns them with the address of the API.
    pub async fn start(scope: &Scope) -> (Self, String) {
        let mut processes =
            Self { children: Vec::new(), folder: files::folder("dashboards"), targets: BTreeMap::new() };
        let api = free_address();
        for (section, program, verb) in PROGRAMS {
            let metrics = free_address();
            let name = |key: &str| format!("ENTREPOT__{}__{key}", section.to_uppercase());
            let mut launch = Launch::new(built(program)).arg("--settings").arg(&stack().settings).args(verb);
            launch = settings_of(scope, launch).env(&name("METRICS"), &metrics);
            if section == "api" {
                launch = launch.env(&name("LISTEN"), &api);
            }
            processes.run(program, &launch);
            processes.targets.insert(section, metrics);
        }
        for (section, address) in processes.targets.clone() {
            until_answered(section, &format!("http://{address}/metrics")).await;
        }
        let base = format!("http://{api}");
        until_answered("the API", &format!("{base}/health/live")).await;
        (processes, base)
    }

    /// Starts the exporters and a Prometheus that scrapes everything each second. Returns its address.
    pub async fn watch(&mut self) -> String {
        let superuser = &stack().postgres.superuser;
        let questions = files::checkout().join("deploy/postgres/metrics.yaml");
        for (word, node) in
            ["postgres_1", "postgres_2", "postgres_3"].into_iter().zip(&stack().postgres.nodes)
        {
            let listen = free_address();
            let launch = exporters::postgres(node, &superuser.user, &superuser.password, &questions, &listen);
            self.export(word, listen, &launch).await;
        }
        let listen = free_address();
        let launch = exporters::redis(&stack().redis_url, &listen);
        self.export("redis", listen, &launch).await;
        let listen = free_address();
        let launch = exporters::opensearch(&stack().opensearch_url, &listen);
        self.export("opensearch", listen, &launch).await;
        let rabbitmq = Ports::of(StackKind::Test).rabbitmq_prometheus;
        self.targets.insert("rabbitmq", loopback(rabbitmq));

        let listen = free_address();
        self.targets.insert("prometheus", listen.clone());
        let pace = [("scrape_interval", "1s"), ("evaluation_interval", "1s"), ("environment", "test")];
        let words = self.targets.iter().map(|(word, address)| (*word, address.as_str())).chain(pace);
        let words: Vec<_> = words.map(|(word, value)| (word.to_owned(), value.to_owned())).collect();
        let configuration = prometheus::configuration(&words).expect("every word is known");
        std::fs::write(self.folder.join("prometheus.yml"), configuration).expect("written");
        std::fs::write(self.folder.join("rules.yml"), prometheus::RULES).expect("written");
        self.run("prometheus", &prometheus::launch(&self.folder, &listen));
        let base = format!("http://{listen}");
        until_answered("prometheus", &format!("{base}/-/ready")).await;
        base
    }

    async fn export(&mut self, word: &'static str, listen: String, launch: &Launch) {
        self.run(word, launch);
        until_answered(word, &format!("http://{listen}/metrics")).await;
        self.targets.insert(word, listen);
    }

    /// What it says goes to a file, whose end is shown when the test fails.
    fn run(&mut self, name: &str, launch: &Launch) {
        let log = std::fs::File::create(self.folder.join(format!("{name}.log"))).expect("a log file");
        let errors = log.try_clone().expect("a log file");
        let child = Command::new("/usr/bin/setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(key, value)| (key, value)))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        self.children.push(child);
    }
}

/// Beside the tests, where `cargo build` puts it.
fn built(program: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test's own program");
    let built = own.parent().and_then(Path::parent).expect("target/debug").join(program);
    assert!(built.is_file(), "{} is not built: cargo build --workspace", built.display());
    built
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// What a scope has of its own, over the settings file of the test stack.
fn settings_of(scope: &Scope, launch: Launch) -> Launch {
    launch
        .env("ENTREPOT__POSTGRES__DATABASE", &scope.postgres.database)
        .env("ENTREPOT__MONGO__DATABASE", &scope.mongo.database)
        .env("ENTREPOT__AMQP__URL", scope.amqp.url.expose_secret())
        .env("ENTREPOT__CACHE__PREFIX", &scope.prefix)
        .env("ENTREPOT__SEARCH__INDEX_PREFIX", &scope.prefix)
        .env("ENTREPOT__LAKE__PATH", &scope.lake)
}

async fn until_answered(name: &str, url: &str) {
    let http = reqwest::Client::new();
    wait::until(&format!("{name} answers at {url}"), START_DEADLINE, async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answered = http.get(url).timeout(Duration::from_secs(5)).send().await;
        answered.ok().filter(|answer| answer.status().is_success()).map(drop)
    })
    .await;
}
