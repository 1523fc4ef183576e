//! A connection to the broker.

use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret;

use crate::amqp::consumer::Consumer;
use crate::amqp::publisher::Publisher;
use crate::amqp::topology::{self, DurableQueue, EVENTS};
use crate::error::StoreError;
use crate::settings::AmqpSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection. It is not repaired: whoever sees it end connects anew after a pause.
#[derive(Debug)]
pub struct Broker {
    connection: Connection,
}

impl Broker {
    /// Connects and declares the topology.
    pub async fn connect(settings: &AmqpSettings) -> Result<Self, StoreError> {
        tokio::time::timeout(CONNECT_TIMEOUT, Self::connect_now(settings))
            .await
            .map_err(StoreError::unavailable)?
    }

    async fn connect_now(settings: &AmqpSettings) -> Result<Self, StoreError> {
        let connection =
            Connection::connect(settings.url.expose_secret(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        topology::declare(&channel).await?;
        channel.close(200, "topology declared".into()).await?;
        Ok(Self { connection })
    }

    /// Whether the connection still stands.
    pub fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// A channel whose publishes are confirmed.
    pub async fn publisher(&self) -> Result<Publisher, StoreError> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Publisher::new(channel))
    }

    /// Consumes a durable queue; each delivery is settled by its consumer, at most `prefetch` at once.
    pub async fn consume(&self, queue: DurableQueue, prefetch: u16) -> Result<Consumer, StoreError> {
        let channel = self.connection.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        self.start(channel, queue.name(), BasicConsumeOptions::default()).await
    }

    /// Gets every event of some types from now on, in a queue that lives as long as this connection.
    pub async fn subscribe(&self, name_prefix: &str, event_types: &[&str]) -> Result<Consumer, StoreError> {
        let channel = self.connection.create_channel().await?;
        let name = format!("{name_prefix}.{}", uuid::Uuid::new_v4().simple());
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
        for event_type in event_types {
            topology::bind(&channel, &name, EVENTS, event_type).await?;
        }
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
        self.start(channel, &name, options).await
    }

    async fn start(
        &self,
        channel: Channel,
        queue: &str,
        options: BasicConsumeOptions,
    ) -> Result<Consumer, StoreError> {
        let no_ack = options.no_ack;
        let deliveries =
            channel.basic_consume(queue.into(), queue.into(), options, FieldTable::default()).await?;
        Ok(Consumer::new(channel, deliveries, no_ack))
    }

    /// Closes the connection.
    pub async fn close(self) {
        if let Err(error) = self.connection.close(200, "stopping".into()).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the broker had closed already");
        }
    }
}
