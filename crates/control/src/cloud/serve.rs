//! The socket: HTTP/1.1 on this machine's own address, and how much one client may take.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use query::{Protocol, Refusal, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::desk::Desk;

/// Clients of one door at a time; more wait.
const MOST_CLIENTS: usize = 2_048;
/// How long a client may take for the headers of a request; also how long an unused connection stays open.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// How long a client may take for the body of a request.
const BODY_TIME: Duration = Duration::from_secs(30);
/// All headers of a request together, bytes.
const LARGEST_HEADERS: usize = 64 << 10;
/// Headers of a request.
const MOST_HEADERS: usize = 100;
/// Headers that are read to be refused in words; more get the status alone. The server clears 64 bytes for each before every request.
const MOST_HEADERS_READ: usize = 400;
/// How long a door that closes may take to let go of its port.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// The body of a request, bytes: that of a launch with user data and a thousand rules fits many times.
const LARGEST_BODY: usize = 1 << 20;
/// Bodies of more than so many bytes wait for one of [`LARGE_PLACES`], or clients could fill the memory.
const SMALL_BODY: usize = 64 << 10;
/// What is read of a body that is too large before it is refused, bytes.
const MOST_READ: usize = 32 << 20;
/// Large bodies at a time.
const LARGE_PLACES: usize = 64;

/// A socket that is served until this is dropped.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    places: Arc<Semaphore>,
    /// For bodies of more than [`SMALL_BODY`] bytes.
    large: Arc<Semaphore>,
    /// Gone with the door, and with it those who are served.
    open: watch::Sender<()>,
}

impl Drop for Door {
    /// The port is free when this returns: another door may take it.
    fn drop(&mut self) {
        self.accepting.abort();
        let begun = Instant::now();
        while !self.accepting.is_finished() && begun.elapsed() < CLOSING_TIME {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Door {
    /// Listens; port 0 takes one that is free. Called within a runtime.
    pub fn open(address: SocketAddr, desk: Arc<Desk>) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (open, closed) = watch::channel(());
        let places = Arc::new(Semaphore::new(MOST_CLIENTS));
        let large = Arc::new(Semaphore::new(LARGE_PLACES));
        let accepting = tokio::spawn(accept(listener, desk, places.clone(), large.clone(), closed));
        Ok(Self { address, accepting, places, large, open })
    }

    /// Serves a client that came by another way; nobody where there are too many. Called within a runtime.
    pub fn receive(&self, stream: std::net::TcpStream, from: SocketAddr, desk: Arc<Desk>) {
        let Ok(place) = self.places.clone().try_acquire_owned() else { return };
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        let Ok(stream) = stream else { return };
        let (mut closed, large) = (self.open.subscribe(), self.large.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = serve(stream, from.ip(), desk, large) => {}
                _ = closed.changed() => {}
            }
        });
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, places: Arc<Semaphore>, large: Arc<Semaphore>, closed: watch::Receiver<()>) {
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                // Out of descriptors: others have to end first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (desk, mut closed, large) = (desk.clone(), closed.clone(), large.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = serve(stream, from.ip(), desk, large) => {}
                _ = closed.changed() => {}
            }
        });
    }
}

/// Answers one client until it goes.
async fn serve(stream: TcpStream, from: IpAddr, desk: Arc<Desk>, large: Arc<Semaphore>) {
    // Answers are written whole: waiting for more to send would only cost time.
    let _ = stream.set_nodelay(true);
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (desk, large) = (desk.clone(), large.clone());
        async move { Ok::<_, Infallible>(write(answer(request, from, &desk, &large).await)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(LARGEST_HEADERS)
        .max_headers(MOST_HEADERS_READ)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that breaks off is no news.
    let _ = connection.await;
}

/// The whole body. Errors: `RequestEntityTooLarge`, `IncompleteBody`, `RequestTimeout`.
async fn read(mut body: Incoming, large: &Semaphore) -> Result<Vec<u8>, Refusal> {
    let (mut bytes, mut place, mut length) = (Vec::new(), None, 0);
    let is_known = body.size_hint().lower();
    let all = async {
        while length <= MOST_READ && is_known <= MOST_READ as u64 {
            let Some(frame) = body.frame().await else { break };
            let frame = frame.map_err(|_| Refusal::new("IncompleteBody", "The request ended before its body did."))?;
            let Some(more) = frame.data_ref() else { continue };
            length += more.len();
            if length > LARGEST_BODY {
                // Read on and let go: who is answered in the middle of sending hardly looks.
                bytes = Vec::new();
                continue;
            }
            if length > SMALL_BODY && place.is_none() {
                place = Some(large.acquire().await);
            }
            bytes.extend_from_slice(more);
        }
        match length <= LARGEST_BODY && is_known <= LARGEST_BODY as u64 {
            true => Ok(()),
            false => Err(Refusal::new("RequestEntityTooLarge", format!("A request has at most {LARGEST_BODY} bytes."))),
        }
    };
    match tokio::time::timeout(BODY_TIME, all).await {
        Ok(read) => read.map(|()| bytes),
        Err(_) => Err(Refusal { status: 408, ..Refusal::new("RequestTimeout", "The body of the request did not come.") }),
    }
}

async fn answer(request: hyper::Request<Incoming>, from: IpAddr, desk: &Arc<Desk>, large: &Semaphore) -> Arc<Response> {
    let (head, body) = request.into_parts();
    if let Err(refusal) = check_headers(&head.headers) {
        return Arc::new(refuse(&refusal));
    }
    let body = match read(body, large).await {
        Ok(body) => body,
        Err(refusal) => return Arc::new(refuse(&refusal)),
    };
    let headers = head.headers.iter();
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect(),
        body,
    };
    // Browsers come from this machine; who comes from inside a lab is none.
    if desk.is_open()
        && from.is_loopback()
        && let Err(refusal) = check_sender(&request)
    {
        return Arc::new(refuse(&refusal));
    }
    desk.answer(&request, from).await
}

/// Errors: `RequestHeaderSectionTooLarge`.
fn check_headers(headers: &hyper::HeaderMap) -> Result<(), Refusal> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    if headers.len() <= MOST_HEADERS && bytes <= LARGEST_HEADERS {
        return Ok(());
    }
    let message = format!("A request has at most {MOST_HEADERS} headers, of {LARGEST_HEADERS} bytes together.");
    Err(Refusal { status: 431, ..Refusal::new("RequestHeaderSectionTooLarge", message) })
}

