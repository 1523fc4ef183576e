//! Who begins as the primary when the one that was is lost with its disk.

use std::fs;

use tokio_postgres::Client;

use crate::postgres::node;
use crate::trial::Trial;

async fn add(client: &Client, number: i32) {
    client.execute("INSERT INTO kept VALUES ($1)", &[&number]).await.expect("confirmed by a standby");
}

async fn numbers(client: &Client) -> Vec<i32> {
    let rows = client.query("SELECT number FROM kept ORDER BY number", &[]).await.expect("read");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn timeline(client: &Client) -> i32 {
    let row = client.query_one("SELECT timeline_id FROM pg_control_checkpoint()", &[]).await;
    row.expect("a timeline").get(0)
}

/// What was confirmed by one standby only is kept, and the primary of before, when it comes back, follows.
#[tokio::test]
async fn the_standby_that_received_most_takes_the_place_of_a_lost_primary() {
    let mut trial = Trial::new();
    trial.start(&["postgres_1", "postgres_2", "postgres_3"]).await;
    let primary = node(&trial, 0).await;
    primary.batch_execute("CREATE TABLE kept (number integer)").await.expect("made");
    add(&primary, 1).await;
    trial.kill("postgres_2").await;
    add(&primary, 2).await;
    trial.kill("postgres_3").await;
    trial.kill("postgres_1").await;
    let data = trial.stack.folders.server("postgres_1").join("data");
    let aside = data.with_extension("aside");
    fs::rename(&data, &aside).expect("lost");

    trial.start(&["postgres_3", "postgres_2", "postgres_1"]).await;
    let primary = node(&trial, 2).await;
    assert_eq!(numbers(&primary).await, [1, 2]);
    add(&primary, 3).await;
    primary.batch_execute("CHECKPOINT").await.expect("done");
    assert_eq!(timeline(&primary).await, 2, "it is told from the one before");

    for name in ["postgres_1", "postgres_2", "postgres_3"] {
        trial.kill(name).await;
    }
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&aside, &data).expect("it comes back");
    trial.start(&["postgres_3", "postgres_2", "postgres_1"]).await;
    let standby: bool =
        node(&trial, 0).await.query_one("SELECT pg_is_in_recovery()", &[]).await.expect("asked").get(0);
    assert!(standby, "it follows");
    assert_eq!(numbers(&node(&trial, 2).await).await, [1, 2, 3]);
    trial.end().await;
}
