//! Against a real Docker engine: the built programs are run as a person runs them, and what is
//! asserted is the state of containers, images, networks and volumes, not what a program says of it.
//!
//! `MCPO_TEST_PROGRAMS` names a folder with other static programs for the images, such as
//! `target/…/release`; the default is the ones beside the command line, stripped.

mod calling;
mod clashes;
mod compose;
mod connect;
mod contexts;
mod docker;
mod dockerfile;
mod down;
mod example;
mod examples;
mod failures;
mod foreign;
mod formats;
mod full_disk;
mod guide;
mod hardening;
mod held;
mod interruption;
mod library;
mod official;
mod pty;
mod remote;
mod rendered;
mod rig;
mod run;
mod second_engine;
mod secrets;
mod ssh;
mod stand_in;
mod terminal;
mod tls;
mod up;
mod verification;
