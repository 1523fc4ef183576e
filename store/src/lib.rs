//! Every statement that is sent to PostgreSQL ([`pg`]), MongoDB ([`mongo`]) and RabbitMQ ([`amqp`]), and every
//! access to [`objects`].
//!
//! A read takes a client, a write takes a transaction, so that an event commits with its fact. Decides nothing: the
//! rules are in `domain`. Missing rows are `Ok(None)`, never an error.

pub mod amqp;
pub mod error;
pub mod mongo;
pub mod objects;
pub mod pg;
pub mod redrive;
pub mod sent_event;
pub mod settings;
