//! A request and a response as values; sockets and their framing are somebody else's.

/// A request that has arrived whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as it stood in the request line, percent signs and all.
    pub path: String,
    /// What stood after `?`, as it was.
    pub query: String,
    /// Names and values in the order of arrival; names in any case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a header, in the order of arrival.
    pub fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A response that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names and values; the length is left to who sends it.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// The action that was asked for, if the request came that far; for the log.
    pub operation: Option<String>,
    /// The code of a refusal; for the log.
    pub code: Option<String>,
}
