//! Which requests are copied: rates, draws and keys.

mod keys;
mod rates;
