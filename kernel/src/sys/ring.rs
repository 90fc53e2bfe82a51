//! A packet socket's receive ring (`TPACKET_V2`, Documentation/networking/packet_mmap.rst).

use std::{
    mem::{offset_of, size_of},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{errno::Errno, libc};

/// Slots that the kernel copies frames into, one after another and then from the first again.
pub(crate) struct Ring {
    memory: NonNull<u8>,
    /// In bytes.
    slot: usize,
    slots: usize,
    next: usize,
}

/// What was in a slot.
pub(crate) struct Copied {
    pub link: u32,
    /// `sll_pkttype`.
    pub kind: u8,
    pub frame: Vec<u8>,
    /// The frame is longer than a slot. The whole of it is to be received from the socket.
    pub longer: bool,
}

const PAGE: usize = 4096;
const LEAST_SLOT: usize = PAGE / 2;
/// What the kernel puts before a frame: header, address, and room to align what is in the frame.
const BEFORE: usize = 128;
/// Where `struct sockaddr_ll` is in a slot: behind the header, aligned (`TPACKET_ALIGN`).
const ADDRESS: usize = size_of::<libc::tpacket2_hdr>().next_multiple_of(16);

// SAFETY: the memory is this ring's own, and nothing else in the process knows of it.
unsafe impl Send for Ring {}

impl Ring {
    /// Gives a packet socket a ring of this many slots, with room for frames of `longest` bytes.
    /// Frames that pass meanwhile are not seen, and the kernel waits for a grace period of RCU.
    pub(crate) fn open(socket: BorrowedFd<'_>, slots: usize, longest: usize) -> nix::Result<Self> {
        let slot = (longest + BEFORE).next_power_of_two().max(LEAST_SLOT);
        let block = slot.max(PAGE);
        let slots = slots.next_multiple_of(block / slot);
        super::set_option(
            socket,
            libc::SOL_PACKET,
            libc::PACKET_VERSION,
            libc::tpacket_versions::TPACKET_V2 as i32,
        )?;
        super::set_option(socket, libc::SOL_PACKET, libc::PACKET_COPY_THRESH, 1)?;
        let request = libc::tpacket_req {
            tp_block_size: block as u32,
            tp_block_nr: (slots * slot / block) as u32,
            tp_frame_size: slot as u32,
            tp_frame_nr: slots as u32,
        };
        set_ring(socket, &request)?;
        // SAFETY: a new mapping, of a length that is not zero, at an address of the kernel's choice.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                slots * slot,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let memory = NonNull::new(memory.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self {
            memory,
            slot,
            slots,
            next: 0,
        })
    }

    /// Whether it has this many slots, with room for frames of `longest` bytes.
    pub(crate) fn holds(&self, slots: usize, longest: usize) -> bool {
        self.slots >= slots && self.slot >= longest + BEFORE
    }

    /// Takes the next frame out, if there is one.
    pub(crate) fn take(&mut self) -> Option<Copied> {
        // SAFETY: `next` is less than `slots`, so that the slot is within the mapping.
        let slot = unsafe { self.memory.add(self.next * self.slot) };
        // SAFETY: a slot begins with the header's 32-bit status, is aligned as its length is, a power of two, and
        // lives as long as the mapping.
        let status = unsafe { slot.cast::<AtomicU32>().as_ref() };
        let state = status.load(Ordering::Acquire);
        if state & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the kernel has handed the slot over, by the status read above, and does not touch
        // it before it gets it back.
        let bytes = unsafe { slice::from_raw_parts(slot.as_ptr(), self.slot) };
        let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk().copied());
        let snapped =
            word(offset_of!(libc::tpacket2_hdr, tp_snaplen)).map_or(0, u32::from_ne_bytes);
        let half = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk().copied());
        let start =
            usize::from(half(offset_of!(libc::tpacket2_hdr, tp_mac)).map_or(0, u16::from_ne_bytes));
        let link = word(ADDRESS + offset_of!(libc::sockaddr_ll, sll_ifindex));
        let kind = bytes.get(ADDRESS + offset_of!(libc::sockaddr_ll, sll_pkttype));
        let copied = Copied {
            link: link.map_or(0, u32::from_ne_bytes),
            kind: kind.copied().unwrap_or(0),
            frame: bytes
                .get(start..start + snapped as usize)
                .unwrap_or_default()
                .to_vec(),
            longer: state & libc::TP_STATUS_COPY != 0,
        };
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.slots;
        Some(copied)
    }

    /// Gives it up, so that the socket can have another.
    pub(crate) fn close(self, socket: BorrowedFd<'_>) -> nix::Result<()> {
        drop(self);
        let none = libc::tpacket_req {
            tp_block_size: 0,
            tp_block_nr: 0,
            tp_frame_size: 0,
            tp_frame_nr: 0,
        };
        set_ring(socket, &none)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping that `open` made, and to which no reference is left.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.slots * self.slot) };
    }
}

fn set_ring(socket: impl AsFd, request: &libc::tpacket_req) -> nix::Result<()> {
    // SAFETY: the kernel reads the whole of `request`, which lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_RX_RING,
            ptr::from_ref(request).cast(),
            size_of::<libc::tpacket_req>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}
