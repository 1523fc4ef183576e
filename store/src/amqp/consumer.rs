//! Deliveries, and the three ways to settle one.

use domain::event::{CloudEvent, InvalidEvent};
use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::time::Instant;

use crate::amqp::dead_letter::DeadLetter;
use crate::amqp::topology::DurableQueue;
use crate::error::StoreError;

/// A stream of deliveries of one queue.
#[derive(Debug)]
pub struct Consumer {
    /// Held so that the channel lives as long as the consumer.
    _channel: Channel,
    deliveries: lapin::Consumer,
}

impl Consumer {
    pub(super) fn new(channel: Channel, deliveries: lapin::Consumer) -> Self {
        Self { _channel: channel, deliveries }
    }

    /// The next delivery; `None` when the connection is lost. Safe to cancel.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self.deliveries.next().await? {
            Ok(inner) => Some(Delivery { inner }),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a consumer lost its connection");
                None
            }
        }
    }

    /// Waits for a delivery, then takes those that are there with it and those that come until a moment, `most` in
    /// all. `None`: the connection is lost; what was taken cannot be settled any more and comes again.
    pub async fn next_batch(&mut self, most: usize, until: Instant) -> Option<Vec<Delivery>> {
        let mut batch = vec![self.next().await?];
        while batch.len() < most {
            match tokio::time::timeout_at(until, self.next()).await {
                Ok(delivery) => batch.push(delivery?),
                Err(_) => break,
            }
        }
        Some(batch)
    }
}

/// A message that waits to be settled. Dropped unsettled, it comes again when the connection ends.
#[derive(Debug)]
pub struct Delivery {
    inner: lapin::message::Delivery,
}

impl Delivery {
    /// What the message says.
    pub fn event(&self) -> Result<CloudEvent, InvalidEvent> {
        CloudEvent::from_bytes(&self.inner.data)
    }

    /// What is kept of a message of a dead-letter queue: `queue` is the one that it died in, `at` is now.
    pub fn dead_letter(&self, queue: DurableQueue, at: Timestamp) -> DeadLetter {
        DeadLetter::of(&self.inner, queue, at)
    }

    /// The effect is in place.
    pub async fn done(self) -> Result<(), StoreError> {
        self.inner.ack(BasicAckOptions::default()).await?;
        Ok(())
    }

    /// The effects of all of them are in place. One wait for all: they are told to the broker together.
    pub async fn all_done(deliveries: Vec<Self>) -> Vec<Result<(), StoreError>> {
        join_all(deliveries.into_iter().map(Self::done)).await
    }

    /// Comes again, until the queue's delivery limit dead-letters it.
    pub async fn retry(self) -> Result<(), StoreError> {
        self.refuse(true).await
    }

    /// Never will be done: dead-lettered at once.
    pub async fn fail(self) -> Result<(), StoreError> {
        self.refuse(false).await
    }

    async fn refuse(self, requeue: bool) -> Result<(), StoreError> {
        self.inner.nack(BasicNackOptions { requeue, ..BasicNackOptions::default() }).await?;
        Ok(())
    }
}
