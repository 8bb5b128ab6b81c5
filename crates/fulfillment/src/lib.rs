//! The workers that charge suppliers: claim orders, call, record what was heard.
//!
//! Knows suppliers only through `suppliers`, the database only through `store`, the broker only through `queue`; what follows from
//! an answer is decided by `domain::life` alone. May be run by any number of processes at once.
//!
//! Read in the order of an order's way: `lane` (hints come in), `dispatch` (room, claim), `call` (the supplier), `recorder`
//! (the verdict; `held_up`, where somebody keeps an account locked); the room `company` says for how long late work is gathered into sets.
//! `breaker`, `limits`, `pace` and `fleet` spare suppliers. `due` brings back what waits for its next look, `sweeper` what stood still;
//! `months` prepares where orders are kept, `steps` is what is told of all
//! this in traces. `worker` holds them all.

mod breaker;
mod call;
mod desk;
mod dispatch;
mod due;
mod fleet;
mod held_up;
mod lane;
mod limits;
mod meters;
mod months;
mod pace;
mod recorder;
mod settings;
mod steps;
mod sweeper;
mod worker;

pub use meters::describe_meters;
pub use settings::Settings;
pub use worker::Worker;
