//! The borrowed view of a request that every policy decides on.

use std::fmt;

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};
use http_body::{Body, SizeHint};

/// What a policy may look at before a request is served: everything but its bytes.
///
/// Filters, keys and route labels run on the primary's path for every request,
/// so they get references. Taking a request apart to show it costs more than
/// the decision itself.
///
/// # Example
///
/// ```
/// use http::{Method, Request};
/// use tower_mirror::RequestHead;
///
/// let request = Request::post("/items?page=2").body(String::from("hello")).unwrap();
/// let head = RequestHead::of(&request);
///
/// assert_eq!(head.method, Method::POST);
/// assert_eq!(head.uri.path(), "/items");
/// assert_eq!(head.body.exact(), Some(5));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request target, as the layer sees it. Under a nested axum router this
    /// is the shortened one; axum keeps the original in `OriginalUri`.
    pub uri: &'a Uri,
    /// The protocol version the request arrived with.
    pub version: Version,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The request's extensions.
    pub extensions: &'a Extensions,
    /// What the body says of its own length, in bytes.
    pub body: SizeHint,
}

impl<'a> RequestHead<'a> {
    /// The view of `request`.
    pub fn of<B: Body>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
            body: request.body().size_hint(),
        }
    }
}

/// The names of the headers, and the path without its query: values are not for a log.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("version", &self.version)
            .field("headers", &names)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
