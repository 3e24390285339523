//! The comparing thread.

use std::{
    fmt, io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    drop_reason::DropReason, judge::Judge, ledger::Ledger, settings::Settings, triple::Job,
};
use crate::guard::guarded;

/// Requests that may wait for the thread.
const QUEUE: usize = 64;

/// Starts the thread. It ends after the last sender is dropped.
pub(super) fn start(settings: &Settings, ledger: &Arc<Ledger>) -> io::Result<SyncSender<Job>> {
    let (sender, jobs) = sync_channel(QUEUE);
    let worker = Worker {
        judge: Judge::new(settings),
        settings: settings.clone(),
        ledger: Arc::clone(ledger),
        generation: 0,
    };
    thread::Builder::new()
        .name("tower-mirror compare".into())
        .spawn(move || worker.run(&jobs))?;
    Ok(sender)
}

struct Worker {
    judge: Judge,
    settings: Settings,
    ledger: Arc<Ledger>,
    generation: u64,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let began = Instant::now();
            if let Err(reason) = self.compare(job) {
                self.ledger.not_compared(reason);
            } else {
                self.ledger.open.end();
            }
            let time = began.elapsed();
            self.ledger.add_busy(time);
            let pause = pause(time, self.settings.duty);
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
    }

    fn compare(&mut self, job: Job) -> Result<(), DropReason> {
        let generation = self.ledger.generation();
        if job.facts.generation != generation {
            job.discard();
            return Err(DropReason::Reset);
        }
        if self.generation != generation {
            self.judge = Judge::new(&self.settings);
            self.generation = generation;
        }
        let (judge, ledger) = (&mut self.judge, &*self.ledger);
        // What is parsed comes from others, and a destructor of a frame may be a user's.
        let judged = guarded(|| judge.judge(job, ledger));
        judged.unwrap_or(Err(DropReason::Panicked))
    }
}

/// How long the thread rests after it has worked for `time`.
fn pause(time: Duration, duty: f64) -> Duration {
    let rest = time.as_secs_f64() * (1.0 / duty - 1.0);
    Duration::try_from_secs_f64(rest).unwrap_or_default()
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
