//! Tests of the layers and programs from outside. Each part tests its own feature.

#[cfg(feature = "bridge")]
mod bridge;
