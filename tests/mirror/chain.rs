//! Several mirrors around one primary, each with its own shadow, as in Istio's `mirrors` list.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use http::Request;
use tower::{Layer, ServiceExt, service_fn};
use tower_mirror::{
    BodyMode, BoxError, Draw, Key, Mirror, MirrorBuilder, MirrorHandle, MirrorLayer, MirrorStats,
    Outcome, SampleRate, TeeBody,
};
use tower_mirror_testing::*;

/// Three mirrors and their shadows, the outermost first.
struct Chain {
    mirrors: [MirrorLayer; 3],
    shadows: [TestShadow; 3],
}

impl Chain {
    /// Creates the mirrors, each with its own rate.
    fn sampling(draw: impl Fn(usize) -> Draw) -> Self {
        Self::new([Act::Answers(200); 3], |at, mirror| {
            let rate = SampleRate::percent([100.0, 50.0, 10.0][at]).unwrap();
            mirror.sample_rate(rate).draw(draw(at))
        })
    }

    fn new(acts: [Act; 3], configure: impl Fn(usize, MirrorBuilder) -> MirrorBuilder) -> Self {
        let shadows = acts.map(TestShadow::new);
        let mirror = |at: usize| {
            let builder = MirrorLayer::builder(shadows[at].share()).name(format!("v{at}"));
            let roomy = builder.max_in_flight(10_000).max_buffered_bytes(1 << 30);
            configure(at, roomy).build()
        };
        let mirrors = [mirror(0), mirror(1), mirror(2)];
        Self { mirrors, shadows }
    }

    fn around<S>(&self, primary: S) -> Mirror<Mirror<Mirror<S>>> {
        let [outer, middle, inner] = &self.mirrors;
        outer.layer(middle.layer(inner.layer(primary)))
    }

    fn handle(&self, at: usize) -> MirrorHandle {
        self.mirrors[at].handle()
    }

    /// Returns the counters of each mirror after this number of requests.
    async fn settled(&self, requests: u64) -> [MirrorStats; 3] {
        [
            settled(&self.handle(0), requests).await,
            settled(&self.handle(1), requests).await,
            settled(&self.handle(2), requests).await,
        ]
    }

    /// Sends one request for each of these users.
    async fn serve(&self, users: impl Iterator<Item = u32>) {
        let primary = service_fn(
            async |request: Request<TeeBody<TeeBody<TeeBody<Script>>>>| {
                drop(request);
                Ok::<_, BoxError>(http::Response::new(()))
            },
        );
        for user in users {
            let mut request = get();
            request.headers_mut().insert("x-user", user.into());
            self.around(primary).oneshot(request).await.unwrap();
        }
    }

