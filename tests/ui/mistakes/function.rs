//~ cannot be the shadow of a mirror
//~ a function needs `tower::service_fn` around it
use std::convert::Infallible;

use http::{Request, Response};
use tower_mirror::{MirrorLayer, ShadowBody};

pub async fn v2(_: Request<ShadowBody>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}

pub fn mirror() -> MirrorLayer {
    #[cfg(not(right))]
    let shadow = v2;
    #[cfg(right)]
    let shadow = tower::service_fn(v2);
    MirrorLayer::new(shadow)
}
