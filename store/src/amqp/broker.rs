//! A connection to the broker.

use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret;

use crate::amqp::consumer::Consumer;
use crate::amqp::publisher::Publisher;
use crate::amqp::topology::{self, DurableQueue, EVENTS};
use crate::error::StoreError;
use crate::settings::AmqpSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take to declare everything: on a broker that has nothing yet each queue is made.
const DECLARE_TIMEOUT: Duration = Duration::from_secs(20);
/// A broker that is silent for twice as long is gone, whatever TCP says. The URL may ask for another value.
const HEARTBEAT_SECONDS: u16 = 5;
/// Messages that a subscriber holds unsettled at once.
const SUBSCRIPTION_PREFETCH: u16 = 1_000;

/// One connection. It is not repaired: whoever sees it end connects anew after a pause.
#[derive(Debug)]
pub struct Broker {
    connection: Connection,
}

impl Broker {
    /// Connects and declares the topology.
    pub async fn connect(settings: &AmqpSettings) -> Result<Self, StoreError> {
        let address = address(settings.url.expose_secret())?;
        let connection = tokio::time::timeout(
            CONNECT_TIMEOUT,
            Connection::connect_uri(address, ConnectionProperties::default()),
        )
        .await
        .map_err(StoreError::unavailable)??;
        let broker = Self { connection };
        broker.declare().await?;
        Ok(broker)
    }

    /// Declares the topology: a queue that was lost is there again, empty, and gets what is published from now on.
    /// Takes 20 s at most.
    pub async fn declare(&self) -> Result<(), StoreError> {
        tokio::time::timeout(DECLARE_TIMEOUT, declare_topology(&self.connection))
            .await
            .map_err(StoreError::unavailable)?
    }

    /// Whether the connection still stands.
    pub fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker has an alarm and listens to no publisher.
    pub fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// A channel whose publishes are confirmed.
    pub async fn publisher(&self) -> Result<Publisher, StoreError> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Publisher::new(channel))
    }

    /// Consumes a durable queue; each delivery is settled by its consumer, at most `prefetch` at once.
    pub async fn consume(&self, queue: DurableQueue, prefetch: u16) -> Result<Consumer, StoreError> {
        self.consume_named(queue.name(), prefetch).await
    }

    /// Consumes what the consumer of a durable queue gave up; at most `prefetch` unsettled deliveries at once.
    pub async fn consume_dead_letters(
        &self,
        queue: DurableQueue,
        prefetch: u16,
    ) -> Result<Consumer, StoreError> {
        self.consume_named(&queue.dead_letter_name(), prefetch).await
    }

    /// Gets every event of some types from now on, in a queue that lives as long as this connection. Each
    /// delivery is to be settled: a subscriber that falls behind holds at most 1,000 of them in its memory, and
    /// the others wait in the broker.
    pub async fn subscribe(&self, name_prefix: &str, event_types: &[&str]) -> Result<Consumer, StoreError> {
        let channel = self.connection.create_channel().await?;
        let name = format!("{name_prefix}.{}", uuid::Uuid::new_v4().simple());
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
        for event_type in event_types {
            topology::bind(&channel, &name, EVENTS, &topology::of_every_shard(event_type)).await?;
        }
        channel.basic_qos(SUBSCRIPTION_PREFETCH, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        self.start(channel, &name, options).await
    }

    async fn consume_named(&self, queue: &str, prefetch: u16) -> Result<Consumer, StoreError> {
        let channel = self.connection.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        self.start(channel, queue, BasicConsumeOptions::default()).await
    }

    async fn start(
        &self,
        channel: Channel,
        queue: &str,
        options: BasicConsumeOptions,
    ) -> Result<Consumer, StoreError> {
        let deliveries =
            channel.basic_consume(queue.into(), queue.into(), options, FieldTable::default()).await?;
        Ok(Consumer::new(channel, deliveries))
    }

    /// Closes the connection. A broker with an alarm does not listen to publishers: it is left after a while.
    pub async fn close(self) {
        let closing = self.connection.close(200, "stopping".into());
        match tokio::time::timeout(CLOSE_TIMEOUT, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the broker had closed already");
            }
            Err(_) => tracing::debug!("the broker does not answer: its connection is dropped"),
        }
    }
}

async fn declare_topology(connection: &Connection) -> Result<(), StoreError> {
    let channel = connection.create_channel().await?;
    topology::declare(&channel).await?;
    channel.close(200, "topology declared".into()).await?;
    Ok(())
}

/// The URL with a heartbeat. A malformed one is not repeated in the error: it holds a password.
fn address(url: &str) -> Result<AMQPUri, StoreError> {
    let mut address: AMQPUri =
        url.parse().map_err(|_| StoreError::Driver("the broker's URL is malformed".into()))?;
    address.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_asked_for_unless_the_url_asks_for_another() {
        let heartbeat = |url| address(url).expect("well-formed").query.heartbeat;
        assert_eq!(heartbeat("amqp://user:secret@127.0.0.1:1/shop"), Some(5));
        assert_eq!(heartbeat("amqp://user:secret@127.0.0.1:1/shop?heartbeat=60&channel_max=9"), Some(60));
        let error = address("amqp//user:secret@127.0.0.1").expect_err("no URL");
        assert!(!format!("{error:?} {error}").contains("secret"));
    }
}
