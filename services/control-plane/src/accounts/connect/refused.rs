//! Why a person cannot go on, and what they can do about it.

use http::StatusCode;

use crate::error::Error;

/// What a page says when it does not go on. Holds no secret, and nothing that somebody else may not
/// know: pages can be asked for by anybody.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There never was such a link, or it is long gone.
    NoLink,
    /// It was not used in time.
    Expired,
    /// Another browser uses it.
    Elsewhere,
    /// It led to an account.
    Connected,
    /// It ended otherwise.
    Ended(String),
    /// The browser did not send back what it was given.
    NoCookie,
    /// The form is none that this page gave this browser.
    NotOurForm,
    /// The provider's answer names no attempt, or one that nobody knows.
    UnknownAnswer,
    /// The provider has answered this attempt before.
    AnsweredBefore,
    /// The provider's answer came to another browser than the one that was sent there.
    OtherBrowser,
    /// Somebody else than the provider that was asked answered.
    OtherIssuer,
    /// The person, or their administrator, said no.
    Declined(String),
    /// The provider did not give tokens.
    Provider(String),
    /// Somebody else signed in than the account is of.
    OtherUser,
    /// It cannot be done here and now.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Refused {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoLink => StatusCode::NOT_FOUND,
            Self::Expired => StatusCode::GONE,
            Self::Elsewhere
            | Self::Connected
            | Self::Ended(_)
            | Self::AnsweredBefore
            | Self::OtherUser => StatusCode::CONFLICT,
            Self::NoCookie | Self::NotOurForm | Self::OtherBrowser | Self::Declined(_) => {
                StatusCode::FORBIDDEN
            }
            Self::UnknownAnswer | Self::OtherIssuer => StatusCode::BAD_REQUEST,
            Self::Provider(_) => StatusCode::BAD_GATEWAY,
            Self::Failed(Error::Unavailable { .. } | Error::InDoubt { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Failed(Error::Internal { .. }) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Failed(Error::NotFound(_)) => StatusCode::NOT_FOUND,
            Self::Failed(_) => StatusCode::CONFLICT,
        }
    }

    /// A headline.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::NoLink => "There is no such link",
            Self::Expired => "This link is over",
            Self::Elsewhere => "This link is used in another browser",
            Self::Connected => "This link has done its work",
            Self::Ended(_) => "This link has been used",
            Self::NoCookie => "Your browser sent no cookie",
            Self::NotOurForm => "This form cannot be used",
            Self::UnknownAnswer => "Nobody waits for this answer",
            Self::AnsweredBefore => "This answer was here before",
            Self::OtherBrowser => "This answer belongs to another browser",
            Self::OtherIssuer => "This answer is from somebody else",
            Self::Declined(_) => "The account was not connected",
            Self::Provider(_) => "The provider did not connect the account",
            Self::OtherUser => "You signed in as somebody else",
            Self::Failed(_) => "The account cannot be connected now",
        }
    }

    /// What happened and what to do next.
    pub(crate) fn words(&self) -> String {
        const ANEW: &str = "Ask for a new link where you got this one.";
        match self {
            Self::NoLink => {
                format!("It may be mistyped, or so old that nothing is known of it. {ANEW}")
            }
            Self::Expired => format!("Links are good for a short time only. {ANEW}"),
            Self::Elsewhere => {
                "It works in one browser only. Go on in the one where you opened it \
                first, or ask for a new link where you got this one. If you opened it nowhere \
                else, somebody else did: tell your administrator."
                    .to_owned()
            }
            Self::Connected => {
                "The account is connected. There is nothing more to do here; you can \
                 close this page."
                    .to_owned()
            }
            Self::Ended(problem) => format!("It did not connect an account: {problem}. {ANEW}"),
            Self::NoCookie => "Allow cookies for this page and open the link again. Connecting an \
                 account is bound to your browser by one."
                .to_owned(),
            Self::NotOurForm => "It was not given to this browser by this page. Open the link \
                 again and start from there."
                .to_owned(),
            Self::UnknownAnswer => format!(
                "It belongs to no sign-in that is under way here: it may be incomplete, or of one \
                 that was started anew. Nothing was connected by it. {ANEW}"
            ),
            Self::AnsweredBefore => "Each answer of a provider counts once, and this one has. If \
                 the account is not connected, ask for a new link where you got the last one."
                .to_owned(),
            Self::OtherBrowser => "The sign-in was begun in another browser, or its cookie is \
                 gone. Nothing was connected. Go on in the browser where you began, or ask for a \
                 new link."
                .to_owned(),
            Self::OtherIssuer => format!(
                "It does not come from the provider that you were sent to. Nothing was connected. \
                 {ANEW}"
            ),
            Self::Declined(said) => format!("{said}. Nothing was connected. {ANEW}"),
            Self::Provider(said) => format!("{said}. Nothing was connected. {ANEW}"),
            Self::OtherUser => format!(
                "The link was for connecting an account again, and at the provider you were signed \
                 in as another user or to another workspace. Nothing was changed. Sign out there, \
                 or choose the right user. {ANEW}"
            ),
            Self::Failed(error) => match error {
                Error::Unavailable { .. } => {
                    "Something that is needed is away for the moment. Try again.".to_owned()
                }
                Error::Internal { .. } => {
                    "Something went wrong here; the log has it. Try again, and tell your \
                     administrator if it stays so."
                        .to_owned()
                }
                Error::NotFound(_) => {
                    "What it was for is not there any more. Ask your administrator.".to_owned()
                }
                error => format!("{error}. Ask your administrator."),
            },
        }
    }
}
