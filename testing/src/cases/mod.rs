//! The measured cases. Criterion measures their times, `instructions` counts their instructions, and
//! `tests/allocations.rs` their allocations.
//!
//! A case is the entire life of one request: the call, the answer, and its copy until nothing of it is
//! left, on a runtime with one thread. The creation of the request is not a part of it.

#![allow(dead_code, reason = "each of the three programs uses a part of it")]

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

/// A row of a table of cases: the name, and the function that creates the case.
pub type Named = (&'static str, fn() -> Case);
/// One column for each shape of bodies.
pub type Shaped = (&'static str, fn(Shape) -> Case);

/// One way to handle requests, for any number of requests.
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

    /// Creates a request for [`run`](Self::run), which is not measured.
    pub fn request(&self) -> Request<Frames> {
        (self.request)()
    }

    /// Like [`request`](Self::request), while the case runs.
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
