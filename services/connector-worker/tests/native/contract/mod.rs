//! Every tool of every connector, in every way that its schema names, against the provider's own
//! description. What a description does not say is told, not passed over.

mod discovery;
mod documented;
mod graphql;
mod held;
mod names;
mod openapi;
mod sample;
mod specs;
mod ways;
