//! `MakeResponse` and `EmptyResponse`: the responses of a layer that does not call its service.

use http::{Response, StatusCode};

/// Makes the response of a layer that does not call its service. The type of the reason is `Why`.
///
/// It is implemented for closures `Fn(&Why) -> Response<R>` and for [`EmptyResponse`]. A
/// [split](crate::split) takes one for requests that no subset can serve (`Why` is
/// [`Unavailable`](crate::split::Unavailable)), and a [`ReadOnlyLayer`](crate::ReadOnlyLayer) takes
/// one for the copies that it refuses (`Why` is the head of the copy,
/// [`request::Parts`](http::request::Parts)).
///
/// # Example
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_mirror::{EmptyResponse, MakeResponse, split::Unavailable};
///
/// #[derive(Clone)]
/// struct Page;
///
/// impl MakeResponse<Unavailable, String> for Page {
///     fn make_response(&self, why: &Unavailable) -> Response<String> {
///         let mut response = Response::new(format!("Please come back later: {why}."));
///         *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
///         response
///     }
/// }
///
/// let page = Page.make_response(&Unavailable::NoWeight);
/// assert_eq!(page.body(), "Please come back later: all weights are zero.");
///
/// let empty: Response<String> = EmptyResponse(StatusCode::BAD_GATEWAY).make_response(&Unavailable::NoWeight);
/// assert_eq!((empty.status(), empty.body().as_str()), (StatusCode::BAD_GATEWAY, ""));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make a `Response<{R}>` from a `&{Why}`",
    label = "neither a `MakeResponse` nor a closure `|why: &{Why}| -> Response<{R}>`",
    note = "the default, `EmptyResponse`, needs a response body that implements `Default`"
)]
pub trait MakeResponse<Why: ?Sized, R> {
    /// Makes the response.
    fn make_response(&self, why: &Why) -> Response<R>;
}

impl<F, Why: ?Sized, R> MakeResponse<Why, R> for F
where
    F: Fn(&Why) -> Response<R>,
{
    fn make_response(&self, why: &Why) -> Response<R> {
        self(why)
    }
}

/// Makes a response with this status and an empty body: `R::default()`.
///
/// See [`MakeResponse`] for a further example.
///
/// # Example
///
/// ```
/// use http::StatusCode;
/// use tower_mirror::{EmptyResponse, ReadOnlyLayer};
///
/// let layer = ReadOnlyLayer::new().refusal(EmptyResponse(StatusCode::METHOD_NOT_ALLOWED));
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyResponse(pub StatusCode);

impl<Why: ?Sized, R: Default> MakeResponse<Why, R> for EmptyResponse {
    fn make_response(&self, _: &Why) -> Response<R> {
        let mut response = Response::new(R::default());
        *response.status_mut() = self.0;
        response
    }
}
