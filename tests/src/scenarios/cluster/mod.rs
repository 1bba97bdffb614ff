//! What a cluster of real processes promises when one of them, or a server that they share, is gone.
//! Each test prints how long recovery took.

mod changes;
mod control_planes;
mod crowd;
mod gateways;
mod limits;
mod metrics;
mod native;
mod nats;
mod network;
mod postgres;
mod redis;
mod renewal;
mod rolling;
mod secrecy;
mod smoke;
mod soak;
mod traces;
mod workers;
