//! Requests that are copied, in every way.

use http::Request;
use tower::{Layer, Service};
use tower_mirror::{BodyMode, MirrorBuilder, MirrorLayer, Outcome, RequestBodyBufferLayer};

use super::{
    Case,
    body::{Frames, Shape, usual},
    floor::{self, Floor},
    naive::Naive,
    services::{Reader, runtime},
};

/// The service without a layer, which is a part of all other cases.
pub fn bare(shape: Shape) -> Case {
    let runtime = runtime();
    Case::new(
        move || usual(shape),
        move |request| drop(runtime.block_on(Reader.call(request))),
    )
}

pub fn by_hand(shape: Shape) -> Case {
    by_hand_of(shape, usual)
}

/// A copy by hand with another host and a mark.
pub fn marked_by_hand(shape: Shape) -> Case {
    floor_of(Floor::new(Reader).marking(), shape, usual)
}

pub fn by_hand_of(shape: Shape, request: impl Fn(Shape) -> Request<Frames> + 'static) -> Case {
    floor_of(Floor::new(Reader), shape, request)
}

fn floor_of(
    mut service: Floor<Reader>,
    shape: Shape,
    request: impl Fn(Shape) -> Request<Frames> + 'static,
) -> Case {
    let runtime = runtime();
    let permits = service.permits();
    Case::new(
        move || request(shape),
        move |request| {
            runtime.block_on(async {
                drop(service.call(request).await);
                floor::idle(&permits).await;
            });
        },
    )
}

pub fn naive(shape: Shape) -> Case {
    let (runtime, mut service) = (runtime(), Naive::default());
    Case::new(
        move || usual(shape),
        move |request| {
            runtime.block_on(async {
                drop(service.call(request).await);
                service.idle().await;
            });
        },
    )
}

pub fn buffered(shape: Shape) -> Case {
    mirrored(shape, usual, |mirror| mirror)
}

pub fn streaming(shape: Shape) -> Case {
    mirrored(shape, usual, |mirror| mirror.body_mode(BodyMode::Streaming))
}

/// The body is read completely before the mirror receives it.
pub fn behind_a_buffer(shape: Shape) -> Case {
    let layer = MirrorLayer::new(Reader);
    let service = RequestBodyBufferLayer::new().layer(layer.layer(Reader));
    copied(shape, usual, layer, service)
}

pub fn mirrored(
    shape: Shape,
    request: impl Fn(Shape) -> Request<Frames> + 'static,
    configure: impl FnOnce(MirrorBuilder) -> MirrorBuilder,
) -> Case {
    let layer = configure(MirrorLayer::builder(Reader)).build();
    let service = layer.layer(Reader);
    copied(shape, request, layer, service)
}

fn copied<S>(
    shape: Shape,
    request: impl Fn(Shape) -> Request<Frames> + 'static,
    layer: MirrorLayer,
    mut service: S,
) -> Case
where
    S: Service<Request<Frames>> + 'static,
{
    let (runtime, handle) = (runtime(), layer.handle());
    let ends = Ends(layer);
    Case::new(
        move || request(shape),
        move |request| {
            let _ = &ends;
            runtime.block_on(async {
                drop(service.call(request).await);
                handle.wait_idle().await;
            });
        },
    )
}

/// Checks that no copy failed, because the case would then have measured something else.
struct Ends(MirrorLayer);

impl Drop for Ends {
    fn drop(&mut self) {
        let stats = self.0.handle().stats();
        let completed = stats.outcome(Outcome::Completed);
        assert_eq!(completed, stats.requests(), "{stats}");
    }
}
