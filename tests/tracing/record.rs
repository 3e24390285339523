//! A subscriber that records all spans and events.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::{DefaultGuard, set_default},
};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

use tower_mirror_testing::lock;

pub(crate) type Fields = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) target: String,
    pub(crate) level: Level,
    pub(crate) parent: Option<u64>,
    pub(crate) follows: Vec<u64>,
    pub(crate) fields: Fields,
    pub(crate) is_closed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RecordedEvent {
    pub(crate) target: String,
    pub(crate) level: Level,
    pub(crate) span: Option<u64>,
    pub(crate) fields: Fields,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    spans: Arc<Mutex<Vec<Span>>>,
    events: Arc<Mutex<Vec<RecordedEvent>>>,
}

impl Records {
    /// Records the spans and events of this thread, on which all tasks of its tests run.
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        let records = Self::default();
        let guard = set_default(tracing_subscriber::registry().with(records.clone()));
        (records, guard)
    }

    /// Returns the spans of copies so far.
    pub(crate) fn copies(&self) -> Vec<Span> {
        self.named("shadow request")
    }

    pub(crate) fn copy(&self) -> Span {
        let mut copies = self.copies();
        assert_eq!(copies.len(), 1, "{copies:?}");
        copies.remove(0)
    }

    pub(crate) fn named(&self, name: &str) -> Vec<Span> {
        let spans = lock(&self.spans);
        spans
            .iter()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }

    /// Returns the events of this crate so far.
    pub(crate) fn events(&self) -> Vec<RecordedEvent> {
        let events = lock(&self.events);
        events
            .iter()
            .filter(|event| event.target.starts_with("tower_mirror"))
            .cloned()
            .collect()
    }

    fn with_span(&self, id: &Id, change: impl FnOnce(&mut Span)) {
        let mut spans = lock(&self.spans);
        // An id may be used again after its span has closed.
        let span = spans.iter_mut().rfind(|span| span.id == id.into_u64());
        change(span.expect("a span that was begun"));
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Records {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context
            .span(id)
            .and_then(|span| span.parent().map(|parent| parent.id()));
        let metadata = attributes.metadata();
        let mut span = Span {
            id: id.into_u64(),
            name: metadata.name(),
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            parent: parent.map(|id| id.into_u64()),
            follows: Vec::new(),
            fields: Fields::new(),
            is_closed: false,
        };
        attributes.record(&mut Write(&mut span.fields));
        lock(&self.spans).push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.with_span(id, |span| values.record(&mut Write(&mut span.fields)));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        self.with_span(id, |span| span.follows.push(follows.into_u64()));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.with_span(&id, |span| span.is_closed = true);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut recorded = RecordedEvent {
            target: event.metadata().target().to_owned(),
            level: *event.metadata().level(),
            span: context.event_span(event).map(|span| span.id().into_u64()),
            fields: Fields::new(),
        };
        event.record(&mut Write(&mut recorded.fields));
        lock(&self.events).push(recorded);
    }
}

struct Write<'a>(&'a mut Fields);

impl Visit for Write<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
