//! Against a real Docker engine.

mod dockerfile;
