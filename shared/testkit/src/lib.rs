pub mod hosted;
pub mod postgres;
pub mod provider;
pub mod stage;
pub mod upstream;
