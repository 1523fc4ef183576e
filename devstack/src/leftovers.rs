//! What test programs that were killed left on the servers of the test stack. No test runs while it is removed.

use std::{
    fmt::{Display, Formatter},
    time::{Duration, Instant},
};

use mongodb::Client;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;
use tokio_postgres::{NoTls, config::TargetSessionAttrs};

use crate::{
    error::{Result, StackError},
    servers::{elasticsearch, mongo, opensearch, rabbitmq},
    stack::Stack,
};

/// What names of databases in PostgreSQL begin with.
const DATABASE_PREFIX: &str = "it_";
/// What names of databases in MongoDB, virtual hosts and indices begin with.
const PREFIX: &str = "it-";
/// How many of a kind one run removes; the next one goes on.
const MOST: usize = 500;
const DEADLINE: Duration = Duration::from_secs(90);
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);

/// How many of each kind were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    postgres: usize,
    mongo: usize,
    vhosts: usize,
    indices: usize,
    took: Duration,
}

impl Display for Removed {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { postgres, mongo, vhosts, indices, took } = self;
        write!(
            formatter,
            "left by earlier runs and removed: {postgres} databases of PostgreSQL, {mongo} of MongoDB, \
             {vhosts} virtual hosts, {indices} indices, after {:.1} s",
            took.as_secs_f64()
        )
    }
}

/// Removes what earlier test runs left, on every server at once.
///
/// # Errors
/// When a server refuses, or it takes too long.
pub async fn remove(stack: &Stack) -> Result<Removed> {
    let begun = Instant::now();
    let http = reqwest::Client::new();
    let [first, second, third] =
        &[opensearch::url(stack), elasticsearch::url(stack), elasticsearch::url_8(stack)];
    let all = async {
        tokio::try_join!(
            from_postgres(stack),
            from_mongo(stack),
            from_rabbitmq(stack, &http),
            from_engine(first, &http),
            from_engine(second, &http),
            from_engine(third, &http),
        )
    };
    let (postgres, mongo, vhosts, first, second, third) = timeout(DEADLINE, all)
        .await
        .map_err(|_| StackError::refused("what earlier test runs left could not be removed in time"))??;
    Ok(Removed { postgres, mongo, vhosts, indices: first + second + third, took: begun.elapsed() })
}

/// Straight on the primary, whichever node that is.
async fn from_postgres(stack: &Stack) -> Result<usize> {
    let mut config = tokio_postgres::Config::new();
    config
        .dbname("postgres")
        .user("postgres")
        .password(&stack.secrets.postgres_superuser)
        .application_name("devstack")
        .connect_timeout(Duration::from_secs(5))
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    for port in stack.ports.postgres {
        config.host("127.0.0.1").port(port);
    }
    let (client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let names: Vec<String> =
        client.query("SELECT datname FROM pg_database", &[]).await?.iter().map(|row| row.get(0)).collect();
    let names = leftover(names, DATABASE_PREFIX);
    for name in &names {
        // A plain name, which may hold a hyphen and so is quoted.
        client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await?;
    }
    drop(client);
    connection.abort();
    Ok(names.len())
}

async fn from_mongo(stack: &Stack) -> Result<usize> {
    let client = Client::with_uri_str(mongo::url(stack)).await?;
    let names = leftover(client.list_database_names().await?, PREFIX);
    for name in &names {
        client.database(name).drop().await?;
    }
    Ok(names.len())
}

async fn from_rabbitmq(stack: &Stack, http: &reqwest::Client) -> Result<usize> {
    let request = |method, path: &str| {
        http.request(method, format!("{}/api/{path}", rabbitmq::management_url(stack)))
            .basic_auth(rabbitmq::ADMINISTRATOR, Some(&stack.secrets.rabbitmq_administrator))
            .timeout(REQUEST_DEADLINE)
    };
    let known = request(Method::GET, "vhosts?columns=name").send().await?.error_for_status()?.json().await?;
    let names = leftover(names_in(&known, "name"), PREFIX);
    for name in &names {
        removed(request(Method::DELETE, &format!("vhosts/{name}")).send().await?)?;
    }
    Ok(names.len())
}

async fn from_engine(url: &str, http: &reqwest::Client) -> Result<usize> {
    let request =
        |method, path: &str| http.request(method, format!("{url}/{path}")).timeout(REQUEST_DEADLINE);
    let path = "_cat/indices?format=json&h=index&expand_wildcards=all";
    let known = request(Method::GET, path).send().await?.error_for_status()?.json().await?;
    let names = leftover(names_in(&known, "index"), PREFIX);
    for name in &names {
        removed(request(Method::DELETE, name).send().await?)?;
    }
    Ok(names.len())
}

/// Gone already is as good.
fn removed(response: reqwest::Response) -> Result<()> {
    if response.status() != StatusCode::NOT_FOUND {
        response.error_for_status()?;
    }
    Ok(())
}

/// One field of every object in a list.
fn names_in(list: &Value, field: &str) -> Vec<String> {
    let objects = list.as_array().into_iter().flatten();
    objects.filter_map(|object| Some(object.get(field)?.as_str()?.to_owned())).collect()
}

/// The names that are of tests, so many as one run removes. Anything that would need quoting in a URL is not
/// of tests.
fn leftover(names: Vec<String>, prefix: &str) -> Vec<String> {
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    names.into_iter().filter(|name| name.starts_with(prefix) && plain(name)).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_names_of_tests_are_left_over() {
        let known =
            json!([{ "name": "it-0a" }, { "name": "entrepot" }, { "name": "it_0a" }, { "name": "it-%2f" }]);
        assert_eq!(leftover(names_in(&known, "name"), PREFIX), ["it-0a"]);
        let many = (0..MOST + 1).map(|number| format!("it-{number}")).collect();
        assert_eq!(leftover(many, PREFIX).len(), MOST);
        assert!(names_in(&json!({ "error": "x" }), "name").is_empty());
    }

    #[test]
    fn what_was_removed_is_one_line() {
        let removed = Removed { postgres: 2, mongo: 1, ..Removed::default() };
        let words = removed.to_string();
        assert!(words.contains("2 databases of PostgreSQL, 1 of MongoDB, 0 virtual hosts"), "{words}");
        assert!(!words.contains('\n'));
    }
}
