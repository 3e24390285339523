//~ `Own` cannot be the shadow of a mirror
//~ `Clone`
//~ a service that is not `Clone`, or not `Sync`, can be put behind `tower::buffer::Buffer`
use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::{Service, buffer::Buffer};
use tower_mirror::{MirrorLayer, ShadowBody};

pub struct Own;

impl Service<Request<ShadowBody>> for Own {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<ShadowBody>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}

pub fn mirror() -> MirrorLayer {
    let v2 = Own;
    #[cfg(right)]
    let v2 = Buffer::new(v2, 16);
    MirrorLayer::new(v2)
}
