//! Sets the `cfg` with which the library uses loom's lock and atomics.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(tower_mirror_loom)");
    println!("cargo::rustc-check-cfg=cfg(docsrs)");
    println!("cargo::rustc-cfg=tower_mirror_loom");
}
