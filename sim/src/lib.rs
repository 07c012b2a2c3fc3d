//! How it runs in one process, deterministically.

#[cfg(not(madsim))]
compile_error!(
    "crate `sim` needs `--cfg madsim`, which .cargo/config.toml sets: an RUSTFLAGS variable replaces it (add `--cfg madsim` to it), and cargo must run inside the repository"
);
