//! Models of the queue and the budget: bodies that are read to their end, break off or lag, and
//! exchanges that end at any moment.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body::Frame;
use loom::thread::spawn;

use super::{
    Client, ENOUGH, Parts, assert_nothing_charged, assert_nothing_left, captured, join, parts,
    read, shadow_reads,
};
use crate::{
    body::{Announced, Budget, CaptureOwner, CaptureWriter, LagWindow, Lost, begin_capture},
    sync::model,
};

const TWO_FRAMES: LagWindow = LagWindow {
    max_bytes: ENOUGH,
    max_frames: 2,
    declared: None,
};

#[test]
fn a_body_is_captured_and_read_whole() {
    model(|| {
        let client = Client::sending(&["ab"]);
        let Parts {
            budget,
            tee,
            primary,
            shadow,
            watch,
            recording,
        } = parts(&client, None, None);
        let served = spawn(move || {
            read(tee, 3);
            primary.answered(true);
        });
        let sent = spawn({
            let client = client.clone();
            move || {
                client.send("cd");
                client.end();
            }
        });
        assert_eq!(captured(&watch), Ok(4));
        let sending = spawn(move || shadow_reads(shadow));
        join(served);
        join(sent);
        assert_eq!(join(sending).as_deref(), Some("abcd"));
        drop((recording, watch));
        assert_nothing_left(&budget, &client);
    });
}

#[test]
fn a_live_shadow_reads_the_whole_body() {
    model(|| {
        let client = Client::sending(&["ab", "cd"]);
        client.end();
        let Parts {
            budget,
            tee,
            primary,
            shadow,
            watch,
            recording,
        } = parts(&client, None, Some(TWO_FRAMES));
        let served = spawn(move || {
            read(tee, 3);
            drop(primary);
        });
        let sending = spawn(move || shadow_reads(shadow));
        assert_eq!(captured(&watch), Ok(4));
        assert_eq!(join(sending).as_deref(), Some("abcd"));
        join(served);
        drop((recording, watch));
        assert_nothing_left(&budget, &client);
    });
}

/// An exchange may end at a deadline, for example. The shadow's client drops its frames before,
/// while or after the rest of the charge is returned.
#[test]
fn an_exchange_may_end_at_any_moment() {
    model(|| {
        let client = Client::sending(&["ab", "cd"]);
        client.end();
        let Parts {
            budget,
            tee,
            primary,
            shadow,
            watch,
            recording,
        } = parts(&client, None, Some(TWO_FRAMES));
        let served = spawn(move || {
            read(tee, 3);
            drop(primary);
        });
        let sending = spawn(move || shadow_reads(shadow));
        drop((watch, recording));
        let read = join(sending);
        assert!(
            read.as_deref().is_none_or(|read| read == "abcd"),
            "{read:?}"
        );
        join(served);
        assert_nothing_left(&budget, &client);
    });
}

#[test]
fn a_body_that_is_left_ends_in_an_error_for_a_live_shadow() {
    model(|| {
        let client = Client::sending(&["ab"]);
        let Parts {
            budget,
            tee,
            primary,
            shadow,
            watch,
            recording,
        } = parts(&client, None, Some(TWO_FRAMES));
        let served = spawn(move || read(tee, 1));
        let sending = spawn(move || shadow_reads(shadow));
        primary.dropped();
        assert!(captured(&watch).is_err());
        assert_eq!(join(sending), None);
        join(served);
        drop((recording, watch, primary));
        assert_nothing_left(&budget, &client);
    });
}

#[test]
fn a_shadow_that_lags_gets_an_error() {
    model(|| {
        let client = Client::sending(&["ab", "cd"]);
        client.end();
        let one_frame = LagWindow {
            max_frames: 1,
            ..TWO_FRAMES
        };
        let Parts {
            budget,
            tee,
            primary,
            shadow,
            watch,
            recording,
        } = parts(&client, None, Some(one_frame));
        let served = spawn(move || read(tee, 3));
        let sending = spawn(move || shadow_reads(shadow));
        let captured = captured(&watch);
        let read = join(sending);
        match captured {
            Ok(4) => assert_eq!(read.as_deref(), Some("abcd")),
            lost => assert_eq!((lost, read), (Err(Lost::Lagged), None)),
        }
        join(served);
        drop((recording, watch, primary));
        assert_nothing_left(&budget, &client);
    });
}

/// The end of the body, the loss of the client and a deadline occur at the same time.
#[test]
fn the_first_end_counts() {
    model(|| {
        let client = Client::sending(&["ab"]);
        client.end();
        let Parts {
            budget,
            tee,
            primary,
            shadow,
            watch,
            recording,
        } = parts(&client, None, None);
        let served = spawn(move || read(tee, 2));
        let gone = spawn(move || primary.dropped());
        watch.expire();
        let first = captured(&watch);
        watch.expire();
        join(served);
        join(gone);
        assert_eq!(captured(&watch), first);
        assert_eq!(shadow_reads(shadow).is_some(), first.is_ok());
        drop(recording);
        assert_nothing_charged(&budget, &client);
        drop(watch);
        assert_nothing_left(&budget, &client);
    });
}

/// Each of two frames fits into the budget, but not both together. The first one is taken, and the
/// budget is never exceeded.
#[test]
fn a_budget_is_never_exceeded() {
    model(|| {
        let budget = Arc::new(Budget::new(100));
        let copies: Vec<(CaptureWriter, CaptureOwner)> = (0..2)
            .map(|_| begin_capture(&budget, Announced::default(), 100, None))
            .collect();
        let (captures, recordings): (Vec<_>, Vec<_>) = copies.into_iter().unzip();
        let threads: Vec<_> = captures
            .into_iter()
            .map(|mut capture| {
                spawn(move || {
                    let frame = Some(Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"ab"))));
                    let is_taken = capture.take(&frame, || false);
                    (capture, is_taken)
                })
            })
            .collect();
        assert!(budget.used() <= 100, "the budget is exceeded");
        let taken: Vec<_> = threads.into_iter().map(join).collect();
        assert!(taken.iter().any(|(_, is_taken)| *is_taken));
        assert!(taken.iter().any(|(_, is_taken)| !*is_taken));
        drop((taken, recordings));
        assert_eq!(budget.used(), 0);
    });
}
