//! What is measured, once for all: criterion takes the times, `instructions` the instructions and
//! `tests/allocations.rs` the allocations of the same cases.
//!
//! A case is one request's whole life: the call, the answer, and its copy until nothing is left of
//! it, on a runtime of one thread. Making the request is not part of it.

#![allow(dead_code, reason = "each of the three uses what it needs")]

pub mod answers;
pub mod body;
pub mod compares;
pub mod copies;
pub mod floor;
pub mod list;
pub mod naive;
pub mod services;
pub mod splits;
pub mod unsampled;

use std::rc::Rc;

use http::Request;

use self::body::{Frames, Shape};

/// A row of a table of cases.
pub type Named = (&'static str, fn() -> Case);
/// One for bodies of each shape.
pub type Shaped = (&'static str, fn(Shape) -> Case);

/// One way to treat a request, ready for any number of them.
pub struct Case {
    request: Rc<dyn Fn() -> Request<Frames>>,
    run: Box<dyn FnMut(Request<Frames>)>,
}

impl Case {
    pub fn new(
        request: impl Fn() -> Request<Frames> + 'static,
        run: impl FnMut(Request<Frames>) + 'static,
    ) -> Self {
        let (request, run) = (Rc::new(request), Box::new(run));
        Self { request, run }
    }

    /// A request for [`run`](Self::run), not measured.
    pub fn request(&self) -> Request<Frames> {
        (self.request)()
    }

    /// As [`request`](Self::request), while the case runs.
    pub fn maker(&self) -> impl Fn() -> Request<Frames> + 'static {
        let request = Rc::clone(&self.request);
        move || request()
    }

    /// What is measured.
    #[inline(never)]
    pub fn run(&mut self, request: Request<Frames>) {
        (self.run)(request);
    }
}
