pub mod hosted;
pub mod postgres;
pub mod provider;
pub mod upstream;
