//! What every process needs whatever its role: configuration, telemetry, metrics, supervised
//! tasks, shutdown, readiness, and the two things that code may not take from the air: the time
//! and new ids.

mod clock;
pub mod config;
mod ids;
mod metrics;
mod process;
mod readiness;
pub mod seconds;
mod shutdown;
mod tasks;
pub mod telemetry;

pub use clock::{Clock, ManualClock, SystemClock};
pub use ids::{IdGen, SequentialIds, TimeOrderedIds};
pub use metrics::{Metrics, ReadCounter, ReadGauge};
pub use process::Process;
pub use readiness::{Latch, Readiness};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use tasks::Tasks;
