//! Where kept blocks are: one range of addresses, cut into chunks of a huge page that each belong to one thread, or to one
//! large block.

use std::alloc::Layout;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a chunk: a huge page.
const CHUNK: usize = crate::HUGE;
/// More than this is a large block, which has chunks of its own.
const SMALL: usize = CHUNK / 4;
/// Bytes of addresses; memory is only what is written to. The largest snapshot takes half of it.
const RESERVED: usize = 8 << 30;

/// Chunks that are remembered when a large block is freed; pages of more go to the system.
const SPARES: usize = 128;

/// Guards that live.
static GUARDS: AtomicUsize = AtomicUsize::new(0);
/// The first address; 0: none are reserved.
static START: AtomicUsize = AtomicUsize::new(0);
/// The first address of the first chunk that never was anybody's.
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Chunks of large blocks that were freed, and how many there are: whoever takes one spares the kernel a page of zeros.
static SPARE: Mutex<([usize; SPARES], usize)> = Mutex::new(([0; SPARES], 0));

thread_local! {
    /// From where to where this thread's chunk is free: nobody else's, and no block is in it.
    static FREE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

pub(crate) fn begin() {
    if START.load(Ordering::Acquire) == 0 {
        reserve();
    }
    GUARDS.fetch_add(1, Ordering::AcqRel);
}

pub(crate) fn end() {
    GUARDS.fetch_sub(1, Ordering::AcqRel);
}

fn reserve() {
    let (access, kind) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
    );
    // JUSTIFICATION: std does not map memory.
    // SAFETY: an anonymous mapping at an address that the kernel chooses touches nothing that is there.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), RESERVED + CHUNK, access, kind, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return;
    }
    let start = (mapped as usize).next_multiple_of(CHUNK);
    // JUSTIFICATION: std has no advice for the kernel.
    // SAFETY: the range is the one mapped above. Without huge pages it stays as it is.
    unsafe { libc::madvise(start as *mut libc::c_void, RESERVED, libc::MADV_HUGEPAGE) };
    // Of two threads that come here at once one reserves in vain, and no memory is lost with it.
    if NEXT
        .compare_exchange(0, start, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
    {
        START.store(start, Ordering::Release);
    }
}

/// Whether a block is a kept one.
pub(crate) fn is_own(block: *const u8) -> bool {
    let start = START.load(Ordering::Relaxed);
    start != 0 && (block as usize).wrapping_sub(start) < RESERVED
}

/// A block to keep; `None` while nobody keeps, and where there is no room.
pub(crate) fn take(layout: Layout) -> Option<*mut u8> {
    if GUARDS.load(Ordering::Acquire) == 0
        || START.load(Ordering::Acquire) == 0
        || layout.align() > CHUNK
    {
        return None;
    }
    let size = layout.size();
    if size > SMALL {
        return chunks(size).map(|at| at as *mut u8);
    }
    let take = |free: &Cell<(usize, usize)>| {
        let (from, to) = free.get();
        let at = from.next_multiple_of(layout.align());
        if at + size <= to {
            free.set((at + size, to));
            return Some(at);
        }
        let at = chunks(CHUNK)?;
        free.set((at + size, at + CHUNK));
        Some(at)
    };
    // A thread that is about to end has no place to remember.
    FREE.try_with(take).ok().flatten().map(|at| at as *mut u8)
}

/// Nothing panics while it is locked.
fn spare() -> MutexGuard<'static, ([usize; SPARES], usize)> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chunks that are nobody's, one behind the other; what is in them is anything.
fn chunks(size: usize) -> Option<usize> {
    if size <= CHUNK {
        let mut spare = spare();
        if let Some(last) = spare.1.checked_sub(1) {
            spare.1 = last;
            return Some(spare.0[last]);
        }
    }
    let size = size
        .checked_next_multiple_of(CHUNK)
        .filter(|size| *size <= RESERVED)?;
    let end = START.load(Ordering::Acquire) + RESERVED;
    let fits = |next: usize| Some(next + size).filter(|next| *next <= end);
    NEXT.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
        .ok()
}

/// Makes a block another size where it is, if it can be.
pub(crate) fn resize(block: *mut u8, old: usize, new: usize) -> bool {
    if old > SMALL || new > SMALL {
        // A large block ends with a chunk.
        return old > SMALL && new > SMALL && new.div_ceil(CHUNK) == old.div_ceil(CHUNK);
    }
    let resize = |free: &Cell<(usize, usize)>| {
        let (from, to) = free.get();
        let at = block as usize;
        let is_last = at + old == from && at + new <= to;
        if is_last {
            free.set((at + new, to));
        }
        is_last || new <= old
    };
    FREE.try_with(resize).unwrap_or(false)
}

