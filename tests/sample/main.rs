//! Which requests are copied: rates, draws and keys.

mod even;
mod keys;
mod rates;
