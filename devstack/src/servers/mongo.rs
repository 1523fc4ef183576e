//! MongoDB as a replica set of three data-bearing members, as transactions and change streams need one.

use std::{sync::Arc, time::Duration};

use bson::{Document, doc};
use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{Client, options::ClientOptions};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep, timeout},
};

use crate::{
    error::{Result, StackError},
    probe::PROBE_DEADLINE,
    server::{Launch, Server, Step},
    stack::Stack,
};

/// The replica set, by the name that the connection string asks for.
pub const REPLICA_SET: &str = "entrepot";

/// A small cache takes a burst of writes and lets the checkpoint write it. By default threads look for pages to evict
/// as soon as a fortieth of it is changed, and find none while the other members have not confirmed: a sixth of the
/// processor under an import.
const EVICTION: &str = "\"eviction_dirty_target=40,eviction_dirty_trigger=60,eviction_updates_target=30,\
                        eviction_updates_trigger=50\"";

/// How long what was changed is kept for reads of the past, of which the shop has none. An event that is sent leaves
/// the indexes of those that are not; until it is forgotten, each question about these walks past it. With the default
/// of five minutes that was most of what the primary did at 200 changes a second.
const HISTORY_SECONDS: u32 = 5;

/// Threads of a secondary that apply what the primary did. Three members share the processors of one machine here: each
/// of the default's sixteen is woken for a write or two.
const WRITER_COUNT: u32 = 2;

/// How long the first election may take.
const ELECTION_DEADLINE: Duration = Duration::from_secs(30);

struct Member {
    stack: Arc<Stack>,
    index: usize,
    name: String,
    client: OnceCell<Client>,
}

/// The members of a stack's replica set. The first one, started last, makes the set.
#[must_use]
pub fn servers(stack: &Arc<Stack>) -> Vec<Arc<dyn Server>> {
    (0..stack.ports.mongo.len())
        .map(|index| {
            Arc::new(Member {
                stack: Arc::clone(stack),
                index,
                name: member_name(index),
                client: OnceCell::new(),
            }) as Arc<dyn Server>
        })
        .collect()
}

/// The connection string of our processes: acknowledged means on a majority's disk.
#[must_use]
pub fn url(stack: &Stack) -> String {
    let hosts = stack.ports.mongo.map(|port| format!("127.0.0.1:{port}")).join(",");
    format!(
        "mongodb://{hosts}/?replicaSet={REPLICA_SET}&w=majority&journal=true&wtimeoutMS=5000\
         &readConcernLevel=majority"
    )
}

fn member_name(index: usize) -> String {
    format!("mongo_{}", index + 1)
}

impl Member {
    fn port(&self) -> u16 {
        self.stack.ports.mongo[self.index]
    }

    /// A client of this very member, whatever its state in the set is.
    async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async {
                let url = format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port());
                let mut options = ClientOptions::parse(url).await?;
                options.server_selection_timeout = Some(PROBE_DEADLINE);
                options.max_pool_size = Some(1);
                Ok(Client::with_options(options)?)
            })
            .await
    }

    async fn admin(&self, command: Document) -> Result<Document> {
        let client = self.client().await?;
        Ok(client.database("admin").run_command(command).await?)
    }

    async fn initiate(&self) -> Result<()> {
        const ALREADY_INITIALIZED: i32 = 23;
        let members: Vec<Document> = (0..3)
            .map(|id: i32| {
                let port = self.stack.ports.mongo[id.unsigned_abs() as usize];
                doc! { "_id": id, "host": format!("127.0.0.1:{port}") }
            })
            .collect();
        let set = doc! {
            "_id": REPLICA_SET,
            "members": members,
            "settings": { "electionTimeoutMillis": 2000 },
        };
        match self.admin(doc! { "replSetInitiate": set }).await {
            Ok(_) => Ok(()),
            Err(StackError::Mongo(error)) if code_of(&error) == Some(ALREADY_INITIALIZED) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn wait_for_primary(&self) -> Result<()> {
        let deadline = Instant::now() + ELECTION_DEADLINE;
        while Instant::now() < deadline {
            let known = self.admin(doc! { "hello": 1 }).await?;
            if known.contains_key("primary") {
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
        Err(StackError::refused("the replica set elected no primary"))
    }
}

fn code_of(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

impl Server for Member {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    fn ports(&self) -> Vec<u16> {
        vec![self.port()]
    }

    fn after(&self) -> Vec<String> {
        if self.index == 0 {
            (1..self.stack.ports.mongo.len()).map(member_name).collect()
        } else {
            Vec::new()
        }
    }

    fn prepare(&self) -> Step<'_> {
        async {
            let folder = self.stack.server_folder(&self.name)?;
            self.stack.account.make_folder(&folder.join("data"))?;
            let configuration = format!(
                "storage:\n  dbPath: {data}\n  wiredTiger:\n    engineConfig:\n      cacheSizeGB: 0.5\n      \
                 configString: {EVICTION}\n\
                 net:\n  bindIp: 127.0.0.1\n  port: {port}\n  unixDomainSocket:\n    enabled: false\n\
                 replication:\n  replSetName: {REPLICA_SET}\n  oplogSizeMB: 512\n\
                 security:\n  javascriptEnabled: false\n\
                 setParameter:\n  shutdownTimeoutMillisForSignaledShutdown: 1000\n  \
                 transactionLifetimeLimitSeconds: 15\n  minSnapshotHistoryWindowInSeconds: {HISTORY_SECONDS}\n  \
                 replWriterThreadCount: {WRITER_COUNT}\n",
                data = folder.join("data").display(),
                port = self.port(),
            );
            self.stack.account.write_private(&folder.join("mongod.conf"), &configuration)
        }
        .boxed()
    }

    fn launch(&self) -> Result<Launch> {
        Ok(Launch::new(self.stack.tools.mongod())
            .arg("--config")
            .arg(self.stack.folders.server(&self.name).join("mongod.conf"))
            .stop(rustix::process::Signal::TERM, Duration::from_secs(20)))
    }

    fn ready(&self) -> BoxFuture<'_, Result<bool>> {
        async {
            match timeout(PROBE_DEADLINE, self.admin(doc! { "ping": 1 })).await {
                Ok(outcome) => outcome.map(|_| true),
                Err(_) => Err(StackError::refused("no answer to ping")),
            }
        }
        .boxed()
    }

    fn after_start(&self) -> Step<'_> {
        async {
            if self.index > 0 {
                return Ok(());
            }
            self.initiate().await?;
            self.wait_for_primary().await
        }
        .boxed()
    }
}
