//! Locks between processes, and between threads of one.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::error::{Error, Result};

/// Stack of a thread that waits for a lock, bytes.
const STACK: usize = 64 << 10;

/// A lock; whoever has it is alone.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes a lock that goes with its owner, however that ends. Those who wait have their turn in the order in which they came,
/// whatever process they are of: the kernel keeps that queue, and a thread stands in it, as only a thread of its own can be
/// left standing there when the patience is over.
pub(super) fn lock(path: &Path, what: &str, patience: Duration) -> Result<Lock> {
    let failed = || Error::io(format!("locking {}", path.display()));
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path);
    let file = opened.map_err(Error::io(format!("opening {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => return Ok(Lock { _file: file }),
        Err(TryLockError::Error(error)) => return Err(failed()(error)),
        Err(TryLockError::WouldBlock) => {}
    }
    let in_use = || Error::InUse {
        what: what.to_owned(),
        seconds: patience.as_secs(),
    };
    if patience.is_zero() {
        return Err(in_use());
    }
    let (turn, answer) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("lock-waiter".into())
        .stack_size(STACK)
        .spawn(move || {
            // Where nobody waits any more the file is closed, and the lock let go.
            drop(turn.send(file.lock().map(|()| file)));
        })
        .map_err(failed())?;
    match answer.recv_timeout(patience) {
        Ok(locked) => Ok(Lock {
            _file: locked.map_err(failed())?,
        }),
        Err(_) => Err(in_use()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_lock_goes_to_those_who_wait_in_their_order_and_not_to_who_gave_up() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("lock");
        let take = |patience| lock(&path, "the door", Duration::from_millis(patience));
        let held = take(0).unwrap();
        for patience in [0, 20] {
            assert!(matches!(take(patience), Err(Error::InUse { .. })), "{patience}");
        }
        let (say, order) = mpsc::channel();
        let inode = format!(":{} ", std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap()));
        let waiting = || {
            let all = fs::read_to_string("/proc/locks").unwrap();
            all.lines().filter(|line| line.contains("->") && line.contains(&inode)).count()
        };
        // The one who gave up stands there too, and lets go at once.
        let gave_up = waiting();
        assert_eq!(gave_up, 1);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (say, take) = (say.clone(), &take);
                scope.spawn(move || {
                    let lock = take(60_000).unwrap();
                    say.send(number).unwrap();
                    drop(lock);
                });
                let begun = Instant::now();
                while waiting() < gave_up + number + 1 {
                    assert!(begun.elapsed() < Duration::from_secs(20), "{number} does not wait");
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            drop(held);
        });
        let order: Vec<usize> = order.try_iter().collect();
        assert_eq!(order, (0..8).collect::<Vec<_>>());
        drop(take(1_000).unwrap());
    }
}
