//! Refusals, shaped as the API says: a status and `{"message": …}`. What the rooms below refuse is told in Docker's words here
//! where clients look for them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use container::engine::Error;
use container::registry::Failure as RegistryFailure;
use serde_json::json;

/// What a request ends with when it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: StatusCode,
    /// The sentence.
    pub message: String,
}

/// Result of an endpoint.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// With a status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into() }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: nothing is called so.
    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, message)
    }

    /// 409: not in the state that it is in.
    pub fn conflict(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::CONFLICT, message)
    }

    /// 500: something broke.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 501: Docker has it, this has not.
    pub fn not_built(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::NOT_IMPLEMENTED, message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"message": self.message}))).into_response()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let status = match &error {
            Error::Name { .. } => {
                return Failure::bad_request(match &error {
                    Error::Name { kind: "container", text } => {
                        format!("Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
                    }
                    other => other.to_string(),
                });
            }
            Error::NameTaken { name, by } => {
                return Failure::conflict(format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{by}\". \
                     You have to remove (or rename) that container to be able to reuse that name."
                ));
            }
            Error::NoContainer(name) => return Failure::not_found(format!("No such container: {name}")),
            Error::NoNetwork(_) | Error::NoDriver(_) => StatusCode::NOT_FOUND,
            Error::NetworkExists(_) => StatusCode::CONFLICT,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::NoVolume(name) => return Failure::not_found(format!("get {name}: no such volume")),
            Error::VolumeInUse { name, by } => {
                return Failure::conflict(format!("remove {name}: volume is in use - [{}]", by.join(", ")));
            }
            Error::NoPath { .. } => StatusCode::NOT_FOUND,
            Error::Option { .. } | Error::Ambiguous { .. } | Error::Refused(_) => StatusCode::BAD_REQUEST,
            Error::Conflict(message) if message.ends_with("not found") || message.contains(" not found in ") => StatusCode::NOT_FOUND,
            Error::Conflict(_) | Error::State { .. } | Error::VolumeExists(_) => StatusCode::CONFLICT,
            // The CLI ends with 127 or 126 when the sentence says which; see `started`.
            Error::NotStarted { code: 126 | 127, .. } => StatusCode::BAD_REQUEST,
            Error::NotStarted { .. } | Error::Malformed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Error::InUse { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Image(_) | Error::Network(_) | Error::Sandbox(_) => {
                return match error {
                    Error::Image(error) => error.into(),
                    Error::Network(error) => error.into(),
                    Error::Sandbox(error) => error.into(),
                    other => Failure::failed(other.to_string()),
                };
            }
        };
        Failure::new(status, error.to_string())
    }
}

impl From<container::Error> for Failure {
    fn from(error: container::Error) -> Failure {
        use container::Error as E;
        let status = match &error {
            E::NoImage(name) => return Failure::not_found(format!("No such image: {name}")),
            E::Reference { .. } => return Failure::bad_request("invalid reference format"),
            E::Ambiguous { .. } | E::Malformed { .. } | E::Refused { .. } | E::Limit { .. } => StatusCode::BAD_REQUEST,
            E::ManyNames { .. } => StatusCode::CONFLICT,
            E::NoBlob(_) => StatusCode::NOT_FOUND,
            E::InUse { .. } => StatusCode::SERVICE_UNAVAILABLE,
            E::Registry(
                RegistryFailure::Unauthorized { .. } | RegistryFailure::Denied { .. } | RegistryFailure::Missing { .. },
            ) => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<container::network::Error> for Failure {
    fn from(error: container::network::Error) -> Failure {
        use container::network::Error as E;
        let status = match &error {
            E::Publish { .. } | E::Mode { .. } | E::Network { .. } | E::Address { .. } => StatusCode::BAD_REQUEST,
            E::Overlap { .. } => StatusCode::FORBIDDEN,
            E::Plan(_) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<sandbox::Error> for Failure {
    fn from(error: sandbox::Error) -> Failure {
        let status = match &error {
            sandbox::Error::NotRunning { .. } | sandbox::Error::Disconnected(_) => StatusCode::SERVICE_UNAVAILABLE,
            error if error.is_not_found() => StatusCode::NOT_FOUND,
            error if error.is_already_exists() => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_dockers_status_and_words() {
        let name = || "web".to_owned();
        for (error, status, words) in [
            (Error::NoContainer(name()), 404, "No such container: web"),
            (Error::NameTaken { name: name(), by: "abc".into() }, 409, "The container name \"/web\" is already in use"),
            (Error::Image(container::Error::NoImage("x".into())), 404, "No such image: x"),
            (Error::VolumeInUse { name: name(), by: vec!["db".into()] }, 409, "volume is in use - [db]"),
            (Error::NotStarted { code: 127, why: "no such file".into() }, 400, "no such file"),
            (Error::NotStarted { code: 125, why: "no memory".into() }, 500, "no memory"),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.status.as_u16(), status, "{failure:?}");
            assert!(failure.message.contains(words), "{failure:?}");
        }
    }
}
