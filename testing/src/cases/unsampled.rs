//! The cases of requests that are not copied.

use http::Method;
use tower::{Layer, Service};
use tower_mirror::{Draw, Key, MirrorBuilder, MirrorLayer, SampleRate};

use super::{
    Case,
    body::{Frames, Shape, usual},
    services::{Identity, Null, call},
};

pub fn bare() -> Case {
    called(Null)
}

pub fn identity() -> Case {
    called(Identity(Null))
}

pub fn at_zero() -> Case {
    mirrored(|mirror| mirror.sample_rate(SampleRate::NONE))
}

pub fn even() -> Case {
    drawn(Draw::even())
}

pub fn random() -> Case {
    drawn(Draw::random())
}

pub fn keyed() -> Case {
    drawn(Draw::key(Key::header("x-user")))
}

pub fn filtered() -> Case {
    mirrored(|mirror| mirror.filter(|head| head.method == Method::PUT))
}

/// At a rate with which every request is drawn and no measured request is selected: the probability is
/// one in a million, and outside a runtime such a request is not copied either.
fn drawn(draw: Draw) -> Case {
    mirrored(|mirror| mirror.sample_rate(rare()).draw(draw))
}

pub fn rare() -> SampleRate {
    SampleRate::per_million(1).expect("a valid rate")
}

fn mirrored(configure: impl FnOnce(MirrorBuilder) -> MirrorBuilder) -> Case {
    called(configure(MirrorLayer::builder(Null)).build().layer(Null))
}

pub fn called<S>(mut service: S) -> Case
where
    S: Service<http::Request<Frames>> + 'static,
{
    Case::new(
        || usual(Shape::EMPTY),
        move |request| call(&mut service, request),
    )
}
