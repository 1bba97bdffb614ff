//! Which trace and which request a line of the log belongs to.
//!
//! What is handled says so while it is polled. Only a line that is written asks, so that it costs
//! next to nothing where none is: no span of the log is opened for it.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;

use tracing::Event;
use tracing::Subscriber;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::context::SpanContext;

tokio::task_local! {
    static HANDLED: Handled;
    static NOTICED: RefCell<Option<Handled>>;
}

/// Runs `work`, and says as what it was recorded, if it was: the last such, where it was more than
/// one. What is written after it, such as its line in the access log, can then belong to it.
pub async fn noticed<F: Future>(work: F) -> (F::Output, Option<Handled>) {
    let work = async {
        let output = work.await;
        (output, NOTICED.with(RefCell::take))
    };
    NOTICED.scope(RefCell::default(), work).await
}

/// A recorded request that is handled here.
#[derive(Clone, Debug)]
pub struct Handled {
    span: SpanContext,
    request: String,
}

impl Handled {
    /// `span` is what it is recorded as, `request` its id in the log.
    pub fn new(span: SpanContext, request: &str) -> Self {
        Self {
            span,
            request: request.to_owned(),
        }
    }

    /// Lines that `work` writes by itself belong to the request: in the log of form `json` they
    /// have `trace_id`, `span_id` and `request.id`.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        // Who waits for the request may want to know; who does not, does not.
        let _ = NOTICED.try_with(|noticed| noticed.replace(Some(self.clone())));
        HANDLED.scope(self, work)
    }

    /// The same for what is written at once.
    pub fn within<T>(self, work: impl FnOnce() -> T) -> T {
        HANDLED.sync_scope(self, work)
    }

    /// Adds to an object that ends the line what it does not say itself.
    fn write(&self, line: &str, writer: &mut Writer<'_>) -> fmt::Result {
        let Some(open) = line.trim_end().strip_suffix('}') else {
            return writer.write_str(line);
        };
        let (trace, span) = (self.span.trace_id(), self.span.span_id());
        write!(
            writer,
            "{open},\"trace_id\":\"{trace}\",\"span_id\":\"{span}\""
        )?;
        if !open.contains("\"request.id\":") {
            let request = serde_json::to_string(&self.request).map_err(|_| fmt::Error)?;
            write!(writer, ",\"request.id\":{request}")?;
        }
        writer.write_str("}\n")
    }
}

/// Lines of JSON that say what they belong to.
pub(super) struct Correlated<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Correlated<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Ok(handled) = HANDLED.try_with(Handled::clone) else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        handled.write(&line, &mut writer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<serde_json::Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    #[tokio::test]
    async fn a_line_written_while_a_request_is_handled_says_which() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let log = Log::default();
        let writer = log.clone();
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .map_event_format(Correlated)
            .with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

        tracing::info!("before");
        let handled = Handled::new(SpanContext::parse(PARENT).unwrap(), "r\"1");
        let work = async {
            tracing::info!("within");
            tokio::task::yield_now().await;
            tracing::info!(request.id = "its own", "later");
        };
        tokio::join!(handled.scope(work), async { tracing::info!("beside") });
        let handled = Handled::new(SpanContext::parse(PARENT).unwrap(), "r2");
        let ((), noticed) = noticed(async { handled.scope(async {}).await }).await;
        tracing::info!("after");
        noticed.unwrap().within(|| tracing::info!("of it"));

        let lines = log.lines();
        let field = |line: usize, name: &str| lines[line][name].as_str().unwrap_or("none");
        let messages: Vec<_> = (0..6).map(|line| field(line, "message")).collect();
        let expected = ["before", "within", "beside", "later", "after", "of it"];
        assert_eq!(messages, expected);
        for (line, request) in [(1, "r\"1"), (3, "its own"), (5, "r2")] {
            assert_eq!(field(line, "trace_id"), "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(field(line, "span_id"), "b7ad6b7169203331");
            assert_eq!(field(line, "request.id"), request);
        }
        for line in [0, 2, 4] {
            assert_eq!(field(line, "trace_id"), "none");
            assert_eq!(field(line, "request.id"), "none");
        }
    }
}
