//! How a fake server behaves.

/// What a fake server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

/// How a fake server behaves.
#[derive(Clone, Debug)]
pub struct Script {
    pub era: Era,
    /// The revision that a legacy server answers to `initialize`, whatever it was asked for.
    pub version: &'static str,
    /// Whether a legacy server names a session and demands it.
    pub sessions: bool,
    /// The status for a session that a legacy server does not know.
    pub unknown_session_status: u16,
    /// The status with which a legacy server refuses a request before `initialize`, in a JSON-RPC
    /// error (-32601 for 200, -32000 otherwise).
    pub before_initialize_status: u16,
    /// Never answers `server/discover`.
    pub hangs_on_discover: bool,
    /// Answers requests with an event stream.
    pub events: bool,
    /// Tools in one page of the list.
    pub page_size: usize,
    /// Always names the same next page.
    pub circular_list: bool,
    /// Demands this bearer token.
    pub bearer: Option<&'static str>,
    /// Answers every request with this status and no body.
    pub status: Option<u16>,
    /// Definitions (raw JSON) that are listed besides the usual ones.
    pub more_tools: Vec<&'static str>,
}

impl Script {
    pub fn legacy() -> Self {
        Self {
            era: Era::Legacy,
            version: "2025-11-25",
            sessions: true,
            unknown_session_status: 404,
            before_initialize_status: 400,
            hangs_on_discover: false,
            events: false,
            page_size: 4,
            circular_list: false,
            bearer: None,
            status: None,
            more_tools: Vec::new(),
        }
    }

    pub fn modern() -> Self {
        Self {
            era: Era::Modern,
            ..Self::legacy()
        }
    }

    /// The same, answering with event streams.
    #[must_use]
    pub fn with_events(self) -> Self {
        Self {
            events: true,
            ..self
        }
    }
}