/// Without signatures every page that a browser shows could send requests here, so those of pages are refused: they say where
/// they come from, or call this machine by another name. A picture of a page may do neither, so what changes anything comes by
/// POST. Errors: `AccessDenied`.
fn check_sender(request: &Request) -> Result<(), Refusal> {
    let host = request.header("host").unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
    let is_own = name == "localhost" || name.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_of_page = ["origin", "referer"].iter().any(|name| request.header(name).is_some())
        || request.header("sec-fetch-site").is_some_and(|site| site != "none");
    if !is_own || is_of_page {
        return Err(Refusal::new("AccessDenied", "Without signatures, requests of web pages and for other hosts are refused."));
    }
    let looks = |action: &str| ["Describe", "Get", "List"].iter().any(|verb| action.starts_with(verb));
    // What is no form is refused later, in better words.
    let only_looks = || query::form::pairs(request.query.as_bytes()).map_or(true, |pairs| pairs.iter().all(|(name, value)| name != "Action" || looks(value)));
    match request.method != "GET" || only_looks() {
        true => Ok(()),
        false => Err(Refusal::new("AccessDenied", "Without signatures, a GET may only look: send what changes anything by POST.")),
    }
}

/// A refusal before anything was read: in EC2's words.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    let headers = vec![("Content-Type", "text/xml;charset=UTF-8".to_owned())];
    let body = refusal.write(Protocol::Ec2, "", "00000000-0000-0000-0000-000000000000");
    Response { status: refusal.status, headers, body, operation: None, code: Some(refusal.code.to_string()) }
}

/// A body that others may be sent too.
struct Shared(Arc<Response>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.body.as_bytes()
    }
}

fn write(response: Arc<Response>) -> hyper::Response<Full<Bytes>> {
    if response.code.as_deref() == Some("InvalidAction") {
        sandbox::say!("{} is not built", response.operation.as_deref().unwrap_or("an action without a name"));
    }
    let written = hyper::Response::builder().status(response.status);
    let written = response.headers.iter().fold(written, |builder, (name, value)| builder.header(*name, value));
    written.body(Full::new(Bytes::from_owner(Shared(response)))).unwrap_or_else(|_| {
        let mut response = hyper::Response::new(Full::default());
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_signatures_web_pages_are_not_served() {
        let request = |headers: &[(&str, &str)]| Request {
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Request::default()
        };
        for (headers, is_served) in [
            (&[("Host", "127.0.0.1:4566")][..], true),
            (&[("host", "localhost:4566")], true),
            (&[("Host", "[::1]:4566")], true),
            (&[("Host", "localhost")], true),
            (&[("Host", "evil.example:4566")], false),
            (&[("Host", "127.0.0.1.evil.example")], false),
            (&[("Host", "127.0.0.1:4566"), ("Origin", "https://evil.example")], false),
            (&[("Host", "127.0.0.1:4566"), ("Referer", "https://evil.example/")], false),
            (&[("Host", "127.0.0.1:4566"), ("Sec-Fetch-Site", "cross-site")], false),
            (&[("Host", "127.0.0.1:4566"), ("Sec-Fetch-Site", "none")], true),
            (&[], false),
        ] {
            assert_eq!(check_sender(&request(headers)).is_ok(), is_served, "{headers:?}");
        }
    }

    #[test]
    fn without_signatures_what_changes_anything_comes_by_post() {
        for (method, query, is_served) in [
            ("GET", "Action=DescribeVpcs&Version=2016-11-15", true),
            ("GET", "Version=2016-11-15&Action=CreateVpc&CidrBlock=10.0.0.0/16", false),
            ("GET", "Action=DescribeVpcs&%41ction=CreateVpc", false),
            ("GET", "", true),
            ("POST", "Action=CreateVpc", true),
        ] {
            let headers = vec![("Host".to_owned(), "127.0.0.1:4566".to_owned())];
            let request = Request { method: method.to_owned(), query: query.to_owned(), headers, ..Request::default() };
            assert_eq!(check_sender(&request).is_ok(), is_served, "{method} {query}");
        }
    }

    #[test]
    fn headers_are_bounded_in_number_and_size() {
        let headers = |count: usize, size: usize| -> hyper::HeaderMap {
            let name = |number: usize| format!("x-{number}").parse::<hyper::header::HeaderName>().unwrap();
            (0..count).map(|number| (name(number), "v".repeat(size).parse().unwrap())).collect()
        };
        assert!(check_headers(&headers(MOST_HEADERS, 100)).is_ok());
        for (count, size) in [(MOST_HEADERS + 1, 1), (1, LARGEST_HEADERS)] {
            assert_eq!(check_headers(&headers(count, size)).unwrap_err().status, 431);
        }
    }
}
