//! The bare publisher: the same messages to the same exchange, with confirms, and nothing else.

use std::time::{Duration, Instant};

use anyhow::ensure;
use domain::event::{CONTENT_TYPE, Event};
use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret;
use store::amqp::broker::Broker;
use store::amqp::topology::EVENTS;
use store::settings::AmqpSettings;

/// As many as the relay takes at once.
const BATCH_SIZE: usize = 500;
const PERSISTENT: u8 = 2;

/// A message that is ready to be sent.
struct Message {
    routing_key: String,
    body: Vec<u8>,
}

/// How long publishing all of them takes, until the last confirm.
pub async fn publish(amqp: &AmqpSettings, events: &[Event]) -> anyhow::Result<Duration> {
    // The same exchange, queues and bindings as the relay's.
    Broker::connect(amqp).await?.close().await;
    let messages: Vec<Message> = events.iter().map(message).collect::<Result<_, serde_json::Error>>()?;
    let connection = Connection::connect(amqp.url.expose_secret(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let began = Instant::now();
    for batch in messages.chunks(BATCH_SIZE) {
        publish_batch(&channel, batch).await?;
    }
    let took = began.elapsed();
    connection.close(200, "published".into()).await?;
    Ok(took)
}

fn message(event: &Event) -> Result<Message, serde_json::Error> {
    let event = event.to_cloud_event();
    Ok(Message { routing_key: event.routing_key(), body: serde_json::to_vec(&event)? })
}

async fn publish_batch(channel: &Channel, batch: &[Message]) -> anyhow::Result<()> {
    let properties =
        || BasicProperties::default().with_content_type(CONTENT_TYPE.into()).with_delivery_mode(PERSISTENT);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    // Written together, as the relay does it.
    let sent = batch.iter().map(|Message { routing_key, body }| {
        channel.basic_publish(EVENTS.into(), routing_key.as_str().into(), options, body, properties())
    });
    let confirms = try_join_all(sent).await?;
    for confirmation in try_join_all(confirms).await? {
        ensure!(
            confirmation.is_ack() && confirmation.take_message().is_none(),
            "the broker refused a message"
        );
    }
    Ok(())
}
