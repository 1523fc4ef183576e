//! Our programs as processes of their own, on the stores of a scope.

use std::path::{Path, PathBuf};
use std::process::Command;

use secrecy::ExposeSecret;

use crate::Scope;
use crate::api::search_settings;

/// A program beside the tests' own.
pub fn path(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a program");
    tests.ancestors().nth(2).expect("target/debug").join(name)
}

/// The same with its settings in `folder`.
pub fn command(scope: &Scope, name: &str, folder: &Path) -> Command {
    let settings = folder.join("settings.toml");
    std::fs::write(&settings, settings_text(scope)).expect("written");
    let mut command = Command::new(path(name));
    command.arg("--settings").arg(settings);
    command
}

fn settings_text(scope: &Scope) -> String {
    let (postgres, mongo, search) = (&scope.postgres, &scope.mongo, search_settings(scope));
    format!(
        "environment = 'development'\n\
         [postgres]\npgpools = {:?}\nnodes = {:?}\ndatabase = {:?}\nuser = {:?}\npassword = {:?}\npool_max = 4\n\
         [mongo]\nurl = {:?}\ndatabase = {:?}\n\
         [amqp]\nurl = {:?}\n\
         [objects]\nfolder = {:?}\n\
         [lake]\npath = {:?}\n\
         [ingest]\nmetrics = '127.0.0.1:0'\n\
         [search]\nurl = {:?}\nindex_prefix = {:?}\n\
         [search_indexer]\nmetrics = '127.0.0.1:0'\n\
         [analytics]\nmetrics = '127.0.0.1:0'\n",
        postgres.pgpools,
        postgres.nodes,
        postgres.database,
        postgres.user,
        postgres.password.expose_secret(),
        mongo.url.expose_secret(),
        mongo.database,
        scope.amqp.url.expose_secret(),
        scope.objects.folder,
        scope.lake,
        search.url,
        search.index_prefix,
    )
}
