//! What happens: v2 has a fault, then it is repaired. Beside it runs a v2 that is only v1 once more.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use tower_mirror::compare::{CompareReport, RouteReport, Verdict};

use crate::{
    Result,
    load::{BATCH, Load, MET_EVERY},
    print::{self, Facts},
    shop::BROKEN_EVERY,
    stage::{BLOCK, Stage},
};

/// While v2 has its fault, a batch is sent this often. More requests would not lead to FAIL sooner, because it needs
/// several blocks of time in which v2 differed.
const PAUSE: Duration = Duration::from_millis(200);
/// After so much time without a verdict, the example ends with an error.
const PATIENCE: Duration = Duration::from_secs(240);
/// The route with the fault, and the route without it.
const PAGES: &str = "GET /items";
const ITEM: &str = "GET /items/{id}";

/// Plays the example. Returns whether every statement that it printed holds.
pub(crate) async fn run() -> Result<bool> {
    let mut facts = Facts { all_hold: true };
    let mut play = Play {
        stage: Stage::set().await?,
        load: Load::default(),
        looks: 0,
        false_alarms: 0,
    };
    println!(
        "A shop (v1) answers its clients. Each answer contains a new identifier and the time."
    );
    println!("Copies go to v2 and, at the same moment, to a second v1, the baseline.");
    println!(
        "v2 drops `stock` in 1 of {BROKEN_EVERY} items. Clients ask for it by `?expand=stock`."
    );
    println!("So 1 of {MET_EVERY} requests to `{PAGES}` meets the fault.");
    println!(
        "Settings: tolerated is an excess of 0.1 %, with 95 % confidence (the default); 200 requests of warm-up (the"
    );
    println!(
        "default); the comparing thread may use one core (default: a tenth); {} requests a second at most, until FAIL.",
        BATCH * 1000 / PAUSE.as_millis() as u64
    );

    println!(
        "FAIL needs evidence from several blocks of time. Here a block lasts {} s (default: 10 s), so FAIL comes soon.",
        BLOCK.as_secs()
    );

    print::title("1. v2 as it was written. With two routes, FAIL needs 8 to 10 blocks.");
    let failed = play.until(Verdict::is_fail, Some(PAUSE)).await?;
    print::report(&failed);
    has_failed(&failed, &mut facts);

    print::title(
        "2. v2 is repaired, and the comparison is reset. As many requests as the machine can.",
    );
    play.stage.fault.repair();
    play.stage.v2.handle.reset();
    let passed = play.until(Verdict::is_pass, None).await?;
    print::report(&passed);
    has_passed(&passed, &mut facts);

    print::title("3. Meanwhile, a v2 that is only v1 once more");
    let same = play.stage.same.handle.report();
    print::report(&same);
    facts.check(
        play.false_alarms == 0 && !same.verdict.is_fail(),
        format_args!(
            "it never failed: {} looks at the verdict, {} requests compared",
            play.looks, same.compared
        ),
    );
    println!(
        "\n{}",
        match facts.all_hold {
            true => "Every statement above was checked and holds.",
            false => "A statement above does not hold; it is marked FAILED.",
        }
    );
    Ok(facts.all_hold)
}

struct Play {
    stage: Stage,
    load: Load,
    /// How often the verdict on v1 as v2 was looked at, and how often it was FAIL.
    looks: u64,
    false_alarms: u64,
}

impl Play {
    /// Sends requests until the verdict is the one that is wanted, or the patience ends. Looks at it once a second.
    async fn until(
        &mut self,
        is_it: impl Fn(&Verdict) -> bool,
        pause: Option<Duration>,
    ) -> Result<CompareReport> {
        let begun = Instant::now();
        let mut looked = begun;
        let mut next = interval(pause.unwrap_or(Duration::from_millis(1)));
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            next.tick().await;
            self.load
                .batch(&[&self.stage.v2.app, &self.stage.same.app])
                .await?;
            // Without this, clients that are faster than v2 would leave requests without a copy.
            self.stage.v2.handle.wait_idle().await;
            self.stage.same.handle.wait_idle().await;
            if looked.elapsed() < Duration::from_secs(1) {
                continue;
            }
            looked = Instant::now();
            self.looks += 1;
            self.false_alarms += u64::from(self.stage.same.handle.verdict().is_fail());
            let report = self.stage.v2.handle.report();
            print::progress(begun.elapsed(), &report);
            if is_it(&report.verdict) || begun.elapsed() > PATIENCE {
                return Ok(report);
            }
        }
    }
}

fn route<'r>(report: &'r CompareReport, name: &str) -> Option<&'r RouteReport> {
    report.routes.iter().find(|route| &*route.route == name)
}

fn has_failed(report: &CompareReport, facts: &mut Facts) {
    let Verdict::Fail(reasons) = &report.verdict else {
        facts.check(false, format_args!("FAIL is found: {}", report.verdict));
        return;
    };
    facts.check(
        reasons.iter().all(|reason| reason.route == PAGES),
        format_args!("FAIL names the route `{PAGES}`, and no other one"),
    );
    let Some(pages) = route(report, PAGES) else {
        facts.check(false, format_args!("the report contains `{PAGES}`"));
        return;
    };
    let differing: Vec<_> = pages
        .paths
        .iter()
        .filter(|path| path.shadow_only > 0)
        .collect();
    facts.check(
        matches!(differing[..], [path] if path.path == "/items/*/stock" && path.kind == "removed"),
        "the only path that differs in v2 is `/items/*/stock`, which v2 removed",
    );
    let counts = pages.tally.requests();
    facts.check(
        counts.shadow_only() > 0 && counts.compared() > counts.shadow_only(),
        format_args!(
            "the share is {:.1} %: {} of {} requests differ only in v2 (the load meets the fault in {:.1} %)",
            counts.shadow_only() as f64 * 100.0 / counts.compared() as f64,
            counts.shadow_only(),
            counts.compared(),
            100.0 / MET_EVERY as f64
        ),
    );
    let common = pages.in_common.first();
    facts.check(
        common.is_some_and(|common| {
            common.name == "query `expand`" && common.failing_with == common.failing
        }),
        format_args!(
            "the requests that fail have in common: {}",
            common.map_or("nothing".to_owned(), ToString::to_string)
        ),
    );
    let is_noise = |name: &str, path: &str| {
        let mut paths = report.noisy_paths.iter();
        paths.any(|noisy| &*noisy.route == name && noisy.path == path && noisy.share > 0.99)
    };
    facts.check(
        [PAGES, ITEM]
            .iter()
            .all(|route| is_noise(route, "/requestId") && is_noise(route, "/generatedAt")),
        "`/requestId` and `/generatedAt` are listed under \"not judged\", because v1 differs from itself there",
    );
}

fn has_passed(report: &CompareReport, facts: &mut Facts) {
    let compared = |name: &str| {
        let route = route(report, name);
        route.map_or(0, |route| route.tally.requests().compared())
    };
    facts.check(
        report.verdict.is_pass(),
        format_args!(
            "{} after {} compared requests: {} of `{PAGES}` and {} of `{ITEM}`",
            report.verdict,
            report.compared,
            compared(PAGES),
            compared(ITEM)
        ),
    );
}
