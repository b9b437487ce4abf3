//! The program itself, against a stand-in for the engine: what it says, and how it ends.

mod asked;
mod calling;
mod checking;
mod connect;
mod connecting;
mod enduring;
mod engine;
mod failing;
mod importing;
mod log_folder;
mod output;
mod place;
mod reconnecting;
mod refusing;
mod rendering;
mod running;
mod stub;
mod taking_back;
mod texts;
