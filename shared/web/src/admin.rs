//! What the operator's probes and scraper read, on a port of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use runtime::Process;
use serde::Serialize;

use crate::{Json, not_found};

/// `/health/live`, `/health/ready`, `/health/startup` and `/metrics`.
pub fn router(process: &Process) -> Router {
    let admin = Admin {
        process: process.clone(),
        started: Arc::default(),
    };
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/startup", get(startup))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .with_state(admin)
}

#[derive(Clone)]
struct Admin {
    process: Process,
    /// Stays true once everything was ready: a startup probe asks only for the first time.
    started: Arc<AtomicBool>,
}

/// What each probe answers.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    /// Parts that are not ready yet.
    pending: Vec<&'static str>,
    /// Parts that work with less than they should, and why.
    degraded: BTreeMap<&'static str, String>,
}

impl Admin {
    fn health(&self, status: &'static str) -> Health {
        let readiness = &self.process.readiness;
        Health {
            status,
            pending: readiness.pending(),
            degraded: readiness.degraded(),
        }
    }
}

/// The process answers; a dead one cannot.
async fn live(State(admin): State<Admin>) -> Response {
    Json(admin.health("live")).into_response()
}

async fn ready(State(admin): State<Admin>) -> Response {
    let mut health = admin.health("ready");
    if admin.process.shutdown.is_draining() {
        health.status = "draining";
    } else if !health.pending.is_empty() {
        health.status = "starting";
    } else if !health.degraded.is_empty() {
        // Still ready: it serves, and taking it away would help nobody.
        health.status = "degraded";
    }
    let ok = matches!(health.status, "ready" | "degraded");
    (status(ok), Json(health)).into_response()
}

async fn startup(State(admin): State<Admin>) -> Response {
    let mut health = admin.health("started");
    if health.pending.is_empty() {
        admin.started.store(true, Ordering::Relaxed);
    }
    let started = admin.started.load(Ordering::Relaxed);
    if !started {
        health.status = "starting";
    }
    (status(started), Json(health)).into_response()
}

fn status(ok: bool) -> StatusCode {
    if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, form)], admin.process.metrics.encode()).into_response()
}
