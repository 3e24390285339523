//! The exercise: one load, sent while v2 is well, while v2 hangs, and after v2 was switched off.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anstream::println;
use http::header::HOST;
use tower_mirror::{Outcome, compare::PathReport};

use crate::{
    Result,
    catalog::{Catalog, Received},
    load::{self, ID, Load, NEW_CLIENTS, REQUESTS},
    report::{self, DESCRIPTORS, Facts, Usage, size},
    right,
    stage::Stage,
    webapp::{MAX_CONNECTIONS, MAX_IN_FLIGHT},
};

/// The sockets and tasks of the clients themselves, at both of their ends, and some to spare.
const OWN: usize = 4 * NEW_CLIENTS + 40;

/// Plays the exercise. Returns whether every statement that it printed holds.
pub(crate) async fn run(latencies: Option<&Path>) -> Result<bool> {
    let begun = Instant::now();
    let mut facts = Facts { all_hold: true };
    let (stage, v2) = Stage::set().await?;
    let unmirrored = stage.load_unmirrored().await?;

    report::title("1. v2 is well");
    let well = v2_is_well(&stage, &v2, &mut facts).await?;

    report::title("2. v2 hangs: it accepts connections, reads nothing, answers nothing");
    let hang = v2.hang().await;
    let (hung, by_hand) = v2_hangs(&stage, &mut facts).await?;

    report::title("3. v2 is switched off: nothing listens on its port");
    v2.switch_off(hang);
    let off = v2_is_off(&stage, &mut facts).await?;

    report::title("What clients noticed");
    let loads = [
        ("without a mirror", &unmirrored),
        ("tower-mirror, v2 well", &well),
        ("tower-mirror, v2 hung", &hung),
        ("tower-mirror, v2 off", &off),
        ("written by hand, v2 hung", &by_hand),
    ];
    report::client_table(&loads);
    if let Some(file) = latencies {
        report::write_latencies(file, &loads)?;
    }
    println!();
    let unnoticed = [&well, &hung, &off].into_iter().all(Load::noticed_nothing);
    facts.check(
        unnoticed,
        "with tower-mirror nothing: every client was answered by v1, and no connection broke",
    );

    report::title("How the copies ended");
    outcomes(&stage, &mut facts).await;

    report::title("Is v2 right?");
    is_v2_right(&stage, &mut facts).await?;
    facts.verdict(begun.elapsed());
    Ok(facts.all_hold)
}

async fn v2_is_well(stage: &Stage, v2: &Catalog, facts: &mut Facts) -> Result<Load> {
    let (load, ended) = stage.load_in_step().await?;
    let mut received = stage.take_received();
    let index = |request: &Received| request.header(ID).parse::<usize>().ok();
    received.sort_by_key(index);
    println!("   a client received  {}", load.first_answer);
    if let Some(first) = received.first() {
        println!("   v2 answered        {}", first.answer);
    }
    println!("   the log of v2");
    for request in received.iter().take(4) {
        println!("      {request}");
    }
    println!();
    facts.check(
        load.noticed_nothing() && load.image_urls == 0,
        format_args!(
            "clients received {} answers by v1, none with an imageUrl",
            load.correct
        ),
    );

    let is_equal = |request: &&Received| {
        index(request).is_some_and(|at| request.body == load::body(at).unwrap_or_default())
    };
    let copies = received.len();
    let equal = received.iter().filter(is_equal).count();
    let bytes = received.iter().map(|request| request.body.len()).sum();
    facts.check(
        copies == REQUESTS && equal == REQUESTS,
        format_args!(
            "v2 received {copies}, {equal} of them equal byte for byte ({})",
            size(bytes)
        ),
    );
    let is_shadow = |request: &&Received| request.header(HOST) == "catalog-shadow";
    let shadows = received.iter().filter(is_shadow).count();
    facts.check(
        shadows == REQUESTS,
        format_args!(
            "{shadows} of them had `Host: catalog-shadow`, where clients had sent `catalog`"
        ),
    );

    let connections = v2.connections();
    let completed = ended.of(Outcome::Completed);
    let sent: usize = received.iter().map(|request| request.answer.len()).sum();
    let read = stage.answer_bytes();
    facts.check(
        completed == REQUESTS as u64 && read == sent as u64 && connections <= MAX_CONNECTIONS,
        format_args!(
            "the mirror received {completed} answers of v2 completely ({read} of {sent} B), over {connections} \
             connections"
        ),
    );
    Ok(load)
}

