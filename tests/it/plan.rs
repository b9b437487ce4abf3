//! What should be, what is, and the steps between: no engine, no file, no clock.

mod compared;
mod confined;
mod images;
mod refused;
mod rig;
mod stepped;
