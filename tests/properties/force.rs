//! `Force`: names of subsets in requests, which consist of any bytes.

use http::{HeaderName, Request};
use proptest::prelude::*;
use tower_mirror::{Draw, Force, RequestHead, split::Reason};

use crate::{config, value, with};
use tower_mirror_testing::split::{answer, builder, served};

const VERSION: HeaderName = HeaderName::from_static("x-version");
const INTERNAL: HeaderName = HeaderName::from_static("x-internal");

proptest! {
    #![proptest_config(config())]

    #[test]
    fn only_a_name_to_the_letter_is_heeded_and_only_if_trusted(
        requests in prop::collection::vec(
            (prop::collection::vec(value(b"v12V, ", 3), 0..3), any::<bool>()),
            1..8,
        ),
    ) {
        let trusted = |head: &RequestHead<'_>| head.headers.contains_key(INTERNAL);
        let mut split = builder("catalog", &[("v1", 1), ("v2", 0), ("v", 0)], Draw::even())
            .force(Force::header(VERSION).when(trusted))
            .build()
            .unwrap();
        let mut unknown = 0;
        for (values, is_trusted) in requests {
            let asked = values.first().map(|value| value.as_bytes().to_vec());
            let mut request: Request<String> = with(values.into_iter().map(|value| (VERSION, value)));
            if is_trusted {
                request.headers_mut().insert(INTERNAL, 1.into());
            }
            let expected = match asked.filter(|_| is_trusted).as_deref() {
                Some(b"v1") => ("v1", Reason::Forced),
                Some(b"v2") => ("v2", Reason::Forced),
                Some(b"v") => ("v", Reason::Forced),
                other => {
                    unknown += u64::from(other.is_some());
                    ("v1", Reason::Weighted)
                }
            };
            let answer = answer(&mut split, request);
            prop_assert_eq!(&served(&answer).reason, &expected.1);
            prop_assert_eq!(answer.into_body(), expected.0);
            prop_assert_eq!(split.handle().stats().unknown_forced, unknown);
        }
    }
}
