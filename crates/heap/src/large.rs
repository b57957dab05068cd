//! Blocks of a huge page and more: each is mapped by itself, in huge pages as far as they fit, and goes back to the system when
//! it is freed. Page by page the kernel takes as long to give out such a block as a program to fill it. One that grows is
//! moved by its page tables and not copied.

use std::alloc::Layout;
use std::ptr::null_mut;

use crate::HUGE;

const ACCESS: libc::c_int = libc::PROT_READ | libc::PROT_WRITE;
const KIND: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Whether blocks of this layout are mapped here. It says the same at the beginning and the end of a block.
pub(crate) fn takes(layout: Layout) -> bool {
    layout.size() >= HUGE && layout.align() <= HUGE
}

/// Addresses for so many bytes that begin at a multiple of a huge page, mapped and never touched; null without room.
fn map(size: usize) -> *mut u8 {
    let Some(wide) = size.checked_add(HUGE) else { return null_mut() };
    // JUSTIFICATION: std does not map memory.
    // SAFETY: an anonymous mapping at an address that the kernel chooses touches nothing that is there.
    let mapped = unsafe { libc::mmap(null_mut(), wide, ACCESS, KIND, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return null_mut();
    }
    let (from, start) = (mapped as usize, (mapped as usize).next_multiple_of(HUGE));
    let end = start + size.next_multiple_of(PAGE);
    unmap(from as *mut u8, start - from);
    unmap(end as *mut u8, (from + wide).saturating_sub(end));
    // JUSTIFICATION: std has no advice for the kernel.
    // SAFETY: the range is what is left of the one mapped above. Without huge pages it stays as it is.
    unsafe { libc::madvise(start as *mut libc::c_void, size, libc::MADV_HUGEPAGE) };
    start as *mut u8
}

/// The smallest page of the systems that this is built for; a larger one only makes the end of a mapping longer.
const PAGE: usize = 4_096;

fn unmap(start: *mut u8, size: usize) {
    let size = size / PAGE * PAGE;
    if size > 0 {
        // JUSTIFICATION: std does not unmap memory.
        // SAFETY: the callers map the range themselves and nobody else has an address in it.
        unsafe { libc::munmap(start.cast(), size) };
    }
}

/// A block of zeros; null without room.
pub(crate) fn take(layout: Layout) -> *mut u8 {
    map(layout.size())
}

/// Gives up a block.
pub(crate) fn give_back(block: *mut u8, layout: Layout) {
    unmap(block, layout.size().next_multiple_of(PAGE));
}

/// Makes a block another size, at another place if need be; null without room, and then the block stays.
///
/// # Safety
///
/// The block is one of [`take`] or of this, of this layout, and its owner gives it up unless null comes back. `size` is not
/// below [`HUGE`].
pub(crate) unsafe fn resize(block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    let (old, new) = (layout.size().next_multiple_of(PAGE), size.next_multiple_of(PAGE));
    if new <= old {
        unmap(block.wrapping_add(new), old - new);
        return block;
    }
    let place = map(size);
    if place.is_null() {
        return place;
    }
    let how = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // JUSTIFICATION: std does not move mappings.
    // SAFETY: the old range is the block's, the new one was mapped above and is nobody's yet; both are whole pages, and the
    // kernel moves what is in them.
    let moved = unsafe { libc::mremap(block.cast(), old, new, how, place.cast::<libc::c_void>()) };
    if moved == libc::MAP_FAILED {
        unmap(place, new);
        return null_mut();
    }
    moved.cast()
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout};

    use super::*;
    use crate::Heap;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 16).unwrap()
    }

    /// Fills a block with bytes that follow from their places, beginning at one.
    fn fill(block: *mut u8, from: usize, to: usize) {
        // SAFETY: the callers' blocks are this large.
        (from..to).for_each(|at| unsafe { block.add(at).write(at as u8 ^ (at >> 13) as u8) });
    }

    fn is_filled(block: *const u8, to: usize) -> bool {
        // SAFETY: the callers' blocks are this large.
        (0..to).all(|at| unsafe { block.add(at).read() } == at as u8 ^ (at >> 13) as u8)
    }

    #[test]
    fn a_large_block_begins_at_a_huge_page_and_is_zero() {
        let layout = layout(HUGE + 5_000);
        // SAFETY: the layout is not empty; the block is given up once.
        unsafe {
            let block = Heap.alloc_zeroed(layout);
            assert_eq!(block as usize % HUGE, 0);
            assert!((0..layout.size()).all(|at| block.add(at).read() == 0));
            Heap.dealloc(block, layout);
        }
    }

    #[test]
    fn what_is_in_a_block_stays_when_it_grows_and_shrinks_across_the_limit() {
        let sizes = [1_000, HUGE - 1, HUGE, 3 * HUGE + 1, 40 * HUGE, HUGE + PAGE + 1, HUGE, HUGE / 2, 2 * HUGE, 100];
        // SAFETY: each block is used until it is resized, and given up once.
        unsafe {
            let mut block = Heap.alloc(layout(sizes[0]));
            fill(block, 0, sizes[0]);
            for pair in sizes.windows(2) {
                block = Heap.realloc(block, layout(pair[0]), pair[1]);
                assert!(is_filled(block, pair[0].min(pair[1])), "from {} to {}", pair[0], pair[1]);
                fill(block, pair[0].min(pair[1]), pair[1]);
            }
            Heap.dealloc(block, layout(sizes[sizes.len() - 1]));
        }
    }

    #[test]
    fn more_than_there_are_addresses_is_no_block() {
        // SAFETY: what comes back is not used.
        let block = unsafe { Heap.alloc(layout(isize::MAX as usize - HUGE)) };
        assert!(block.is_null());
    }
}
