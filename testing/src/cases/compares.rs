//! Requests whose answers are compared. The comparing thread is not part of the case.

use http::{Request, header::RANGE};
use tower::{Layer, Service};
use tower_mirror::{
    MirrorLayer, SampleRate,
    compare::{Compare, CompareLayer},
};

use super::{
    Case,
    body::{Frames, Shape, usual},
    services::{Null, Reader, runtime},
    unsampled::called,
};

/// Not sampled by the mirror inside.
pub fn unsampled() -> Case {
    let mirror = MirrorLayer::builder(Null).sample_rate(SampleRate::NONE);
    let layer = Compare::with_baseline(Null).layer(mirror);
    called(layer.expect("a valid comparison").layer(Null))
}

/// Copied, and not compared because it asks for a range: what the layer costs beside the mirror.
pub fn not_compared() -> Case {
    let ranged = || {
        let mut request = usual(Shape::EMPTY);
        let all = http::HeaderValue::from_static("bytes=0-");
        request.headers_mut().insert(RANGE, all);
        request
    };
    compared(Compare::with_baseline(Reader), ranged)
}

/// A shadow only.
pub fn alone() -> Case {
    compared(Compare::alone(), || usual(Shape::EMPTY))
}

/// A shadow and a baseline.
pub fn paired() -> Case {
    compared(Compare::with_baseline(Reader), || usual(Shape::EMPTY))
}

fn compared(compare: Compare, request: impl Fn() -> Request<Frames> + 'static) -> Case {
    let compare = compare.methods([usual(Shape::EMPTY).method().clone()]);
    let layer = compare.duty(1.0).layer(MirrorLayer::builder(Reader));
    let layer: CompareLayer = layer.expect("a valid comparison");
    let (runtime, mirror, handle) = (runtime(), layer.mirror(), layer.handle());
    let mut service = layer.layer(Reader);
    Case::new(request, move |request| {
        runtime.block_on(async {
            drop(service.call(request).await);
            mirror.wait_idle().await;
            handle.wait_idle().await;
        });
    })
}
