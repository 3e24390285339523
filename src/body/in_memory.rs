//! A word about a body, from the layer that has read it to the one that copies it.

/// An extension of a request whose body was read whole before it was passed on: to read on waits
/// for nobody and takes nothing from the client that was not taken already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InMemory;