    /// Returns the users whose requests this shadow received, with their numbers of requests.
    fn users(&self, at: usize) -> (HashSet<u32>, usize) {
        let copies = self.shadows[at].copies();
        let user = |copy: &Copy| {
            copy.head.headers["x-user"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        };
        (copies.iter().map(user).collect(), copies.len())
    }
}

fn taken(stats: &MirrorStats) -> [u64; 2] {
    [Outcome::Completed, Outcome::NotSampled].map(|outcome| stats.outcome(outcome))
}

#[tokio::test]
async fn with_one_key_who_is_in_at_ten_per_cent_is_in_at_fifty() {
    const USERS: u32 = 4000;
    let chain = Chain::sampling(|_| Draw::key(Key::header("x-user")));
    // Each user sends two requests.
    chain.serve((0..USERS).chain(0..USERS)).await;
    let stats = chain.settled(2 * u64::from(USERS)).await;

    let [(all, _), (half, _), (tenth, _)] = [0, 1, 2].map(|at| chain.users(at));
    assert!(tenth.is_subset(&half) && half.is_subset(&all));
    assert_eq!(all.len(), USERS as usize);
    // The hashes are fixed, so this does not depend on chance: the share of 4000 users is exact
    // within four standard deviations.
    assert!(half.len().abs_diff(2000) < 130, "{}", half.len());
    assert!(tenth.len().abs_diff(400) < 80, "{}", tenth.len());
    for (at, users) in [&all, &half, &tenth].into_iter().enumerate() {
        // Both requests of a user are copied or none, and each mirror counts its own copies.
        let copies = 2 * users.len() as u64;
        assert_eq!(chain.users(at).1 as u64, copies);
        assert_eq!(taken(&stats[at]), [copies, 2 * u64::from(USERS) - copies]);
    }
}

#[tokio::test]
async fn a_salt_of_its_own_takes_a_mirror_out_of_the_nest() {
    let chain = Chain::sampling(|at| Draw::key(Key::header("x-user").salt(&format!("{at}"))));
    chain.serve(0..4000).await;
    chain.settled(4000).await;
    let ((half, _), (tenth, _)) = (chain.users(1), chain.users(2));
    let both = half.intersection(&tenth).count();
    // This is half of a tenth, as for two independent mirrors.
    assert!(both.abs_diff(200) < 60, "{both}");
}

#[tokio::test]
async fn even_draws_meet_as_often_as_they_should() {
    const REQUESTS: u32 = 5000;
    for seed in 0..4 {
        let chain = Chain::sampling(|at| Draw::even_seeded(seed + at as u64));
        chain.serve(0..REQUESTS).await;
        let stats = chain.settled(u64::from(REQUESTS)).await;
        for (stats, expected) in stats.iter().zip([5000, 2500, 500]) {
            assert!(taken(stats)[0].abs_diff(expected) <= 5, "{stats}");
        }
        let ((half, _), (tenth, _)) = (chain.users(1), chain.users(2));
        let both = half.intersection(&tenth).count();
        assert!((200..=300).contains(&both), "{seed}: {both}");
    }
}

#[tokio::test]
async fn each_mirror_is_steered_alone() {
    let chain = Chain::new([Act::Answers(200); 3], |_, mirror| mirror);
    chain.handle(0).pause();
    chain.handle(2).set_sample_rate(SampleRate::NONE);
    chain.serve(0..1).await;
    let stats = chain.settled(1).await;
    let expected = [Outcome::Paused, Outcome::Completed, Outcome::NotSampled];
    for (stats, expected) in stats.iter().zip(expected) {
        assert_only(stats, expected);
    }
}

#[tokio::test]
async fn large_frames_are_shared_by_all_shadows_and_the_primary() {
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        let chain = Chain::new([Act::Answers(200); 3], |_, mirror| mirror.body_mode(mode));
        let primary = Primary::reading();
        let lengths = [8 * 1024, 100, 64 * 1024, 8 * 1024 - 1, 300_000];
        let sum = trailers(&[("x-sum", "1")]);
        let body = Script::chunks(lengths).then(Step::Trailers(sum));
        chain
            .around(primary.clone())
            .oneshot(post(body))
            .await
            .unwrap();
        for stats in chain.settled(1).await {
            assert_only(&stats, Outcome::Completed);
        }

        let original = primary.one().1;
        let copies = [0, 1, 2].map(|at| chain.shadows[at].one());
        for (at, copy) in copies.iter().enumerate() {
            assert!(copy.stream == original, "{mode:?}: the frames differ");
            // The copy has the mark of its own mirror, and no other mark.
            let marks: Vec<_> = copy.head.headers.get_all("x-mirrored-by").iter().collect();
            assert_eq!(marks, [format!("v{at}").as_str()]);
        }
        let frames = |stream: &Stream| -> Vec<Bytes> {
            let data = stream.pieces.iter().filter_map(|piece| match piece {
                Piece::Data(data) => Some(data.clone()),
                Piece::Trailers(_) => None,
            });
            data.collect()
        };
        for copy in &copies {
            for (copied, frame) in frames(&copy.stream).iter().zip(frames(&original)) {
                let is_shared = copied.as_ptr() == frame.as_ptr();
                assert_eq!(is_shared, frame.len() >= 128 * 1024, "{}", frame.len());
            }
        }
    }
}

/// A fault of one shadow does not affect the other shadows or the primary.
#[tokio::test(start_paused = true)]
async fn a_failing_mirror_fails_alone() {
    let refused = Fault::Io(std::io::ErrorKind::ConnectionRefused);
    let bad = [
        (Act::Fails(Place::Ready, refused), Outcome::FailedConnect),
        (Act::Fails(Place::Call, Fault::Own), Outcome::FailedService),
        (Act::Panics(Place::Call), Outcome::Panicked),
        (Act::Hangs(Place::Future), Outcome::TimedOut),
        (Act::KeepsBody, Outcome::TimedOut),
        (Act::Endless(1024), Outcome::CompletedTruncated),
    ];
    for mode in [BodyMode::Buffered, BodyMode::Streaming] {
        for (act, outcome) in bad {
            for place in 0..3 {
                let mut acts = [Act::Answers(200); 3];
                acts[place] = act;
                let chain = Chain::new(acts, |_, mirror| mirror.body_mode(mode));
                assert_fails_alone(&chain, place, outcome).await;
            }
        }
        for place in 0..3 {
            let limits = |at, mirror: MirrorBuilder| match at == place {
                true => mirror.max_in_flight(0),
                false => mirror,
            };
            let chain = Chain::new([Act::Answers(200); 3], |at, mirror| {
                limits(at, mirror.body_mode(mode))
            });
            assert_fails_alone(&chain, place, Outcome::InFlightLimit).await;
        }
    }
}

async fn assert_fails_alone(chain: &Chain, place: usize, outcome: Outcome) {
    let primary = Primary::reading();
    let body = Script::chunks([100, 20_000]);
    let before = tokio::time::Instant::now();
    let answer = chain.around(primary.clone()).oneshot(post(body)).await;
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!(before.elapsed(), Duration::ZERO, "the primary waited");
    let stats = chain.settled(1).await;
    for (at, stats) in stats.iter().enumerate() {
        if at == place {
            assert_only(stats, outcome);
        } else {
            assert_only(stats, Outcome::Completed);
            assert_eq!(chain.shadows[at].one().stream, primary.one().1);
        }
    }
}
