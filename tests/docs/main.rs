//! Checks of the documents and of the source text.

mod architecture;
mod auto_traits;
mod dependencies;
mod guide;
