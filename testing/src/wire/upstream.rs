//! `Upstream`: a server with a plan for each path, which records all requests that it receives.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
};

use super::{
    bench::within,
    case::Checked,
    http1::{Fields, Framing, Head, Io},
};

/// A request that an upstream has received.
#[derive(Clone, Debug)]
pub struct Seen {
    pub connection: usize,
    pub(crate) head: Head,
    pub body: Vec<u8>,
    pub trailers: Fields,
    pub state: State,
}

impl Seen {
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole | State::Answered)
    }

    fn is_to(&self, path: &str) -> bool {
        self.head.second().starts_with(path)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Reading,
    Whole,
    /// The request is complete, and the response was written.
    Answered,
    Broken,
}

/// The behaviour for the requests to one path.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bytes of the response.
    pub answer: Vec<u8>,
    pub when: When,
    pub then: Then,
    /// The server waits until this gate is dropped.
    pub gate: Option<watch::Receiver<()>>,
}

/// The time at which a [`Plan`] waits at its gate and writes its response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// The server waits and answers after the head. It reads the body afterwards.
    Head,
    /// The server waits after the head, before it reads the body. Then it reads the body and
    /// answers.
    BeforeBody,
    /// The server reads the body, waits, and answers.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    Keeps,
    Closes,
    Resets,
    /// Writes chunks of a body until the connection fails.
    Endless,
}

/// A plan waits until its gate is dropped.
pub struct Gate(#[allow(dead_code)] watch::Sender<()>);

impl Plan {
    pub fn answers(status: u16, fields: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n{fields}\r\n");
        Self::writes(&(head + body), Then::Keeps)
    }

    pub fn writes(answer: &str, then: Then) -> Self {
        let answer = answer.as_bytes().to_vec();
        let when = When::End;
        Self {
            answer,
            when,
            then,
            gate: None,
        }
    }

    pub fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    pub fn gated(self) -> (Self, Gate) {
        let (gate, waits) = watch::channel(());
        let gated = Self {
            gate: Some(waits),
            ..self
        };
        (gated, Gate(gate))
    }

    async fn waits(&self) {
        if let Some(mut gate) = self.gate.clone() {
            // An error means that the gate was dropped.
            while gate.changed().await.is_ok() {}
        }
    }
}

type Log = BTreeMap<usize, Seen>;

/// A server on a real socket. It ends when this value is dropped.
#[derive(Debug)]
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    plans: Mutex<HashMap<String, Plan>>,
    log: watch::Sender<Log>,
    next: Mutex<usize>,
}

impl Upstream {
    /// Starts a server. It answers with its name on paths without a plan.
    pub async fn start(name: &'static str, address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        // A small buffer makes the window full soon if the server does not read.
        socket.set_recv_buffer_size(256 * 1024)?;
        socket.bind(address)?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            name,
            plans: Mutex::default(),
            log: watch::Sender::default(),
            next: Mutex::default(),
        });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            _serving: serving,
        })
    }

    /// Sets the plan for requests to this path.
    pub fn plans(&self, path: &str, plan: Plan) {
        lock(&self.shared.plans).insert(path.to_owned(), plan);
    }

    /// Forgets all plans and requests.
    pub fn clear(&self) {
        lock(&self.shared.plans).clear();
        self.shared.log.send_modify(Log::clear);
    }

    /// Returns the requests so far whose targets begin with `path`.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let log = self.shared.log.borrow();
        log.values()
            .filter(|seen| seen.is_to(path))
            .cloned()
            .collect()
    }

    /// Waits for the first request to this path that fulfils the condition.
    pub async fn sees(
        &self,
        path: &str,
        what: &str,
        holds: impl Fn(&Seen) -> bool,
    ) -> Checked<Seen> {
        let mut log = self.shared.log.subscribe();
        let is_it = |seen: &&Seen| seen.is_to(path) && holds(seen);
        let what = format!("{} to get {what}", self.shared.name);
        within(&what, async {
            // The sender lives as long as `self`.
            let _ = log
                .wait_for(|log| log.values().any(|seen| is_it(&seen)))
                .await;
        })
        .await?;
        let found = log.borrow().values().find(is_it).cloned();
        found.ok_or(super::Verdict::Fails(what))
    }

    /// Waits until the request to this path is complete.
    pub async fn gets(&self, path: &str) -> Checked<Seen> {
        self.sees(path, "a whole request", Seen::is_whole).await
    }

    /// Waits until the head of the request to this path has arrived.
    pub async fn begins(&self, path: &str) -> Checked<Seen> {
        self.sees(path, "the head of a request", |_| true).await
    }

    /// Waits until the response to the request to this path was written.
    pub async fn answers(&self, path: &str) -> Checked<Seen> {
        let answered = |seen: &Seen| seen.state == State::Answered;
        self.sees(path, "a request and answer it", answered).await
    }
}

