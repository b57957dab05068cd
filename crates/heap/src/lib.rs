//! Memory for a process that reads something large, answers and ends.
//!
//! [`Heap`] is the system's allocator until somebody calls [`keep`]. While its guard lives, every thread takes what it
//! needs one block behind the other from huge pages, and what is freed is not used again, except the last block of a
//! thread and large blocks. A large model is millions of small blocks that live as long as the process: page by page
//! the kernel spends as long on giving the memory out as the program on filling it, and rows that lie in the order in
//! which they were read are read again in that order.
//!
//! Not for what goes on: a daemon that kept would grow. At any time a block of a huge page and more has a mapping of its
//! own, in huge pages: the trace of a simulation is made of such blocks.

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod kept;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod large;

use std::alloc::{GlobalAlloc, Layout, System};

/// The allocator; a program names it as its `#[global_allocator]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heap;

/// While it lives, what is allocated is kept until the process ends.
#[derive(Debug)]
#[must_use]
pub struct Kept(());

/// From now on until the guard is dropped, what is allocated is kept until the process ends. Does nothing in a program
/// whose allocator is another one, on another system, or where the system has no room for 8 GiB of addresses.
pub fn keep() -> Kept {
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    kept::begin();
    Kept(())
}

impl Drop for Kept {
    fn drop(&mut self) {
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        kept::end();
    }
}

/// Bytes of a huge page.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
const HUGE: usize = 2 << 20;

// JUSTIFICATION: an allocator is unsafe by its nature; std has no safe one to choose.
// SAFETY: a block is the system's, one of `kept`'s, whose addresses nobody else gets, or one of `large`'s, which its layout
// tells; each goes back to whom it came from.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match kept::take(layout) {
            Some(block) => block,
            None if large::takes(layout) => large::take(layout),
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(block) = kept::take(layout) else {
            if large::takes(layout) {
                return large::take(layout);
            }
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        };
        // SAFETY: the block is this large, and nobody's yet.
        unsafe { block.write_bytes(0, layout.size()) };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match kept::is_own(block) {
            // SAFETY: it is one of `kept`'s, which the caller gives up.
            true => unsafe { kept::give_back(block, layout.size()) },
            false if large::takes(layout) => large::give_back(block, layout),
            // SAFETY: it is the system's; the rest is the caller's promise.
            false => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size fits the alignment and is not zero.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (kept::is_own(block), large::takes(layout), large::takes(wanted)) {
            // SAFETY: it is the system's; the rest is the caller's promise.
            (false, false, false) => return unsafe { System.realloc(block, layout, size) },
            // SAFETY: it is one of `large`'s and stays one; the rest is the caller's promise.
            (false, true, true) => return unsafe { large::resize(block, layout, size) },
            (true, ..) if kept::resize(block, layout.size(), size) => return block,
            _ => {}
        }
        // SAFETY: both blocks hold what is copied and are two; the old one is given up.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

// JUSTIFICATION: as above.
// SAFETY: it is the system's allocator.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}
