//! The chosen subset's readiness, then its response.

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
    served::{Reason, Refuse, Served, Unavailable},
    shared::{Choice, Shared},
};
use crate::clock::try_sleep;

pin_project! {
    /// The response of a split. Until the subset is ready the request is owned here,
    /// unsent; dropping this releases whatever the subset had reserved.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, F, U> {
        #[pin]
        state: State<S, B, F>,
        decided: Decided,
        refuse: U,
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
        Drained,
    }
}

/// Without the request: it does not belong in a log.
impl<S, B, F, U> fmt::Debug for ResponseFuture<S, B, F, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Readying { .. } => "Readying",
            State::Calling { .. } => "Calling",
            State::Drained => "Drained",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &format_args!("{state}"))
            .field("subset", &self.decided.subset)
            .finish_non_exhaustive()
    }
}

struct Decided {
    shared: Arc<Shared>,
    subset: usize,
    reason: Reason,
    generation: u64,
}

impl Decided {
    fn served(&self) -> Served {
        Served {
            split: Arc::clone(&self.shared.name),
            subset: Arc::clone(&self.shared.subsets[self.subset].name),
            reason: self.reason.clone(),
            generation: self.generation,
        }
    }

    /// To be called with this request, now.
    #[inline]
    fn serve(&self, request: &mut Extensions) {
        self.shared.counters.serve(self.subset, &self.reason);
        self.tell(request);
    }

    fn stamp<R>(&self, answer: &mut Response<R>) {
        if let Some(name) = &self.shared.policy.response_header {
            let subset = self.shared.subsets[self.subset].header.clone();
            answer.headers_mut().insert(name.clone(), subset);
        }
        self.tell(answer.extensions_mut());
    }

    fn tell(&self, extensions: &mut Extensions) {
        if self.shared.policy.is_told {
            extensions.insert(self.served());
        }
    }

    fn not_ready(&self) -> Unavailable {
        Unavailable::NotReady {
            subset: Arc::clone(&self.shared.subsets[self.subset].name),
        }
    }

    fn fall_back(&mut self, to: usize) {
        let from = Arc::clone(&self.shared.subsets[self.subset].name);
        self.subset = to;
        self.reason = Reason::Fallback { from };
    }
}

impl<S, B, F, U> ResponseFuture<S, B, F, U> {
    /// `service_of`: a clone of a subset's service, by its place.
    #[inline]
    pub(super) fn new(
        shared: &Arc<Shared>,
        choice: Choice,
        request: Request<B>,
        refuse: U,
        service_of: impl Fn(usize) -> S,
    ) -> Self {
        let decided = Decided {
            shared: Arc::clone(shared),
            subset: choice.subset.unwrap_or_default(),
            reason: choice.reason,
            generation: choice.generation,
        };
        match choice.subset {
            Some(subset) => Self {
                state: State::Readying {
                    service: service_of(subset),
                    request: Some(request),
                    fallback: shared.subsets[subset]
                        .fallback
                        .map(|to| (to, service_of(to))),
                    is_timed: false,
                    deadline: None,
                },
                decided,
                refuse,
            },
            None => Self {
                state: State::Drained,
                decided,
                refuse,
            },
        }
    }
}

impl<S, B, F, U> ResponseFuture<S, B, F, U> {
    /// Why no subset has served the request, where the chosen one has failed to become ready.
    pub(super) fn not_ready(&self) -> Unavailable {
        self.decided.not_ready()
    }
}

impl<S, B, R, U> Future for ResponseFuture<S, B, S::Future, U>
where
    S: Service<Request<B>, Response = Response<R>>,
    U: Refuse<R>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Calling { answer } => {
                    if !this.decided.shared.policy.stamps() {
                        return answer.poll(cx);
                    }
                    let mut answer = ready!(answer.poll(cx));
                    if let Ok(answer) = &mut answer {
                        this.decided.stamp(answer);
                    }
                    return Poll::Ready(answer);
                }
                StateProjection::Drained => {
                    this.decided.shared.counters.drained();
                    return Poll::Ready(Ok(refusal(this.refuse, Unavailable::Drained)));
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
                                deadline.set(try_sleep(this.decided.shared.policy.ready_timeout));
                            }
                            match deadline.as_mut().as_pin_mut() {
                                // A subset that uses up tokio's budget must not hold off its own deadline.
                                Some(deadline) => {
                                    ready!(Pin::new(&mut unconstrained(deadline)).poll(cx))
                                }
                                None => return Poll::Pending, // a runtime without timers
                            }
                            Some(Ok(()))
                        }
                    };
                    let counters = &this.decided.shared.counters;
                    match (failed, fallback.take()) {
                        (None, _) => {
                            let Some(mut request) = request.take() else {
                                return Poll::Pending; // polled after its end
                            };
                            this.decided.serve(request.extensions_mut());
                            State::Calling {
                                answer: service.call(request),
                            }
                        }
                        (Some(_), Some((to, other))) => {
                            counters.unready(this.decided.subset);
                            this.decided.fall_back(to);
                            *service = other;
                            *is_timed = false;
                            deadline.set(None);
                            continue;
                        }
                        (Some(Err(error)), None) => {
                            counters.unready(this.decided.subset);
                            return Poll::Ready(Err(error));
                        }
                        (Some(Ok(())), None) => {
                            counters.unready(this.decided.subset);
                            counters.not_ready();
                            let why = this.decided.not_ready();
                            return Poll::Ready(Ok(refusal(this.refuse, why)));
                        }
                    }
                }
            };
            this.state.set(next);
        }
    }
}

/// Tells the split's own answers from those of its subsets.
fn refusal<R>(refuse: &impl Refuse<R>, why: Unavailable) -> Response<R> {
    let mut answer = refuse.refuse(&why);
    answer.extensions_mut().insert(why);
    answer
}
