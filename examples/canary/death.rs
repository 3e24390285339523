//! v2 is killed in the middle of a load, and starts again.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tower_mirror::{MirrorStats, Outcome};

use crate::{
    Result,
    catalog::{Catalog, Port, Version},
    load::{Answer, REQUESTS},
    play::{Versions, judge},
    report::{self, Facts},
    stage::Stage,
};

pub(crate) async fn v2_is_killed(
    stage: &mut Stage,
    v2: Catalog,
    versions: &Versions,
    facts: &mut Facts,
) -> Result<Port> {
    let copies_before = stage.mirror.stats();
    let (done, to_v2) = (stage.done.clone(), stage.to_v2.clone());
    let middle = done.load(Relaxed) + REQUESTS / 3;
    let killing = async {
        while done.load(Relaxed) < middle {
            sleep(Duration::from_millis(1)).await;
        }
        let begun = Instant::now();
        let port = v2.kill().await?;
        // Until the webapp has closed its connections to v2, it may write to one of them, and then the request
        // counts as sent.
        while to_v2.connections() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, crate::Error>((begun, Instant::now(), port))
    };
    let (seen, killed) = tokio::join!(stage.load(), killing);
    let (seen, (begun, dead, port)) = (seen?, killed?);

    report::shares(&seen);
    let (mut before, mut meanwhile, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for answer in &seen.answers {
        let phase = match answer {
            answer if answer.ended < begun => &mut before,
            answer if answer.begun > dead => &mut after,
            _ => &mut meanwhile,
        };
        phase.push(answer);
    }
    let failed: Vec<&Answer> = seen.answers.iter().filter(|it| !it.is_right).collect();
    let phases = [
        ("answered before", before),
        ("in progress when v2 was killed", meanwhile),
        ("sent after its end was noticed", after),
    ];
    report::phases(&phases);
    let [(_, before), _, (_, after)] = &phases;

    let of = |answers: &[&Answer]| answers.iter().filter(|it| !it.is_right).count();
    let received = seen.ids(false);
    let sent = failed.iter().filter(|it| it.failed == "sent").count();
    let logged = failed.iter().filter(|it| received.contains(&it.id)).count();
    facts.check(
        sent == failed.len() && of(before) == 0,
        format_args!(
            "{sent} of the {} failed requests had been sent to v2 ({logged} are in its log): 502",
            failed.len()
        ),
    );
    facts.check(
        of(after) == 0 && !after.is_empty(),
        format_args!(
            "{} were sent after its end was noticed: {} failed",
            after.len(),
            of(after)
        ),
    );
    let by_v1 = seen.counted(Version::V1);
    let moved = seen.answers.iter().filter(|it| it.why == "fallback");
    let unready = seen.counted(Version::V2).unready;
    facts.check(
        by_v1.fallback > 0 && by_v1.fallback == moved.count() as u64 && by_v1.fallback == unready,
        format_args!(
            "{unready} times v2 was not ready, nothing was sent to it, and v1 answered: fallback"
        ),
    );
    let users = seen.users();
    let strays = |(now, had): &(&Result<Option<Version>, ()>, &Option<Version>)| match now {
        Ok(None) => false,
        Ok(now) => now != *had,
        Err(()) => true,
    };
    let strayed = users.iter().zip(versions).filter(strays).count();
    facts.check(
        strayed == 0,
        format_args!("{strayed} users got another version, except by the fallback"),
    );
    let stats = stage.mirror.stats();
    let ended = |outcome| of_load(&copies_before, &stats, outcome);
    let again = seen.answers.iter().filter(|it| it.is_asked_again);
    println!(
        "\n   {} times a ready connection closed before anything was written: sent again",
        again.count()
    );
    println!(
        "   copies: {} completed, {} broke off, {} could not connect",
        ended(Outcome::Completed),
        ended(Outcome::FailedTransport),
        ended(Outcome::FailedConnect)
    );
    Ok(port)
}

fn of_load(before: &MirrorStats, after: &MirrorStats, outcome: Outcome) -> u64 {
    after.outcome(outcome) - before.outcome(outcome)
}

pub(crate) async fn v2_is_back(
    stage: &mut Stage,
    port: Port,
    versions: &mut Versions,
    facts: &mut Facts,
) -> Result<Catalog> {
    let v2 = Catalog::start(Version::V2, port, stage.log.clone())?;
    let had = versions.clone();
    let seen = stage.load().await?;
    judge(&seen, versions, None, facts);
    let on_v2 = |versions: &Versions| {
        let is_v2 = versions.iter().filter(|it| **it == Some(Version::V2));
        is_v2.count()
    };
    facts.check(
        had == *versions && seen.counted(Version::V1).fallback == 0,
        format_args!("its {} users are back, and no other users", on_v2(versions)),
    );
    Ok(v2)
}
