//! RabbitMQ: topology, publishing with confirms, consuming, and what was given up.

pub mod broker;
pub mod consumer;
pub mod dead_letter;
pub mod publisher;
pub mod topology;
