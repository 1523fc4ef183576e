//! A product as a cache keeps it, with the bytes that were made of it: one version has the same bytes each time, so
//! they are made once.

use std::ops::Deref;
use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;
use domain::product::Product;

/// What is sent of a product.
#[derive(Debug, Clone)]
pub struct Rendering {
    /// The whole product.
    pub body: Bytes,
    /// Its entity tag.
    pub etag: Bytes,
    /// What a shared cache would drop it by.
    pub surrogate_key: Bytes,
}

/// A product that was read from a store or a cache.
#[derive(Debug)]
pub struct KeptProduct {
    product: Product,
    kept_until: Instant,
    rendering: OnceLock<Rendering>,
}

impl KeptProduct {
    /// A product that this process may keep until then.
    pub fn new(product: Product, kept_until: Instant) -> Self {
        Self { product, kept_until, rendering: OnceLock::new() }
    }

    /// Until when what is made of it may be kept.
    pub fn kept_until(&self) -> Instant {
        self.kept_until
    }

    /// What is sent of it: made by the first who asks.
    pub fn rendering(&self, render: impl FnOnce(&Product) -> Rendering) -> &Rendering {
        self.rendering.get_or_init(|| render(&self.product))
    }
}

impl Deref for KeptProduct {
    type Target = Product;

    fn deref(&self) -> &Product {
        &self.product
    }
}
