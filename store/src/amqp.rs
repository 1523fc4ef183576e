//! RabbitMQ: topology, publishing with confirms, consuming, behaviour by the batch, and what was given up.

pub mod behaviour;
pub mod broker;
pub mod consumer;
pub mod dead_letter;
pub mod publisher;
pub mod topology;
