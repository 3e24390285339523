//! S4: users with a key stay with their subset, and move only if a change of weights requires it.

use std::collections::BTreeMap;

use http::Request;
use tower_mirror::{
    Draw, Key, RequestHead, SampleRate, WeightedSplit,
    split::{InvalidWeights, Reason},
};
use tower_mirror_testing::split::{Named, answer, builder, next, served, split};

const USERS: u32 = 400_000;

/// The user of a request. It is an extension, because a header is slower in a debug build.
#[derive(Clone, Copy)]
struct User(u32);

fn by_user() -> Key {
    Key::from_fn(|head| head.extensions.get().map(|User(user)| user.to_le_bytes()))
}

fn of_user(user: u32) -> Request<String> {
    let mut request = Request::new(String::new());
    request.extensions_mut().insert(User(user));
    request
}

/// Returns the subset of each user.
fn places(split: &mut WeightedSplit<Named>, users: u32) -> Vec<&'static str> {
    let place = |user| answer(split, of_user(user)).into_body();
    (0..users).map(place).collect()
}

fn keyed(weights: &[(&'static str, u32)]) -> WeightedSplit<Named> {
    split(weights, Draw::key(by_user()))
}

/// Returns the subset of each user after a change of weights.
fn changed(
    split: &mut WeightedSplit<Named>,
    weights: &[(&'static str, u32)],
    users: u32,
) -> Vec<&'static str> {
    split.handle().set_weights(weights.iter().copied()).unwrap();
    places(split, users)
}

/// Counts the users who moved, by their old and their new subset.
fn moves(
    before: &[&'static str],
    after: &[&'static str],
) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut moves = BTreeMap::new();
    for (from, to) in before.iter().zip(after).filter(|(from, to)| from != to) {
        *moves.entry((*from, *to)).or_default() += 1;
    }
    moves
}

/// Asserts that a count is within five standard deviations of its share.
#[track_caller]
fn assert_share(count: usize, of: usize, share: f64) {
    let (count, of) = (count as f64, of as f64);
    let deviation = (of * share * (1.0 - share)).sqrt();
    let off = (count - of * share) / deviation;
    assert!(
        off.abs() <= 5.0,
        "{count} of {of} are {off} deviations from {share}"
    );
}

fn count(places: &[&'static str], of: &str) -> usize {
    places.iter().filter(|place| **place == of).count()
}

/// These values are from a separate implementation in another language. It follows the text of the
/// specification and uses floating point logarithms: SipHash-2-4, the finalizer of SplitMix64,
/// -log2(u) / weight.
#[test]
fn golden_vectors_pin_who_is_where() {
    const TWO: [(&str, u32); 2] = [("v1", 90), ("v2", 10)];
    const THREE: [(&str, u32); 3] = [("v1", 50), ("v2", 30), ("v3", 20)];
    let of = |name, weights: &[_]| {
        let draw = Draw::key(Key::header("x-user"));
        builder(name, weights, draw).build().unwrap()
    };
    let ask = |split: &mut WeightedSplit<Named>, user: &str| {
        let request = Request::builder()
            .header("x-user", user)
            .body(String::new());
        answer(split, request.unwrap()).into_body()
    };
    let users = [
        ("ada", ["v1", "v2", "v1", "v1"]),
        ("grace", ["v1", "v3", "v1", "v1"]),
        ("alan", ["v1", "v2", "v1", "v2"]),
        ("edsger", ["v1", "v1", "v1", "v1"]),
        ("barbara", ["v1", "v3", "v1", "v2"]),
        ("donald", ["v2", "v2", "v1", "v1"]),
        ("tony", ["v1", "v1", "v1", "v3"]),
        ("john", ["v1", "v2", "v1", "v2"]),
        ("leslie", ["v1", "v2", "v1", "v3"]),
        ("niklaus", ["v1", "v1", "v1", "v1"]),
    ];
    let mut splits = [
        of("catalog", &TWO),
        of("catalog", &THREE),
        of("orders", &TWO),
        of("orders", &THREE),
    ];
    for (user, expected) in users {
        let found = splits.each_mut().map(|split| ask(split, user));
        assert_eq!(found, expected, "{user}");
    }
    let counts = [
        [3670, 426, 0],
        [2012, 1270, 814],
        [3681, 415, 0],
        [2079, 1197, 820],
    ];
    for (split, expected) in splits.iter_mut().zip(counts) {
        let found: Vec<_> = (0..4096)
            .map(|user| ask(split, &format!("user-{user}")))
            .collect();
        assert_eq!(["v1", "v2", "v3"].map(|name| count(&found, name)), expected);
    }
    // These are the smallest and the largest weights.
    let mut steep = of("orders", &[("v1", u32::MAX), ("v2", 1_000_000)]);
    let found: Vec<_> = (0..4096)
        .map(|user| ask(&mut steep, &format!("user-{user}")))
        .collect();
    assert_eq!(count(&found, "v2"), 2);
}

#[test]
fn scaling_and_reordering_move_no_key() {
    let before = places(&mut keyed(&[("v1", 90), ("v2", 10)]), USERS);
    assert_share(count(&before, "v2"), before.len(), 0.1);
    for scaled in [
        [("v1", 90 * 47_721_858), ("v2", 10 * 47_721_858)],
        [("v2", 100), ("v1", 900)],
    ] {
        let after = places(&mut keyed(&scaled), USERS);
        assert_eq!(moves(&before, &after), BTreeMap::new(), "{scaled:?}");
    }
}

#[test]
fn a_ramp_moves_only_the_difference() {
    let mut split = keyed(&[("v1", 100), ("v2", 0)]);
    assert_eq!(count(&places(&mut split, 1000), "v2"), 0);
    let mut before = vec!["v1"; USERS as usize];
    let mut at = 0;
    for percent in [1, 5, 25, 50] {
        let after = changed(&mut split, &[("v1", 100 - percent), ("v2", percent)], USERS);
        let moves = moves(&before, &after);
        assert_eq!(moves.len(), 1, "{moves:?}");
        let share = f64::from(percent - at) / 100.0;
        assert_share(moves[&("v1", "v2")], before.len(), share);
        let off = moves[&("v1", "v2")] as f64 / f64::from(USERS) - share;
        assert!(off.abs() <= 0.002, "{percent} %: {off}");
        (before, at) = (after, percent);
    }
    let end = changed(&mut split, &[("v1", 0), ("v2", 100)], 1000);
    assert_eq!(count(&end, "v1"), 0);
}

#[test]
fn of_three_only_who_must_moves_and_only_where_to() {
    const MANY: u32 = 40_000;
    let weights = [("v1", 60), ("v2", 30), ("v3", 10)];
    let cases = [
        // One weight is increased, reduced, set to zero, or restored. The row has the permitted
        // moves, and the share of users who move.
        ([60, 60, 10], "v2", 60.0 / 130.0 - 0.3),
        ([60, 10, 10], "v2", 0.3 - 10.0 / 80.0),
        ([60, 0, 10], "v2", 0.3),
        ([60, 30, 0], "v3", 0.1),
        ([60, 30, 100], "v3", 100.0 / 190.0 - 0.1),
    ];
    let mut split = keyed(&weights);
    let before = places(&mut split, MANY);
    for (to, one, share) in cases {
        let is_raised = to.iter().sum::<u32>() > 100;
        let to = [("v1", to[0]), ("v2", to[1]), ("v3", to[2])];
        let after = changed(&mut split, &to, MANY);
        let moves = moves(&before, &after);
        let is_right = |&(from, to): &(_, _)| one == if is_raised { to } else { from };
        assert!(moves.keys().all(is_right), "{to:?}: {moves:?}");
        assert_eq!(
            moves.len(),
            2,
            "users move from or to both other subsets: {moves:?}"
        );
        assert_share(moves.values().sum(), before.len(), share);
        // The result is the same as before all changes.
        assert_eq!(changed(&mut split, &weights, MANY), before);
    }
}

#[test]
fn different_splits_meet_different_users_and_those_of_one_salt_the_same() {
    const MANY: u32 = 50_000;
    let of = |name: &str, key: Key| {
        let split = builder(name, &[("v1", 90), ("v2", 10)], Draw::key(key));
        places(&mut split.build().unwrap(), MANY)
    };
    let catalog = of("catalog", by_user());
    let both = |other: &[&str]| {
        let pairs = catalog.iter().zip(other);
        pairs
            .filter(|(one, other)| **one == "v2" && **other == "v2")
            .count()
    };
    assert_share(both(&of("orders", by_user())), catalog.len(), 0.01);
    assert_share(
        both(&of("catalog", by_user().salt("another"))),
        catalog.len(),
        0.01,
    );
    // A configured salt does not depend on the split's name. The default salt is the split's name.
    assert_eq!(of("orders", by_user().salt("catalog")), catalog);
    assert_eq!(of("catalog", by_user()), catalog);

    // All mirrors have another default salt, which a split does not change.
    let draw = Draw::key(by_user());
    let _ = split(&[("v1", 1)], draw.clone());
    let tenth = SampleRate::percent(10.0).unwrap();
    let mirrored: Vec<_> = (0..MANY)
        .map(|user| draw.point(&RequestHead::of(&of_user(user))))
        .collect();
    let taken: Vec<_> = mirrored
        .iter()
        .map(|&point| if tenth.takes(point) { "v2" } else { "v1" })
        .collect();
    assert_share(both(&taken), catalog.len(), 0.01);

    // TW10: a balancer that uses the same key distributes the canary's users evenly,
    let canary = mirrored
        .iter()
        .zip(&catalog)
        .filter(|(_, place)| **place == "v2");
    let mut endpoints = [0; 10];
    canary.for_each(|(point, _)| endpoints[(point % 10) as usize] += 1);
    let all = endpoints.iter().sum();
    endpoints
        .iter()
        .for_each(|&endpoint| assert_share(endpoint, all, 0.1));
    // and so does an inner split whose subsets have the same names.
    assert_share(both(&of("within", by_user())), all, 0.1);
}

#[test]
fn a_preview_is_what_then_happens() {
    const MANY: u32 = 100_000;
    let mut split = keyed(&[("v1", 50), ("v2", 30), ("v3", 20)]);
    let handle = split.handle();
    let change = [("v1", 40), ("v3", 30)];
    let preview = handle.preview(change).unwrap();
    // These are counts of 65 536 users, from the same source as the golden vectors.
    let of = |count: u32| f64::from(count) / 65_536.0;
    assert_eq!(preview.moved, of(8200));
    let shares = preview
        .shares
        .iter()
        .map(|(name, now, then)| (&**name, *now, *then));
    let expected = [
        ("v1", of(32_603), of(26_141)),
        ("v2", of(19_650), of(19_642)),
        ("v3", of(13_283), of(19_753)),
    ];
    assert!(shares.eq(expected), "{preview:?}");
    assert_eq!(handle.weights().generation, 0, "nothing was changed");

    let before = places(&mut split, MANY);
    let after = changed(&mut split, &change, MANY);
    let share = |count: usize| count as f64 / f64::from(MANY);
    let moved = share(moves(&before, &after).values().sum());
    assert!((moved - preview.moved).abs() <= 0.005, "{moved}");
    for (name, now, then) in &preview.shares {
        assert!((share(count(&before, name)) - now).abs() <= 0.01);
        assert!((share(count(&after, name)) - then).abs() <= 0.01);
    }

    let error = handle.preview([("v4", 1)]).unwrap_err();
    assert!(matches!(error, InvalidWeights::Unknown { name, .. } if name == "v4"));
    let error = handle.preview([("v1", 1), ("v1", 2)]).unwrap_err();
    assert!(matches!(error, InvalidWeights::Duplicate { name, .. } if name == "v1"));
    let drained = handle.preview([("v1", 0), ("v2", 0), ("v3", 0)]).unwrap();
    assert_eq!(drained.moved, 1.0);
    assert!(drained.shares.iter().all(|(_, _, then)| *then == 0.0));
}

#[test]
fn who_has_no_key_is_split_evenly() {
    let key = Key::header("x-user").or(Key::cookie("uid"));
    let mut split = split(&[("v1", 90), ("v2", 10)], Draw::key(key));
    let mut canary = 0_usize;
    for turn in 0..10_000_usize {
        // The same value always has the same subset, and its place in the request has no influence.
        let name = ["donald", "ada"][turn % 2];
        let by_header = Request::builder().header("x-user", name);
        let by_cookie = Request::builder().header("cookie", format!("a=b; uid={name}"));
        for request in [by_header, by_cookie] {
            let answer = answer(&mut split, request.body(String::new()).unwrap());
            assert_eq!(served(&answer).reason, Reason::Keyed);
            assert_eq!(answer.into_body(), ["v2", "v1"][turn % 2]);
        }
        let empty = Request::builder().header("x-user", "");
        let answer = answer(&mut split, empty.body(String::new()).unwrap());
        assert_eq!(served(&answer).reason, Reason::Weighted);
        canary += usize::from(*answer.body() == "v2");
        assert!((10 * canary).abs_diff(turn + 1) <= 80, "{canary} of {turn}");
    }
    split.handle().set_weight("v1", 0).unwrap();
    assert_eq!(next(&mut split), "v2");
}
