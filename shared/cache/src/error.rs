//! Why something cannot be had.

/// Why something cannot be had from a cache.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// The store cannot be reached now. Whoever asks goes on without it, or comes again.
    #[error("the session store is unavailable: {0}")]
    Unavailable(String),
    /// The store holds as much as it may.
    #[error("the session store is full: {0}")]
    Full(String),
    /// The store was reached and refused. Asking again does not help.
    #[error("the session store failed: {0}")]
    Failed(String),
}

impl CacheError {
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