impl Shared {
    fn next(&self) -> usize {
        let mut next = lock(&self.next);
        *next += 1;
        *next
    }

    fn plan(&self, target: &str) -> Plan {
        let path = target.split('?').next().unwrap_or_default();
        let plans = lock(&self.plans);
        let plan = plans.get(path).cloned();
        plan.unwrap_or_else(|| Plan::answers(200, "", self.name))
    }

    fn update(&self, id: usize, change: impl FnOnce(&mut Seen)) {
        self.log.send_modify(|log| {
            if let Some(seen) = log.get_mut(&id) {
                change(seen);
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn(async move {
            let connection = shared.next();
            if let Ok(io) = Io::new(stream) {
                // The record of the request shows how the connection has ended.
                let _ = serve(io, connection, &shared).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut io: Io, connection: usize, shared: &Shared) -> io::Result<()> {
    while let Some(head) = io.head().await? {
        let id = shared.next();
        let plan = shared.plan(head.second());
        let framing = head.framing();
        let is_head = head.first.starts_with("HEAD ");
        let expects = head.has("expect");
        let seen = Seen {
            connection,
            head,
            body: Vec::new(),
            trailers: Fields::new(),
            state: State::Reading,
        };
        shared.log.send_modify(|log| {
            log.insert(id, seen);
        });
        if plan.when != When::End {
            plan.waits().await;
        }
        if plan.when == When::Head {
            io.write(&plan.answer).await?;
            if plan.then == Then::Resets {
                shared.update(id, |seen| seen.state = State::Broken);
                return io.reset();
            }
        }
        if expects {
            io.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        read(&mut io, framing, id, shared).await?;
        if plan.when == When::End {
            plan.waits().await;
        }
        if plan.when != When::Head {
            let end = if is_head {
                head_of(&plan.answer)
            } else {
                plan.answer.len()
            };
            io.write(&plan.answer[..end]).await?;
        }
        shared.update(id, |seen| seen.state = State::Answered);
        match plan.then {
            Then::Keeps => {}
            Then::Closes => return Ok(()),
            Then::Resets => return io.reset(),
            Then::Endless => loop {
                io.write(b"4\r\nmore\r\n").await?;
            },
        }
    }
    Ok(())
}

async fn read(io: &mut Io, framing: Framing, id: usize, shared: &Shared) -> io::Result<()> {
    let read = io
        .body(framing, |data| {
            shared.update(id, |seen| seen.body.extend_from_slice(data))
        })
        .await;
    shared.update(id, |seen| match &read {
        Ok(trailers) => {
            seen.trailers.clone_from(trailers);
            seen.state = State::Whole;
        }
        Err(_) => seen.state = State::Broken,
    });
    read.map(drop)
}

/// Returns the length of the head, which is the whole response to a HEAD.
fn head_of(answer: &[u8]) -> usize {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(answer.len(), |end| end + 4)
}