/// Measures after each quarter of a load.
fn note(usage: &mut Vec<(usize, Usage)>, at: usize) {
    if at % (REQUESTS / 4) == 0 {
        usage.push((at, Usage::now()));
    }
}

async fn v2_hangs(stage: &Stage, facts: &mut Facts) -> Result<(Load, Load)> {
    let (mut mirror, mut by_hand) = (Vec::new(), Vec::new());
    let (load, ended) = stage.load(async |at| note(&mut mirror, at)).await?;
    let load_by_hand = stage
        .load_by_hand(async |at| note(&mut by_hand, at))
        .await?;
    let (mirror, by_hand) = (report::growth(&mirror), report::growth(&by_hand));
    report::usage_table(&mirror, &by_hand);
    println!();

    facts.check(
        load.noticed_nothing(),
        format_args!("clients received {} answers by v1", load.correct),
    );
    let (timed_out, in_flight_limit) = (
        ended.of(Outcome::TimedOut),
        ended.of(Outcome::InFlightLimit),
    );
    facts.check(
        timed_out > 0 && ended.of(Outcome::Completed) == 0,
        format_args!("{timed_out} copies timed out; {in_flight_limit} requests were not copied, since {MAX_IN_FLIGHT} copies were in flight"),
    );
    let bounded = |usage: &Usage| {
        usage.tasks <= MAX_IN_FLIGHT + MAX_CONNECTIONS + OWN
            && usage
                .descriptors
                .is_none_or(|more| more <= MAX_CONNECTIONS + OWN)
    };
    facts.check(
        mirror.iter().all(|(_, usage)| bounded(usage)),
        format_args!(
            "tower-mirror: at most {MAX_IN_FLIGHT} copies and {MAX_CONNECTIONS} sockets at a time"
        ),
    );
    // Whether the limit exists is up to the system, and the check with it.
    let unserved = load_by_hand.failed;
    let is_full = by_hand.last().is_some_and(|(_, usage)| {
        let all_but_some = DESCRIPTORS as usize * 3 / 4;
        usage.descriptors.is_none_or(|more| more >= all_but_some)
    });
    facts.check(
        is_full && (unserved > 0 || cfg!(not(unix))),
        format_args!(
            "written by hand: every copy holds a socket until none of {DESCRIPTORS} descriptors is left, \
             and {unserved} of {NEW_CLIENTS} new clients receive no answer"
        ),
    );
    Ok((load, load_by_hand))
}

async fn v2_is_off(stage: &Stage, facts: &mut Facts) -> Result<Load> {
    let (load, ended) = stage.load_in_step().await?;
    facts.check(
        load.noticed_nothing(),
        format_args!("clients received {} answers by v1", load.correct),
    );
    let failed = ended.of(Outcome::FailedConnect);
    facts.check(
        failed == REQUESTS as u64,
        format_args!("{failed} copies could not connect, and were counted as such"),
    );
    Ok(load)
}

async fn outcomes(stage: &Stage, facts: &mut Facts) {
    let drained = stage.mirror.drain(Duration::from_secs(1)).await;
    let stats = stage.mirror.stats();
    println!("{stats}");
    let sum: u64 = stats.outcomes().map(|(_, count)| count).sum();
    let sent = 3 * REQUESTS as u64;
    facts.check(
        sum == sent && stats.requests() == sent,
        format_args!("{sum} outcomes for the {sent} requests that clients sent"),
    );
    facts.check(
        drained.aborted == 0 && stats.in_flight() == 0 && stats.buffered_bytes() == 0,
        "after the drain no copy is left, and no byte of one",
    );
}

async fn is_v2_right(stage: &Stage, facts: &mut Facts) -> Result<()> {
    let (unexpected, expected) = right::reports(&stage.v1_url()).await?;
    report::indented(&unexpected);
    let names_it = |path: &PathReport| path.path == "/imageUrl" && path.kind == "added";
    let paths: Vec<_> = unexpected
        .routes
        .iter()
        .flat_map(|route| &route.paths)
        .collect();
    facts.check(
        unexpected.verdict.is_fail() && matches!(paths[..], [path] if names_it(path)),
        "FAIL: v2 adds `/imageUrl` to the answers to GET /items, and differs in nothing else",
    );
    println!(
        "\n   The same with .expect(\"/imageUrl\", Kind::Added), because this difference is wanted:\n"
    );
    report::indented(&expected);
    let counted: u64 = expected.routes.iter().map(|route| route.expected).sum();
    facts.check(
        expected.verdict.is_pass() && counted == expected.compared,
        format_args!(
            "PASS after {} compared requests, each with the expected difference",
            expected.compared
        ),
    );
    Ok(())
}
