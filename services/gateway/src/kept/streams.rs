//! Streams that can be taken up again: at any gateway, or, when they were begun while the store
//! could not be reached, at this one.

use std::sync::Arc;

use bytes::Bytes;
use cache::{
    CacheError, EventStreams, LocalStreams, Read, Reader, SessionId, StreamId, StreamLimits,
};
use futures_util::future::BoxFuture;

use super::{here, is_here};

/// Streams of all gateways, and those of this one.
pub(crate) struct KeptStreams {
    shared: Arc<dyn EventStreams>,
    here: LocalStreams,
}

impl KeptStreams {
    /// `limits` are those of the streams that are kept here.
    pub(crate) fn new(shared: Arc<dyn EventStreams>, limits: StreamLimits) -> Self {
        let here = LocalStreams::new(limits);
        Self { shared, here }
    }

    /// Opens a stream and becomes its reader; the reader says what the stream is called in the
    /// end. `None` when there is no room for it. One that this gateway alone adds to is ended by
    /// others when this gateway has gone, with `last_words`.
    ///
    /// # Errors
    /// The store refuses. When it cannot be reached, the stream is kept here.
    pub(crate) async fn begin(
        &self,
        session: SessionId,
        stream: StreamId,
        last_words: Option<Bytes>,
    ) -> Result<Option<Reader>, CacheError> {
        let begun = async {
            self.open(session, stream).await?;
            // Before anybody can know of the stream, and come back for it.
            if let Some(words) = last_words {
                self.bequeath(session, stream, words).await?;
            }
            self.attach(session, stream, 0).await
        };
        match begun.await {
            Err(error) if error.is_unavailable() => {
                tracing::warn!("a stream can be resumed at this gateway alone: {error}");
                let stream = here(stream);
                self.open(session, stream).await?;
                self.attach(session, stream, 0).await
            }
            begun => begun,
        }
    }

    /// Opens, beside the shared stream of a session that goes where its connection goes, one for
    /// what this gateway itself has to say there: it needs nobody else. From now on what is appended
    /// here to the session's own stream goes into this one.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) async fn begin_near(&self, session: SessionId) -> Result<Reader, CacheError> {
        let near = here(session);
        self.here.open(session, near).await?;
        let reader = self.here.attach(session, near, 0).await?;
        reader.ok_or_else(|| CacheError::Full("the stream was dropped at once".to_owned()))
    }

    /// The stream beside the shared one, where there may be one: by the session's own name.
    fn near(session: SessionId, stream: StreamId) -> Option<StreamId> {
        (stream == session && !is_here(stream)).then(|| here(stream))
    }

    fn of(&self, stream: StreamId) -> &dyn EventStreams {
        match is_here(stream) {
            true => &self.here,
            false => self.shared.as_ref(),
        }
    }
}

impl EventStreams for KeptStreams {
    fn open(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>> {
        self.of(stream).open(session, stream)
    }

    fn bequeath(
        &self,
        session: SessionId,
        stream: StreamId,
        last_words: Bytes,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        self.of(stream).bequeath(session, stream, last_words)
    }

    fn append(
        &self,
        session: SessionId,
        stream: StreamId,
        message: Bytes,
    ) -> BoxFuture<'_, Result<Option<u64>, CacheError>> {
        Box::pin(async move {
            if let Some(near) = Self::near(session, stream) {
                let appended = self.here.append(session, near, message.clone()).await?;
                if appended.is_some() {
                    return Ok(appended);
                }
            }
            self.of(stream).append(session, stream, message).await
        })
    }

    fn close(&self, session: SessionId, stream: StreamId) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            if let Some(near) = Self::near(session, stream) {
                self.here.close(session, near).await?;
            }
            self.of(stream).close(session, stream).await
        })
    }

    fn attach(
        &self,
        session: SessionId,
        stream: StreamId,
        after: u64,
    ) -> BoxFuture<'_, Result<Option<Reader>, CacheError>> {
        self.of(stream).attach(session, stream, after)
    }

    fn read(&self, reader: Reader, after: u64) -> BoxFuture<'_, Result<Read, CacheError>> {
        self.of(reader.stream).read(reader, after)
    }

    fn detach(&self, reader: Reader) {
        self.of(reader.stream).detach(reader);
    }

    fn make_standalone(
        &self,
        session: SessionId,
        stream: StreamId,
    ) -> BoxFuture<'_, Result<(), CacheError>> {
        self.of(stream).make_standalone(session, stream)
    }

    fn forget(&self, session: SessionId) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            self.here.forget(session).await?;
            match is_here(session) {
                true => Ok(()),
                false => self.shared.forget(session).await,
            }
        })
    }

    fn bytes(&self) -> u64 {
        self.shared.bytes() + self.here.bytes()
    }
}
