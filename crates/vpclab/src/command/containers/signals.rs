//! Signals that end a command are meant for the container whose output it prints.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

/// After so many the person means this command.
const PATIENCE: u32 = 3;

/// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT go to the container; the third one ends this process, and the container
/// goes on.
pub fn forward(socket: &Path, key: &str) {
    // With another connection: the first one may be in use.
    let Ok(client) = sandbox::Client::connect(socket) else { return };
    let key = key.to_owned();
    let listen = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async move {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
            let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup), Ok(mut quit)] = kinds.map(signal) else { return };
            for count in 1.. {
                let number = tokio::select! {
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                    _ = hangup.recv() => 1,
                    _ = quit.recv() => 3,
                };
                if count >= PATIENCE {
                    std::process::exit(128 + number);
                }
                // One that has ended needs none.
                let _ = client.signal_container(&key, number);
            }
        });
    };
    std::thread::spawn(listen);
}
