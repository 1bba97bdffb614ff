//! What happens around every request: its id, its span, its line in the access log, its count,
//! and an answer even when the handler panics.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use runtime::{IdGen, Process, telemetry};
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Instrument;

use crate::metrics::{HttpMetrics, Labels, method_label, status_label};
use crate::{Problem, REQUEST_ID_HEADER, RequestId};

/// Watches requests. One per process: it registers the HTTP metrics. Cheap to clone.
#[derive(Clone)]
pub struct Observer {
    metrics: HttpMetrics,
    ids: Arc<dyn IdGen>,
    quiet: Arc<[&'static str]>,
}

impl Observer {
    pub fn new(process: &Process, ids: Arc<dyn IdGen>) -> Self {
        Self {
            metrics: HttpMetrics::register(&process.metrics),
            ids,
            quiet: Arc::default(),
        }
    }

    /// Leaves requests of these route templates that succeed out of the log, below the level
    /// `debug`: for routes that are called so often that a line each would cost more than the
    /// request, and that count what happens themselves.
    pub fn quiet_on(self, routes: &[&'static str]) -> Self {
        Self {
            quiet: routes.into(),
            ..self
        }
    }

    /// Wraps every route of `router`, and its fallback. Apply it once, last, to the whole of what
    /// a listener serves: the layer must lie inside the router to see route templates.
    pub fn observe(&self, router: Router) -> Router {
        router.layer(ObserveLayer(self.clone()))
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

#[derive(Clone)]
struct ObserveLayer(Observer);

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            observer: self.0.clone(),
        }
    }
}

#[derive(Clone)]
struct Observed<S> {
    inner: S,
    observer: Observer,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let begun = Begun::new(&request, &self.observer);
        request.extensions_mut().insert(begun.id.clone());
        let span = match begun.quiet {
            false => tracing::info_span!("request", request.id = begun.id.as_str()),
            true => tracing::debug_span!("request", request.id = begun.id.as_str()),
        };
        let metrics = self.observer.metrics.clone();
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(
            async move {
                let (answer, handled) = telemetry::noticed(answer).await;
                let response = match answer {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => Problem::internal("answer", "the handler panicked").into_response(),
                };
                let finish = || begun.finish(response, &metrics);
                Ok(match handled {
                    Some(handled) => handled.within(finish),
                    None => finish(),
                })
            }
            .instrument(span),
        )
    }
}

/// What is known of a request when it arrives.
struct Begun {
    id: RequestId,
    uri: http::Uri,
    route: String,
    method: &'static str,
    at: Instant,
    quiet: bool,
}

impl Begun {
    fn new(request: &Request, observer: &Observer) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or("unmatched", MatchedPath::as_str);
        Self {
            id: RequestId::of(request.headers(), &*observer.ids),
            uri: request.uri().clone(),
            quiet: observer.quiet.contains(&route),
            route: route.to_owned(),
            method: method_label(request.method()),
            at: Instant::now(),
        }
    }

    fn finish(self, mut response: Response, metrics: &HttpMetrics) -> Response {
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            response = problem.response(Some(self.uri.path()), Some(self.id.as_str()));
        }
        if let Some(id) = self.id.header() {
            response.headers_mut().insert(REQUEST_ID_HEADER, id);
        }
        let (status, seconds) = (response.status(), self.at.elapsed().as_secs_f64());
        let (code, duration_ms) = (status.as_u16(), (seconds * 1e5).round() / 1e2);
        let (method, route, id) = (self.method, self.route.as_str(), self.id.as_str());
        // A target of its own, so that a filter can leave it out: `info,access=off`.
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: "access",
                    {
                        request.id = id,
                        http.method = method,
                        http.route = route,
                        http.status = code,
                        duration_ms
                    },
                    "request answered"
                )
            };
        }
        match self.quiet && status.is_success() {
            true => log!(debug),
            false => log!(info),
        }
        let labels = Labels {
            route: self.route,
            method: self.method,
            status: status_label(status),
        };
        metrics.record(&labels, seconds);
        response
    }
}
