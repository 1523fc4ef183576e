//! A sentence model on disk, whole and broken.

mod broken;
mod embed;
