//! The cases that are measured. criterion measures their times, `instructions` counts their
//! instructions, and `tests/allocations.rs` counts their allocations.
//!
//! A case is the whole life of one request, on a runtime with one thread: the call, the response,
//! and the copy until it has ended. The creation of the request is not part of it.

#![allow(dead_code, reason = "each of the three programs uses a part of it")]

pub mod answers;
pub mod body;
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

/// A row of a table of cases: the name, and the function that creates the case.
pub type Named = (&'static str, fn() -> Case);
/// A row whose case is created for bodies of each shape.
pub type Shaped = (&'static str, fn(Shape) -> Case);

/// One way to handle a request, which can be repeated any number of times.
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

    /// Creates a request for [`run`](Self::run). This is not measured.
    pub fn request(&self) -> Request<Frames> {
        (self.request)()
    }

    /// Returns a function like [`request`](Self::request), for use while the case runs.
    pub fn maker(&self) -> impl Fn() -> Request<Frames> + 'static {
        let request = Rc::clone(&self.request);
        move || request()
    }

    /// Runs the part that is measured.
    #[inline(never)]
    pub fn run(&mut self, request: Request<Frames>) {
        (self.run)(request);
    }
}