/// Takes a block back: chunks of a large one are anybody's, the last one of this thread is free again, others are not.
///
/// # Safety
/// It is a kept block of this size, and nobody uses it any more.
pub(crate) unsafe fn give_back(block: *mut u8, size: usize) {
    if size > SMALL {
        let (mut at, mut left) = (block, size.div_ceil(CHUNK));
        let mut spare = spare();
        while left > 0 && spare.1 < SPARES {
            let place = spare.1;
            spare.0[place] = at as usize;
            spare.1 += 1;
            (at, left) = (at.wrapping_add(CHUNK), left - 1);
        }
        drop(spare);
        if left > 0 {
            // JUSTIFICATION: std has no advice for the kernel.
            // SAFETY: the chunks are this block's alone, which nobody uses. If it fails, they only stay.
            unsafe { libc::madvise(at.cast(), left * CHUNK, libc::MADV_DONTNEED) };
        }
        return;
    }
    let give = |free: &Cell<(usize, usize)>| {
        let (from, to) = free.get();
        if block as usize + size == from {
            free.set((block as usize, to));
        }
    };
    // A thread that is about to end leaves it.
    let _ = FREE.try_with(give);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Heap;

    #[global_allocator]
    static HEAP: Heap = Heap;

    /// The allocator's state is the process's: one test after another.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn alone() -> std::sync::MutexGuard<'static, ()> {
        ALONE
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[test]
    fn blocks_are_kept_while_the_guard_lives_and_the_systems_otherwise() {
        let _alone = alone();
        let before = vec![1_u8; 100];
        let kept = crate::keep();
        let during = vec![2_u8; 100];
        let large = vec![3_u8; 3 * CHUNK];
        drop(kept);
        let after = vec![4_u8; 100];
        assert_eq!(
            [&before, &during, &large, &after].map(|block| is_own(block.as_ptr())),
            [false, true, true, false]
        );
        assert!(during.iter().all(|byte| *byte == 2) && large.iter().all(|byte| *byte == 3));
        // Freed by whoever has them, at any time.
        std::thread::spawn(move || drop((before, during, large)))
            .join()
            .unwrap();
    }

    #[test]
    fn what_is_in_a_block_stays_until_it_is_freed_whatever_the_threads_do() {
        let _alone = alone();
        let kept = crate::keep();
        let work = |seed: u64| {
            let mut random = seed;
            let mut below = |bound: usize| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) as usize % bound
            };
            let mut blocks: Vec<(u8, Vec<u8>)> = Vec::new();
            let mut zeros = 0;
            for step in 0..20_000 {
                let mark = step as u8;
                let size = match below(500) {
                    0 => SMALL + below(2 * CHUNK),
                    1..50 => below(SMALL / 8),
                    _ => below(200),
                };
                match below(10) {
                    0..4 => blocks.push((mark, vec![mark; size])),
                    4 => {
                        let block = vec![0_u8; size];
                        assert!(block.iter().all(|byte| *byte == 0));
                        zeros += size;
                    }
                    5..7 if !blocks.is_empty() => {
                        let place = below(blocks.len());
                        let (mark, block) = &mut blocks[place];
                        block.resize(size, *mark);
                        block.shrink_to_fit();
                    }
                    _ if !blocks.is_empty() => {
                        let (mark, block) = blocks.swap_remove(below(blocks.len()));
                        assert!(block.iter().all(|byte| *byte == mark));
                    }
                    _ => {}
                }
            }
            assert!(zeros > 0);
            assert!(
                blocks
                    .iter()
                    .all(|(mark, block)| block.iter().all(|byte| byte == mark))
            );
            blocks
        };
        let threads: Vec<_> = (1..4)
            .map(|seed| std::thread::spawn(move || work(seed)))
            .collect();
        let all: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        drop(kept);
        // No two are in one place.
        let mut places: Vec<_> = all
            .iter()
            .filter(|(_, b)| b.capacity() > 0)
            .map(|(_, b)| (b.as_ptr() as usize, b.capacity()))
            .collect();
        places.sort_unstable();
        assert!(
            places
                .windows(2)
                .all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
        );
        assert!(
            all.iter()
                .all(|(mark, block)| block.iter().all(|byte| byte == mark))
        );
    }

    #[test]
    fn the_last_block_of_a_thread_grows_and_goes_in_its_place() {
        let _alone = alone();
        let kept = crate::keep();
        let mut block: Vec<u8> = Vec::with_capacity(64);
        let at = block.as_ptr();
        block.reserve_exact(4_096);
        assert_eq!(block.as_ptr(), at);
        drop(block);
        let again: Vec<u8> = Vec::with_capacity(64);
        assert_eq!(again.as_ptr(), at);
        drop(kept);
    }

    #[test]
    fn chunks_of_a_large_block_are_used_again_and_pages_of_a_larger_one_go_back_to_the_system() {
        let _alone = alone();
        let kept = crate::keep();
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages = text.split_whitespace().nth(1).unwrap();
            pages.parse::<usize>().unwrap() * 4_096
        };
        let before = resident();
        let block = vec![1_u8; (SPARES + 64) * CHUNK];
        assert!(is_own(block.as_ptr()) && resident() >= before + (SPARES + 60) * CHUNK);
        drop(block);
        let after = resident();
        assert!(after < before + (SPARES + 4) * CHUNK);
        let smaller: Vec<Vec<u8>> = (0..SPARES).map(|_| vec![2_u8; CHUNK - 1]).collect();
        assert!(resident() < after + 4 * CHUNK);
        // What was there before is not seen in a block of zeros.
        drop(smaller);
        assert!(vec![0_u8; CHUNK].iter().all(|byte| *byte == 0));
        drop(kept);
    }

    #[test]
    fn alignment_is_what_was_asked_for() {
        let _alone = alone();
        let kept = crate::keep();
        for align in [1, 2, 8, 64, 4_096, CHUNK] {
            for size in [1, 24, 100_000, CHUNK] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let _one = Box::new(1_u8);
                assert_eq!(take(layout).unwrap() as usize % align, 0, "{size} {align}");
            }
        }
        // No chunk starts at more than that.
        assert_eq!(take(Layout::from_size_align(1, 2 * CHUNK).unwrap()), None);
        drop(kept);
    }
}
