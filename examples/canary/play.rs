//! The release: the same load at each step, and the version that each user received.

use std::time::{Duration, Instant};

use tower_mirror::{Outcome, observe::StatusClass};

use crate::{
    Result,
    catalog::Version::{self, V1, V2},
    death,
    load::{REQUESTS, UNKEYED, USERS},
    nesting,
    report::{self, Facts, percent},
    seen::Seen,
    stage::Stage,
};

/// The tolerated distance of 500 users from their share, and of 1000 even draws from their number.
const USERS_OFF: f64 = 0.05;
const DRAWS_OFF: f64 = 8.0;

/// The last version of each user.
pub(crate) type Versions = Vec<Option<Version>>;

/// Plays the release. Returns whether every statement that it printed holds.
pub(crate) async fn run() -> Result<bool> {
    let begun = Instant::now();
    let mut facts = Facts { all_hold: true };
    let (mut stage, v2) = Stage::set().await?;
    let mut versions = vec![None; USERS];

    println!("\n0. 100/0: v1 serves all users, and v2 receives a copy of every request\n");
    let seen = stage.load().await?;
    judge(&seen, &mut versions, None, &mut facts);
    v2_behaves(&stage, &mut facts);

    println!("\n1. 90/10\n");
    step(&mut stage, (90, 10), &mut versions, &mut facts).await?;

    println!("\n2. 50/50\n");
    step(&mut stage, (50, 50), &mut versions, &mut facts).await?;

    println!(
        "\n3. 50/50, and v2 is killed during the load: its port and all its connections are closed\n"
    );
    let port = death::v2_is_killed(&mut stage, v2, &versions, &mut facts).await?;

    println!("\n4. 50/50, and v2 runs again\n");
    let v2 = death::v2_is_back(&mut stage, port, &mut versions, &mut facts).await?;

    println!("\n5. 50/50 in another webapp, which has the mirror around the split\n");
    nesting::around(&mut stage, &v2, &mut facts).await?;

    println!("\n6. 0/100\n");
    step(&mut stage, (0, 100), &mut versions, &mut facts).await?;

    println!("\nHow the copies ended\n");
    copies(&stage, &mut facts).await;
    let verdict = match facts.all_hold {
        true => "Every statement above was checked and holds",
        false => "A statement above does not hold; it is marked FAILED",
    };
    println!("\n{verdict} ({:.1} s).", begun.elapsed().as_secs_f64());
    Ok(facts.all_hold)
}

/// Previews a change of weights, makes it, and examines its effect.
async fn step(
    stage: &mut Stage,
    (v1, v2): (u32, u32),
    versions: &mut Versions,
    facts: &mut Facts,
) -> Result<()> {
    let weights = [("v1", v1), ("v2", v2)];
    let preview = stage.split.preview(weights)?;
    println!("   preview: {} of users would move", percent(preview.moved));
    let generation = stage.split.set_weights(weights)?;
    println!("   set_weights: done, generation {generation}\n");
    let seen = stage.load().await?;
    judge(&seen, versions, Some(preview.moved), facts);
    Ok(())
}

/// Checks what holds for every step. Stores the version of each user.
pub(crate) fn judge(
    seen: &Seen,
    versions: &mut Versions,
    previewed: Option<f64>,
    facts: &mut Facts,
) {
    report::shares(seen);
    let (v1, v2) = (seen.counted(V1), seen.counted(V2));
    let right = seen.answers.iter().filter(|it| it.is_right).count();
    let (by_v1, by_v2) = (seen.by(V1).count(), seen.by(V2).count());
    facts.check(
        right == REQUESTS && by_v1 as u64 == v1.served() && by_v2 as u64 == v2.served(),
        format_args!(
            "{right} correct answers: {by_v1} by v1 and {by_v2} by v2, as the split counted"
        ),
    );
    let due = v2.configured * UNKEYED as f64;
    facts.check(
        (v2.weighted as f64 - due).abs() <= DRAWS_OFF,
        format_args!(
            "without a cookie: {} of {UNKEYED} by v2; configured: {due:.0}",
            v2.weighted
        ),
    );

    let users = seen.users();
    let on_v2 = users.iter().filter(|user| **user == Ok(Some(V2))).count();
    let share = on_v2 as f64 / USERS as f64;
    facts.check(
        (share - v2.configured).abs() <= USERS_OFF && users.iter().all(|user| user.is_ok()),
        format_args!(
            "with a cookie: {} of {USERS} users on v2; configured: {}; no user on both",
            on_v2,
            percent(v2.configured)
        ),
    );
    let users: Versions = users.into_iter().map(|user| user.unwrap_or(None)).collect();
    let moved = |from, to| {
        let pairs = versions.iter().zip(&users);
        pairs
            .filter(|pair| *pair == (&Some(from), &Some(to)))
            .count()
    };
    let (forward, back) = (moved(V1, V2), moved(V2, V1));
    if let Some(previewed) = previewed {
        let share = forward as f64 / USERS as f64;
        facts.check(
            back == 0 && (share - previewed).abs() <= USERS_OFF,
            format_args!(
                "{forward} users moved to v2: {}; previewed: {}; moved back: {back}",
                percent(share),
                percent(previewed)
            ),
        );
    }
    *versions = users;
    copied_by_v1_alone(seen, facts);
}

/// Checks that v2 received a copy of each request that v1 served, and of no request that v2 served.
fn copied_by_v1_alone(seen: &Seen, facts: &mut Facts) {
    let (served, copies) = (seen.ids(false), seen.ids(true));
    let all_of_v1 = seen.by(V1).all(|answer| copies.contains(&answer.id));
    let hosts = seen.received.iter().all(|request| match request.is_copy {
        true => request.host == "catalog-shadow",
        false => request.host == "catalog",
    });
    facts.check(
        all_of_v1 && hosts && seen.served_twice() == 0 && copies.len() == seen.by(V1).count(),
        format_args!(
            "v2 received {} copies of v1's requests (`catalog-shadow`); copies of its own {}: {}",
            copies.len(),
            served.len(),
            seen.served_twice()
        ),
    );
}

/// Checks what decides whether the release continues.
fn v2_behaves(stage: &Stage, facts: &mut Facts) {
    let stats = stage.mirror.stats();
    println!("\n{stats}");
    let (right, both) = (REQUESTS as u64, StatusClass::Success);
    facts.check(
        stats.outcome(Outcome::Completed) == right && stats.statuses(both, both) == right,
        "v2 answered every copy, with 2xx if v1 answered with 2xx",
    );
}

async fn copies(stage: &Stage, facts: &mut Facts) {
    let drained = stage.mirror.drain(Duration::from_secs(1)).await;
    let (mirror, split) = (stage.mirror.stats(), stage.split.stats());
    println!("{mirror}");
    let served = |name| split.subset(name).map_or(0, |subset| subset.served());
    let (by_v1, by_v2) = (served("v1"), served("v2"));
    let filtered = mirror.outcome(Outcome::Filtered);
    facts.check(
        filtered == by_v2 && mirror.requests() == by_v1 + by_v2,
        format_args!(
            "of {} requests, the {filtered} that v2 served were not copied to it, and the others were",
            mirror.requests()
        ),
    );
    facts.check(
        drained.aborted == 0 && mirror.in_flight() == 0 && mirror.buffered_bytes() == 0,
        "after the drain no copy is left, and no byte of one",
    );
}
