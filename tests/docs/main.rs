//! What the documents and the source text promise about themselves.

mod architecture;
mod auto_traits;
mod dependencies;
mod guide;
