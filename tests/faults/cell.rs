//! One cell of the test matrix: a fault, a body mode, a size, and the client's protocol.

use std::{
    fs,
    future::Future,
    panic, process,
    sync::{Once, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use http::Method;
use tokio::{runtime::Handle, task::yield_now, time::timeout};
use tower::Layer;
use tower_mirror::{
    BodyMode, HttpTarget, MirrorBuilder, MirrorHandle, MirrorLayer, Outcome, sample,
};

use crate::{
    front::{self, Digest, Server},
    shadow::Shadow,
};
use tower_mirror_testing::net::HANG;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    /// The client uses HTTP/2.
    pub(crate) http2: bool,
    pub(crate) mode: BodyMode,
    pub(crate) size: usize,
}

pub(crate) const SIZES: [usize; 3] = [0, 1 << 10, 1 << 20];
const MODES: [BodyMode; 3] = [BodyMode::Buffered, BodyMode::Streaming, BodyMode::HeadOnly];
/// The limit for responses that are truncated.
pub(crate) const MOST_OF_AN_ANSWER: u64 = 64 << 10;

impl Cell {
    /// One cell for each mode.
    pub(crate) fn is_typical(self) -> bool {
        let size = match self.mode {
            BodyMode::Buffered => 1 << 10,
            BodyMode::Streaming => 1 << 20,
            _ => 0,
        };
        self.size == size && self.http2 == (self.mode == BodyMode::HeadOnly)
    }

    fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for http2 in [false, true] {
            for mode in MODES {
                cells.extend(SIZES.map(|size| Self { http2, mode, size }));
            }
        }
        cells
    }

    /// The length of the copy's body in bytes.
    pub(crate) fn copied(self) -> usize {
        match self.mode {
            BodyMode::HeadOnly => 0,
            _ => self.size,
        }
    }
}

/// The permitted outcomes of a copy. There is more than one only if the order of two events on two
/// sockets decides.
pub(crate) type Expected = &'static [Outcome];

/// Runs `fault` in every cell, each in a separate thread and runtime. `expected` returns `None` for
/// cells that make no sense.
pub(crate) fn in_every_cell<S, F>(
    http2: bool,
    expected: impl Fn(Cell) -> Option<Expected>,
    shadow: S,
) where
    S: Fn(Cell) -> F + Sync,
    F: Future<Output = Shadow>,
{
    let _together = DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner);
    let cells: Vec<_> = Cell::all()
        .into_iter()
        .filter_map(|cell| Some((cell, expected(cell)?)))
        .collect();
    assert!(!cells.is_empty());
    let shadow = &shadow;
    std::thread::scope(|scope| {
        let running = cells.into_iter().map(|(cell, expected)| {
            scope.spawn(move || {
                let runtime = runtime();
                let ran = runtime.block_on(run(http2, cell, expected, shadow(cell)));
                ran.map_err(|wrong| format!("{cell:?}: {wrong}"))
            })
        });
        let running: Vec<_> = running.collect();
        let wrong: Vec<_> = running
            .into_iter()
            .filter_map(|cell| cell.join().unwrap().err())
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Creates a runtime. A panic outside the tests aborts the process, because a panic in a task of
/// the library would otherwise remain unnoticed.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            usual(panicked);
            if !panicked
                .location()
                .is_some_and(|at| at.file().starts_with("tests/"))
            {
                process::abort();
            }
        }));
    });
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A target at `shadow`. It closes the connection of a stalled peer after a time that is longer
/// than any copy here that waits for its deadline.
pub(crate) fn target(shadow: &Shadow, http2: bool) -> HttpTarget {
    let target = HttpTarget::builder(format!("http://{}", shadow.address));
    let target = if http2 { target.http2() } else { target };
    target
        .write_timeout(Duration::from_secs(1))
        .build()
        .unwrap()
}

/// A mirror of `POST` requests. Cells that wait for the deadline have a short one. The other cells
/// have a long one, because no deadline is too long for them.
pub(crate) fn mirror(target: HttpTarget, expected: Expected) -> MirrorBuilder {
    let waits = expected.contains(&Outcome::TimedOut);
    MirrorLayer::builder(target)
        .filter(sample::methods([Method::POST]))
        .max_response_bytes(MOST_OF_AN_ANSWER)
        .timeout(if waits {
            Duration::from_millis(250)
        } else {
            HANG
        })
}

async fn run(
    http2: bool,
    cell: Cell,
    expected: Expected,
    shadow: impl Future<Output = Shadow>,
) -> Result<(), String> {
    let shadow = shadow.await;
    let before = tasks();
    let layer = mirror(target(&shadow, http2), expected)
        .body_mode(cell.mode)
        .build();
    let handle = layer.handle();
    let server = Server::start(layer.layer(Digest)).await;
    drop(layer);

    let with = timeout(HANG, transcript(&server, cell)).await;
    let with = with.map_err(|_| "the client hangs")?;
    let without = without(cell);
    if with != without {
        return Err(format!("the client saw\n{with}\nand without:\n{without}"));
    }
    let ended = timeout(HANG, handle.wait_idle()).await;
    ended.map_err(|_| format!("the copy hangs\n{}", handle.stats()))?;
    let stats = handle.stats();
    if expected.iter().map(|end| stats.outcome(*end)).sum::<u64>() != 1 {
        return Err(format!("not one of {expected:?}:\n{stats}"));
    }
    nothing_is_left(handle, server, &shadow, before).await
}

/// Asserts that no copy, byte, connection or task remains after the server and the target were
/// dropped.
pub(crate) async fn nothing_is_left(
    handle: MirrorHandle,
    server: Server,
    shadow: &Shadow,
    tasks_before: usize,
) -> Result<(), String> {
    let drained = handle.drain(Duration::ZERO).await;
    let stats = handle.stats();
    let held = (
        drained.aborted,
        stats.in_flight(),
        stats.buffered_bytes() as u64,
    );
    if held != (0, 0, 0) {
        return Err(format!("aborted, in flight, bytes: {held:?}"));
    }
    // The handle keeps the shadow's service, and so the pool.
    drop(handle);
    drop(server);
    if !shadow.closes(0).await {
        return Err(format!("{} connections are left", shadow.open()));
    }
    let gone = async {
        while tasks() > tasks_before {
            yield_now().await;
        }
    };
    let gone = timeout(HANG, gone).await;
    gone.map_err(|_| format!("{} tasks, {tasks_before} before", tasks()))
}

pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn transcript(server: &Server, cell: Cell) -> String {
    match cell.http2 {
        false => front::http1(server.address, cell.size).await,
        true => front::http2(server.address, cell.size).await,
    }
}

/// The client's view without the layer.
fn without(cell: Cell) -> &'static str {
    static SEEN: [OnceLock<String>; 6] = [const { OnceLock::new() }; 6];
    let size = SIZES.iter().position(|size| *size == cell.size).unwrap();
    let seen = &SEEN[size + 3 * usize::from(cell.http2)];
    seen.get_or_init(|| {
        let bare = async move {
            let server = Server::start(Digest).await;
            transcript(&server, cell).await
        };
        let seen = std::thread::spawn(move || runtime().block_on(bare));
        let seen = seen.join().unwrap();
        assert!(seen.contains("200") && seen.contains(&format!(" {} ", cell.size)));
        seen
    })
}

/// A lock for the count of the process's descriptors. The counter holds it for writing.
pub(crate) static DESCRIPTORS: RwLock<()> = RwLock::new(());

pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
