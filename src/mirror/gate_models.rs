//! Models of the gate for loom. Each copy that enters and leaves, and each drain, runs on a
//! separate thread.

use std::{future::Future, sync::Arc, task::Context};

use loom::{
    future::block_on,
    thread::{JoinHandle, spawn},
};

use super::gate::Gate;
use crate::{
    observe::Outcome,
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        model,
    },
};

fn join<T>(thread: JoinHandle<T>) -> T {
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// One copy that is aborted. It makes the calls that its exchange and its ticket make.
fn be_aborted(gate: &Gate) {
    block_on(gate.aborted());
    gate.aborted_one();
    gate.leave();
}

/// A drain with a deadline of zero.
fn drain(gate: &Gate) -> u64 {
    gate.close();
    if !is_empty(gate) {
        gate.abort();
        block_on(gate.empty());
    }
    gate.take_aborted()
}

fn is_empty(gate: &Gate) -> bool {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(gate.empty()).poll(&mut cx).is_ready()
}

#[test]
fn a_copy_that_enters_and_a_drain_see_each_other() {
    model(|| {
        let gate = Arc::new(Gate::new(3));
        let has_ended = Arc::new(AtomicUsize::new(0));
        let enters = || {
            let (gate, has_ended) = (Arc::clone(&gate), Arc::clone(&has_ended));
            spawn(move || match gate.enter() {
                Ok(()) => {
                    assert_eq!(
                        has_ended.load(SeqCst),
                        0,
                        "a copy was inside after the drain had ended"
                    );
                    gate.leave();
                }
                Err(outcome) => assert_eq!(outcome, Outcome::Draining),
            })
        };
        let copies = [enters(), enters()];
        gate.close();
        block_on(gate.empty());
        has_ended.fetch_add(1, SeqCst);
        assert_eq!(gate.enter(), Err(Outcome::Draining));
        copies.into_iter().for_each(join);
        assert_eq!(gate.inside(), 0);
    });
}

#[test]
fn the_last_to_leave_is_never_missed() {
    model(|| {
        let gate = Arc::new(Gate::new(2));
        assert_eq!((gate.enter(), gate.enter()), (Ok(()), Ok(())));
        let copies = [Arc::clone(&gate), Arc::clone(&gate)].map(|gate| spawn(move || gate.leave()));
        block_on(gate.empty());
        assert_eq!(gate.inside(), 0);
        copies.into_iter().for_each(join);
    });
}

#[test]
fn every_copy_learns_of_its_abort_and_is_reported_once() {
    model(|| {
        let gate = Arc::new(Gate::new(2));
        assert_eq!((gate.enter(), gate.enter()), (Ok(()), Ok(())));
        let copies =
            [Arc::clone(&gate), Arc::clone(&gate)].map(|gate| spawn(move || be_aborted(&gate)));
        assert_eq!(drain(&gate), 2);
        copies.into_iter().for_each(join);
    });
}

#[test]
fn two_drains_report_each_copy_once() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        assert_eq!(gate.enter(), Ok(()));
        let copy = spawn({
            let gate = Arc::clone(&gate);
            move || be_aborted(&gate)
        });
        let other = spawn({
            let gate = Arc::clone(&gate);
            move || drain(&gate)
        });
        let reported = drain(&gate);
        assert_eq!(reported + join(other), 1);
        join(copy);
    });
}

#[test]
fn no_more_are_inside_than_may() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let inside = Arc::new(AtomicUsize::new(0));
        let enter = |gate: &Gate, inside: &AtomicUsize| match gate.enter() {
            Ok(()) => {
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two copies were inside");
                assert!(gate.inside() <= 1);
                inside.fetch_sub(1, SeqCst);
                gate.leave();
                true
            }
            Err(outcome) => {
                assert_eq!(outcome, Outcome::InFlightLimit);
                false
            }
        };
        let others = [(); 2].map(|()| {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            spawn(move || enter(&gate, &inside))
        });
        let entered = enter(&gate, &inside);
        // There is a slot for the first thread that enters, so at least one of the three has
        // entered.
        assert!(others.map(join).contains(&true) || entered);
        assert_eq!(
            (gate.enter(), gate.enter()),
            (Ok(()), Err(Outcome::InFlightLimit))
        );
    });
}
