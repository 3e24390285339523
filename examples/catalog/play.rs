//! The exercise: one load, sent while v2 is well, while it hangs, and when it is switched off.

use std::time::{Duration, Instant};

use http::header::HOST;
use tower_mirror::Outcome;

use crate::{
    Result,
    catalog::{Catalog, Received},
    load::{self, ID, Load, REQUESTS},
    report::{self, Facts, Usage, size},
    stage::Stage,
    webapp::{MAX_CONNECTIONS, MAX_IN_FLIGHT, TIMEOUT},
};

/// What a load takes by itself while it is sent: its connections, their tasks.
const OWN: usize = 10;

/// Plays, and says whether all that it showed is so.
pub(crate) async fn run() -> Result<bool> {
    let begun = Instant::now();
    let mut facts = Facts { all_hold: true };
    let (stage, v2) = Stage::set().await?;
    let unmirrored = load::send(stage.unmirrored, |_| ()).await?;

    println!("\n1. v2 is well\n");
    let well = v2_is_well(&stage, &v2, &mut facts).await?;

    println!("\n2. v2 hangs: it accepts connections, reads nothing, answers nothing\n");
    let hang = v2.hang().await;
    let (hung, by_hand) = v2_hangs(&stage, &mut facts).await?;

    println!("\n3. v2 is switched off: nothing listens on its port\n");
    v2.switch_off(hang);
    let off = v2_is_off(&stage, &mut facts).await?;

    println!("\nWhat clients noticed of all this\n");
    report::client_table(&[
        ("without a mirror", &unmirrored),
        ("tower-mirror, v2 well", &well),
        ("tower-mirror, v2 hung", &hung),
        ("by hand, v2 hung", &by_hand),
        ("tower-mirror, v2 off", &off),
    ]);
    println!();
    let at_ease = |load: &Load| load.noticed_nothing() && load.median() < TIMEOUT / 4;
    facts.check(
        [&well, &hung, &off].into_iter().all(at_ease),
        "nothing: v1's answers, whole and at v1's pace, on connections that never broke",
    );

    println!("\nWhat became of the copies\n");
    outcomes(&stage, &mut facts).await;
    let verdict = match facts.all_hold {
        true => "All of it is so",
        false => "Not all of it is so: see NOT SO above",
    };
    println!("\n{verdict} ({:.1} s).", begun.elapsed().as_secs_f64());
    Ok(facts.all_hold)
}

async fn v2_is_well(stage: &Stage, v2: &Catalog, facts: &mut Facts) -> Result<Load> {
    let (load, ended) = stage.load(|_| ()).await?;
    let mut received = stage.take_received();
    let index = |request: &Received| request.header(ID).parse::<usize>().ok();
    received.sort_by_key(index);
    println!("   the client got  {}", load.first_answer);
    if let Some(first) = received.first() {
        println!("   v2 answered     {}", first.answer);
    }
    println!("   v2's log");
    for request in received.iter().take(4) {
        println!("      {request}");
    }
    println!();
    facts.check(
        load.noticed_nothing() && load.image_urls == 0,
        format_args!(
            "the client got {} answers by v1, none with an imageUrl",
            load.right
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
        format_args!("{shadows} came with `Host: catalog-shadow`, where clients said `catalog`"),
    );

    let connections = v2.connections();
    let completed = ended.of(Outcome::Completed);
    let sent: usize = received.iter().map(|request| request.answer.len()).sum();
    let read = stage.answer_bytes();
    facts.check(
        completed == REQUESTS as u64 && read == sent as u64 && connections <= REQUESTS / 10,
        format_args!(
            "{completed} answers of v2 were received whole ({read} of {sent} B), over \
             {connections} connection(s)"
        ),
    );
    Ok(load)
}

async fn v2_hangs(stage: &Stage, facts: &mut Facts) -> Result<(Load, Load)> {
    let (mut mirror, mut by_hand) = (Vec::new(), Vec::new());
    let (load, ended) = stage.load(|at| mirror.push((at, Usage::now()))).await?;
    let load_by_hand = load::send(stage.by_hand, |at| by_hand.push((at, Usage::now()))).await?;
    let (mirror, by_hand) = (report::growth(&mirror), report::growth(&by_hand));
    report::usage_table(&mirror, &by_hand);
    println!();

    facts.check(
        load.noticed_nothing(),
        format_args!("the client got {} answers by v1", load.right),
    );
    let (timed_out, in_flight_limit) = (
        ended.of(Outcome::TimedOut),
        ended.of(Outcome::InFlightLimit),
    );
    facts.check(
        timed_out > 0 && timed_out + in_flight_limit == REQUESTS as u64,
        format_args!(
            "{timed_out} copies timed out, for {in_flight_limit} requests there was no room"
        ),
    );
    let bounded = |usage: &Usage| {
        usage.tasks <= MAX_IN_FLIGHT + MAX_CONNECTIONS + OWN
            && usage
                .descriptors
                .is_none_or(|more| more <= MAX_CONNECTIONS + OWN)
    };
    facts.check(
        mirror.iter().all(|(_, usage)| bounded(usage)),
        format_args!("tower-mirror: at most {MAX_IN_FLIGHT} copies and {MAX_CONNECTIONS} sockets"),
    );
    let most = mirror.iter().map(|(_, usage)| usage.resident).max();
    let climbed = |usage: &Usage| {
        usage.tasks >= REQUESTS
            && usage.descriptors.is_none_or(|more| more >= REQUESTS)
            && most.is_none_or(|most| usage.resident >= most)
    };
    facts.check(
        by_hand.last().is_some_and(|(_, usage)| climbed(usage)),
        "by hand: a socket, its task and its buffers for every request, with no end to it",
    );
    Ok((load, load_by_hand))
}

async fn v2_is_off(stage: &Stage, facts: &mut Facts) -> Result<Load> {
    let (load, ended) = stage.load(|_| ()).await?;
    facts.check(
        load.noticed_nothing(),
        format_args!("the client got {} answers by v1", load.right),
    );
    let failed = ended.of(Outcome::FailedConnect);
    facts.check(
        failed == REQUESTS as u64,
        format_args!("{failed} copies found nobody there"),
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
        format_args!("{sum} outcomes, for the {sent} requests that clients sent"),
    );
    facts.check(
        drained.aborted == 0 && stats.in_flight() == 0 && stats.buffered_bytes() == 0,
        "drained: no copy is left, nor a byte of one",
    );
}
