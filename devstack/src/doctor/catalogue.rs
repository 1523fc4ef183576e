//! Every check, in the order of the report.

use futures_util::FutureExt;

use super::{
    Check, Group, broker, build, caches, folder, machine, mongo, pgpool, postgres, search, servers, shop,
};

/// A line of the catalogue: code, group, title, question.
macro_rules! checks {
    ($($code:literal, $group:ident, $title:literal, $ask:path;)*) => {
        &[$(Check {
            code: $code,
            group: Group::$group,
            title: $title,
            ask: |context| $ask(context).boxed(),
        }),*]
    };
}

/// Every check. Codes are never given another meaning.
pub const CHECKS: &[Check] = checks! {
    "packages-missing", Machine, "packages of the distribution", machine::packages;
    "programs-missing", Machine, "databases and engines among the tools", machine::programs;
    "java-too-old", Machine, "a Java for the search engine", machine::java;
    "disk-full", Machine, "room on the disk", machine::disk;
    "memory-short", Machine, "memory", machine::memory;
    "open-files-few", Machine, "open files", machine::open_files;
    "clock-off", Machine, "the clock", machine::clock;
    "mount-noexec", Machine, "programs may be run where they are kept", machine::executable;
    "toolchain-missing", Build, "the compiler", build::toolchain;
    "build-stale", Build, "programs and their sources", build::stale;
    "running-old", Build, "what runs is what was built", build::running;
    "folder-of-other", Folder, "the data folder is this checkout's", folder::belongs;
    "folder-closed", Folder, "the account can enter the data folder", folder::reachable;
    "folder-owner", Folder, "files belong to the account", folder::owned;
    "secrets-open", Folder, "secrets are private", folder::secrets;
    "secrets-broken", Folder, "secrets can be read", folder::secrets_whole;
    "data-half-made", Folder, "data folders of PostgreSQL are whole", folder::half_made;
    "data-version", Folder, "data folders and PostgreSQL's version", folder::version;
    "supervisor-gone", Servers, "the supervisor", servers::supervisor;
    "server-down", Servers, "servers answer", servers::answers;
    "restart-loop", Servers, "servers stay alive", servers::restarts;
    "port-taken", Servers, "ports", servers::ports;
    "postgres-no-primary", Postgres, "there is a primary", postgres::has_primary;
    "split-roles", Postgres, "there is one primary only", postgres::split_roles;
    "replica-not-streaming", Postgres, "standbys follow", postgres::streaming;
    "sync-standby-missing", Postgres, "commits are confirmed by a standby", postgres::synchronous;
    "slot-without-reader", Postgres, "replication slots", postgres::slots;
    "replica-behind", Postgres, "standbys replay", postgres::replay;
    "pgpool-stale", Pgpool, "Pgpool-II knows the nodes", pgpool::stale;
    "pgpool-full", Pgpool, "Pgpool-II has room", pgpool::room;
    "mongo-no-primary", Mongo, "the replica set has a primary", mongo::has_primary;
    "mongo-member-away", Mongo, "members are healthy", mongo::healthy;
    "broker-memory-alarm", Broker, "memory of the broker", broker::memory;
    "broker-disk-alarm", Broker, "disk of the broker", broker::disk;
    "queue-unread", Broker, "queues are read", broker::read;
    "dead-letters", Broker, "dead letters", shop::dead_letters;
    "index-read-only", Search, "indices take writes", search::writable;
    "index-red", Search, "indices are whole", search::shards;
    "alias-missing", Search, "the products' alias", search::alias;
    "redis-policy", Caches, "Redis forgets what is old", caches::redis_forgets;
    "redis-read-only", Caches, "Redis takes writes", caches::redis_writes;
    "memcached-full", Caches, "Memcached has room", caches::memcached_room;
    "migrations-out-of-step", Shop, "stores have the shape of the code", shop::migrations;
    "outbox-stuck", Shop, "events are sent", shop::outboxes;
    "target-down", Shop, "Prometheus reaches its targets", shop::targets;
};
