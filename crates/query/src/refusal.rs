//! Why a request was refused, and how each protocol writes it.

use std::borrow::Cow;

use model::ApiError;

use crate::shapes::{Protocol, Service};
use crate::xml::Writer;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's code.
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// One sentence: what was refused and why.
    pub message: String,
}

/// Longest piece of a request that a message repeats, in characters.
const QUOTED: usize = 200;

impl Refusal {
    /// A refusal with status 400, or that which the code always has.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = code.into();
        let status = match &*code {
            "AuthFailure" => 401,
            "AccessDenied" | "ExpiredToken" | "InvalidClientTokenId" | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch" | "UnauthorizedOperation" => 403,
            "DryRunOperation" => 412,
            "RequestEntityTooLarge" => 413,
            "InternalError" | "InternalFailure" => 500,
            "RequestLimitExceeded" | "ServiceUnavailable" | "Unavailable" => 503,
            _ => 400,
        };
        Self { code, status, message: message.into() }
    }

    /// The same with the status that the service's model gives the code.
    pub fn of(service: &Service, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let refusal = Self::new(code, message);
        let status = service.status(&refusal.code).unwrap_or(refusal.status);
        Self { status, ..refusal }
    }

    /// The body of the answer, in the envelope of the protocol.
    pub fn write(&self, protocol: Protocol, namespace: &str, request_id: &str) -> String {
        let mut xml = Writer::with_room_for(0);
        let sender = if self.status < 500 { "Sender" } else { "Receiver" };
        match protocol {
            Protocol::Ec2 => {
                xml.open("Response");
                xml.open("Errors");
                xml.open("Error");
                xml.text("Code", &self.code);
                xml.text("Message", &self.message);
                xml.close("Error");
                xml.close("Errors");
                xml.text("RequestID", request_id);
                xml.close("Response");
            }
            Protocol::Query => {
                xml.open_in("ErrorResponse", namespace);
                xml.open("Error");
                xml.text("Type", sender);
                xml.text("Code", &self.code);
                xml.text("Message", &self.message);
                xml.close("Error");
                xml.text("RequestId", request_id);
                xml.close("ErrorResponse");
            }
        }
        xml.finish()
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let message = match error.hint {
            Some(hint) => format!("{} ({hint})", error.message),
            None => error.message,
        };
        Self { code: error.code.as_str().into(), status: error.code.http_status(), message }
    }
}

/// A piece of a request as a message repeats it: cut where it is long.
pub fn quoted(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

#[cfg(test)]
mod tests {
    use model::ErrorCode;

    use super::*;

    #[test]
    fn each_protocol_has_its_envelope() {
        let refusal = Refusal::from(ApiError::new(ErrorCode::InvalidVpcIdNotFound, "The vpc ID 'a<b' does not exist"));
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        assert_eq!(
            refusal.write(Protocol::Ec2, "", "r-1"),
            format!(
                "{head}<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>The vpc ID 'a&lt;b' does not \
                 exist</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
            )
        );
        let refusal = Refusal::of(crate::shapes::service("iam").unwrap(), "NoSuchEntity", "Nobody.");
        assert_eq!(refusal.status, 404);
        assert_eq!(
            refusal.write(Protocol::Query, "https://iam/", "r-1"),
            format!(
                "{head}<ErrorResponse xmlns=\"https://iam/\"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>\
                 <Message>Nobody.</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
            )
        );
    }

    #[test]
    fn long_pieces_of_a_request_are_cut_between_characters() {
        assert_eq!(quoted("short"), "short");
        assert_eq!(quoted(&"ä".repeat(1000)).chars().count(), QUOTED + 1);
    }
}
