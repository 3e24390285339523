//! The `ResponseFuture` of a split: waits until the chosen subset is ready, and then for its
//! response.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tokio::{task::unconstrained, time::Sleep};
use tower_service::Service;

use super::{
    served::{Reason, ServedBy, Unavailable},
    state::{Choice, SplitState},
    subset::{EitherFuture, EitherSubset, SubsetError},
};
use crate::{respond::MakeResponse, time::try_sleep};

pin_project! {
    /// The future of a split's response. It owns the request until the subset is ready. When it is
    /// dropped, everything that the subset has reserved is released.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, T, B, F, G, U> {
        #[pin]
        state: State<EitherSubset<S, T>, B, EitherFuture<F, G>>,
        selection: Selection,
        unavailable: U,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Readying {
            service: S,
            request: Option<Request<B>>,
            fallback: Option<(usize, S)>,
            is_timed: bool,
            #[pin]
            deadline: Option<Sleep>,
        },
        Calling {
            #[pin]
            answer: F,
        },
        NoWeight,
    }
}

/// The output does not contain the request, because requests do not belong in a log.
impl<S, T, B, F, G, U> fmt::Debug for ResponseFuture<S, T, B, F, G, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Readying { .. } => "Readying",
            State::Calling { .. } => "Calling",
            State::NoWeight => "NoWeight",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &format_args!("{state}"))
            .field("subset", &self.selection.subset)
            .finish_non_exhaustive()
    }
}

/// The subset that was chosen for a request, and the reason.
struct Selection {
    shared: Arc<SplitState>,
    subset: usize,
    reason: Reason,
    generation: u64,
}

impl Selection {
    fn served_by(&self) -> ServedBy {
        ServedBy {
            split: Arc::clone(&self.shared.name),
            subset: Arc::clone(&self.shared.subsets[self.subset].name),
            reason: self.reason.clone(),
            generation: self.generation,
        }
    }

    /// Counts the request, and inserts the extension before the subset is called.
    #[inline]
    fn serve(&self, request: &mut Extensions) {
        self.shared.counters.serve(self.subset, &self.reason);
        self.insert_served_by(request);
    }

    fn stamp<R>(&self, answer: &mut Response<R>) {
        if let Some(name) = &self.shared.policy.response_header {
            let subset = self.shared.subsets[self.subset].header.clone();
            answer.headers_mut().insert(name.clone(), subset);
        }
        self.insert_served_by(answer.extensions_mut());
    }

    fn insert_served_by(&self, extensions: &mut Extensions) {
        if self.shared.policy.with_served_by {
            extensions.insert(self.served_by());
        }
    }

    fn not_ready(&self) -> Unavailable {
        Unavailable::NotReady {
            subset: Arc::clone(&self.shared.subsets[self.subset].name),
        }
    }

    /// Makes the result of the split from the error of a subset.
    fn failed<R, E>(&self, error: SubsetError<R, E>) -> Result<Response<R>, E> {
        match error {
            SubsetError::Failed(error) => Err(error),
            SubsetError::NotReady(mut answer) => {
                answer.extensions_mut().insert(self.not_ready());
                Ok(answer)
            }
        }
    }

    fn fall_back(&mut self, to: usize) {
        let from = Arc::clone(&self.shared.subsets[self.subset].name);
        self.subset = to;
        self.reason = Reason::Fallback { from };
    }
}

impl<S, T, B, F, G, U> ResponseFuture<S, T, B, F, G, U> {
    /// `service_of` returns a clone of the service of the subset with this index.
    #[inline]
    pub(super) fn new(
        shared: &Arc<SplitState>,
        choice: Choice,
        request: Request<B>,
        unavailable: U,
        service_of: impl Fn(usize) -> Option<EitherSubset<S, T>>,
    ) -> Self {
        let selection = Selection {
            shared: Arc::clone(shared),
            subset: choice.subset.unwrap_or_default(),
            reason: choice.reason,
            generation: choice.generation,
        };
        let chosen = choice.subset.and_then(|subset| {
            let fallback = shared.subsets[subset].fallback;
            Some((service_of(subset)?, fallback))
        });
        let state = match chosen {
            Some((service, fallback)) => State::Readying {
                service,
                request: Some(request),
                fallback: fallback.and_then(|to| Some((to, service_of(to)?))),
                is_timed: false,
                deadline: None,
            },
            None => State::NoWeight,
        };
        Self {
            state,
            selection,
            unavailable,
        }
    }
}

impl<S, T, B, R, E, U> Future for ResponseFuture<S, T, B, S::Future, T::Future, U>
where
    S: Service<Request<B>, Response = Response<R>, Error = E>,
    T: Service<Request<B>, Response = Response<R>, Error: Into<SubsetError<R, E>>>,
    U: MakeResponse<Unavailable, R>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Calling { answer } => {
                    let mut answer = ready!(answer.poll(cx));
                    if let Ok(answer) = &mut answer {
                        this.selection.stamp(answer);
                    }
                    return Poll::Ready(answer.or_else(|error| this.selection.failed(error)));
                }
                StateProjection::NoWeight => {
                    this.selection.shared.counters.no_weight();
                    return Poll::Ready(Ok(unavailable(this.unavailable, Unavailable::NoWeight)));
                }
                StateProjection::Readying {
                    service,
                    request,
                    fallback,
                    is_timed,
                    mut deadline,
                } => {
                    let failed = match service.poll_ready(cx) {
                        Poll::Ready(Ok(())) => None,
                        Poll::Ready(Err(error)) => Some(Err(error)),
                        Poll::Pending => {
                            if !*is_timed {
                                *is_timed = true;
                                deadline.set(try_sleep(this.selection.shared.policy.ready_timeout));
                            }
                            match deadline.as_mut().as_pin_mut() {
                                // A subset that uses up tokio's budget must not delay its own
                                // deadline.
                                Some(deadline) => {
                                    ready!(Pin::new(&mut unconstrained(deadline)).poll(cx))
                                }
                                None => return Poll::Pending, // a runtime without timers
                            }
                            Some(Ok(()))
                        }
                    };
                    let counters = &this.selection.shared.counters;
                    match (failed, fallback.take()) {
                        (None, _) => {
                            let Some(mut request) = request.take() else {
                                return Poll::Pending; // the future was polled again after its end
                            };
                            this.selection.serve(request.extensions_mut());
                            State::Calling {
                                answer: service.call(request),
                            }
                        }
                        (Some(_), Some((to, other))) => {
                            counters.unready(this.selection.subset);
                            this.selection.fall_back(to);
                            *service = other;
                            *is_timed = false;
                            deadline.set(None);
                            continue;
                        }
                        (Some(Err(error)), None) => {
                            counters.unready(this.selection.subset);
                            return Poll::Ready(this.selection.failed(error));
                        }
                        (Some(Ok(())), None) => {
                            counters.unready(this.selection.subset);
                            counters.not_ready();
                            let why = this.selection.not_ready();
                            return Poll::Ready(Ok(unavailable(this.unavailable, why)));
                        }
                    }
                }
            };
            this.state.set(next);
        }
    }
}

/// Makes a response of the split itself. The reason in its extensions distinguishes it from the
/// responses of subsets.
fn unavailable<R>(make: &impl MakeResponse<Unavailable, R>, why: Unavailable) -> Response<R> {
    let mut answer = make.make_response(&why);
    answer.extensions_mut().insert(why);
    answer
}
