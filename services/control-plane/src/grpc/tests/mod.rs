//! gRPC and REST side by side, on platforms that are alike.

mod equal;
mod guarded;
mod masks;
mod rest_of;
mod served;
mod world;
