//! Models of the rest of a body that the primary has begun to read and then drops.

use loom::thread::spawn;

use super::{
    Client, Parts, assert_body_dropped, assert_nothing_charged, assert_nothing_left, captured,
    join, parts, read,
};
use crate::{
    body::{Lost, PrimaryEnd},
    sync::model,
};

/// Runs a primary that reads one frame, and checks the result of the capture.
fn rest(
    declared: Option<u64>,
    end: impl Fn(PrimaryEnd, &Client) + Send + Sync + Clone + 'static,
    is_right: impl Fn(Result<u64, Lost>) -> bool + Send + Sync + 'static,
) {
    model(move || {
        let client = Client::sending(&["ab"]);
        let Parts {
            budget,
            tee,
            primary,
            shadow,
            watch,
            recording,
        } = parts(&client, declared, None);
        let served = spawn(move || read(tee, 1));
        let ended = spawn({
            let (client, end) = (client.clone(), end.clone());
            move || end(primary, &client)
        });
        let captured = captured(&watch);
        assert!(is_right(captured), "{captured:?}");
        join(served);
        join(ended);
        assert_body_dropped(&client);
        drop(recording);
        assert_nothing_charged(&budget, &client);
        drop((shadow, watch));
        assert_nothing_left(&budget, &client);
    });
}

#[test]
fn what_an_accepting_primary_leaves_is_read_on() {
    let end = |primary: PrimaryEnd, client: &Client| {
        client.send("cd");
        primary.answered(true);
        client.end();
    };
    rest(None, end, |captured| captured == Ok(4));
}

#[test]
fn what_a_refusing_primary_leaves_is_discarded() {
    let end = |primary: PrimaryEnd, client: &Client| {
        primary.answered(false);
        client.end();
    };
    rest(None, end, |captured| captured == Err(Lost::Unread));
}

#[test]
fn what_is_left_when_the_client_goes_away_is_discarded() {
    let end = |primary: PrimaryEnd, client: &Client| {
        primary.dropped();
        client.end();
    };
    rest(None, end, |captured| {
        matches!(captured, Err(Lost::Unread | Lost::ClientAborted))
    });
}

#[test]
fn the_end_after_the_declared_length_needs_no_answer() {
    let end = |primary: PrimaryEnd, client: &Client| {
        client.end();
        primary.answered(false);
    };
    rest(Some(2), end, |captured| captured == Ok(2));
}

/// The deadline passes before, while or after the exchange takes the rest.
#[test]
fn a_deadline_meets_the_rest_of_a_body() {
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
        primary.answered(true);
        let deadline = recording.watch();
        let served = spawn(move || read(tee, 1));
        let expired = spawn({
            let client = client.clone();
            move || {
                client.end();
                deadline.expire();
            }
        });
        let captured = captured(&watch);
        assert!(
            matches!(captured, Ok(2) | Err(Lost::Unread)),
            "{captured:?}"
        );
        join(served);
        join(expired);
        assert_body_dropped(&client);
        drop(recording);
        assert_nothing_charged(&budget, &client);
        drop((shadow, watch, primary));
        assert_nothing_left(&budget, &client);
    });
}

/// The exchange ends before, while or after the primary drops the body.
#[test]
fn an_exchange_that_ends_discards_what_is_left() {
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
        let served = spawn(move || read(tee, 1));
        let ended = spawn(move || primary.answered(true));
        drop(recording);
        join(served);
        join(ended);
        assert_nothing_charged(&budget, &client);
        drop((shadow, watch));
        assert_nothing_left(&budget, &client);
    });
}
