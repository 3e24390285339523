//! Two JSON texts side by side, without a tree.
//!
//! The walker moves over both texts in step. It allocates only where the texts differ. Its *fuel* bounds the work by a fixed multiple
//! of the size of the texts, whatever they contain.

mod array;
mod canonical;
mod cursor;
mod number;
mod object;
mod raw;
mod rules;
mod walk;

pub(super) use number::Tolerance;
pub(super) use raw::Raw;
pub(super) use rules::{Action, Node, Pattern};
pub(super) use walk::{Fuel, TooCostly, compare};
