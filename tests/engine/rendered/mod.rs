//! What `render` writes, against the real thing: Compose and `docker run` make the containers that
//! `up` makes.

mod accepted;
mod comparison;
mod generations;
mod lines;
mod same;
mod started;
mod values;
