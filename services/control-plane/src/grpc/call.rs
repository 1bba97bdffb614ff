//! What all calls have in common.

use domain::Principal;
use tonic::{Request, Response, Status};
use web::RequestId;

use super::status::{Fields, to_status};
use crate::auth::Caller;
use crate::error::Error;

/// The answer to a call.
pub(super) type Answer<T> = Result<Response<T>, Status>;

/// A call whose caller is known.
pub(super) struct Call {
    caller: Caller,
    id: Option<RequestId>,
    fields: Fields,
}

impl Call {
    /// Takes a request apart. `fields` is what its kind calls the fields of REST.
    pub(super) fn begin<T>(request: Request<T>, fields: Fields) -> Result<(Self, T), Status> {
        let (_, mut extensions, input) = request.into_parts();
        let id = extensions.remove::<RequestId>();
        match extensions.remove::<Caller>() {
            Some(caller) => Ok((Self { caller, id, fields }, input)),
            // The guard lets no such call through; should it once be left out, nothing opens.
            None => {
                let error = Error::Unauthenticated { token_sent: false };
                Err(to_status(&error, fields, id.as_ref()))
            }
        }
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn principal(&self) -> Principal {
        self.caller.principal()
    }

    pub(super) fn end<T>(&self, done: Result<T, Error>) -> Answer<T> {
        done.map(Response::new)
            .map_err(|error| to_status(&error, self.fields, self.id.as_ref()))
    }
}
