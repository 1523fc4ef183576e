//! RabbitMQ: topology, publishing with confirms, consuming.

pub mod broker;
pub mod consumer;
pub mod publisher;
pub mod topology;
