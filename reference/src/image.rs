//! The one image that every image of a scenario stands for: a program that waits to be told to end.

/// Where the program is in the image.
pub(crate) const PROGRAM: &str = "/wait";

/// A tar archive with the program and nothing else.
pub(crate) fn tar() -> Vec<u8> {
    let program = program();
    let mut archive = header(PROGRAM.trim_start_matches('/'), program.len()).to_vec();
    archive.extend_from_slice(&program);
    // Content is padded to whole blocks; two empty ones are the end.
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

const BLOCK: usize = 512;

/// A `ustar` header of a regular file that everybody may run (POSIX pax, "ustar Interchange Format").
fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0"); // mode
    put(108, "0000000\0"); // owner
    put(116, "0000000\0"); // group
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0"); // time
    put(148, "        "); // checksum, as if it were blanks
    put(156, "0"); // regular file
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A static executable that blocks SIGTERM, opens itself, which shows whoever watches its file
/// that it runs and can be ended, waits for the signal, and exits with status 0.
///
/// It is machine code because nothing else runs in an empty file system without a package or a
/// second compiler. The first process of a PID namespace does not get signals that it neither
/// handles nor blocks: Docker would wait ten seconds and kill it.
fn program() -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + CODE.len() as u64;
    let mut elf = Vec::new();
    elf.extend_from_slice(b"\x7fELF\x02\x01\x01"); // 64 bits, little endian
    elf.resize(16, 0);
    let mut half = |value: u16| elf.extend_from_slice(&value.to_le_bytes());
    half(2); // executable
    half(MACHINE);
    let mut word = |value: u32| elf.extend_from_slice(&value.to_le_bytes());
    word(1);
    let mut long = |value: u64| elf.extend_from_slice(&value.to_le_bytes());
    long(LOADED_AT + HEADERS); // entry
    long(64); // program headers
    long(0); // no section headers
    elf.extend_from_slice(&0_u32.to_le_bytes()); // flags
    for value in [64_u16, 56, 1, 64, 0, 0] {
        elf.extend_from_slice(&value.to_le_bytes()); // sizes and numbers of headers
    }
    elf.extend_from_slice(&1_u32.to_le_bytes()); // to be loaded
    elf.extend_from_slice(&5_u32.to_le_bytes()); // readable, executable
    for value in [0, LOADED_AT, LOADED_AT, size, size, 0x1000] {
        elf.extend_from_slice(&value.to_le_bytes());
    }
    elf.extend_from_slice(CODE);
    elf
}

const LOADED_AT: u64 = 0x40_0000;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const CODE: &[u8] = &[
    0x68, 0x00, 0x40, 0x00, 0x00, // push   1 << (SIGTERM - 1)
    0x48, 0x89, 0xe6,             // mov    rsi, rsp            the set
    0x31, 0xff,                   // xor    edi, edi            SIG_BLOCK
    0x31, 0xd2,                   // xor    edx, edx
    0x6a, 0x08,                   // push   8
    0x41, 0x5a,                   // pop    r10                 its size
    0x6a, 0x0e,                   // push   14
    0x58,                         // pop    rax                 rt_sigprocmask
    0x0f, 0x05,                   // syscall
    0x48, 0x8b, 0x7c, 0x24, 0x10, // mov    rdi, [rsp + 16]     its own path
    0x31, 0xf6,                   // xor    esi, esi            O_RDONLY
    0x6a, 0x02,                   // push   2
    0x58,                         // pop    rax                 open
    0x0f, 0x05,                   // syscall
    0x48, 0x89, 0xe7,             // mov    rdi, rsp       again:
    0x31, 0xf6,                   // xor    esi, esi
    0x31, 0xd2,                   // xor    edx, edx            no timeout
    0xb8, 0x80, 0x00, 0x00, 0x00, // mov    eax, 128            rt_sigtimedwait
    0x0f, 0x05,                   // syscall
    0x85, 0xc0,                   // test   eax, eax
    0x7e, 0xee,                   // jle    again               interrupted
    0x31, 0xff,                   // xor    edi, edi
    0xb8, 0xe7, 0x00, 0x00, 0x00, // mov    eax, 231            exit_group
    0x0f, 0x05,                   // syscall
];

#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &{
    const INSTRUCTIONS: [u32; 22] = [
        0xd288_0001, // mov  x1, #1 << (SIGTERM - 1)
        0xf81f_0fe1, // str  x1, [sp, #-16]!
        0xd280_0000, // mov  x0, #0              SIG_BLOCK
        0x9100_03e1, // mov  x1, sp              the set
        0xd280_0002, // mov  x2, #0
        0xd280_0103, // mov  x3, #8              its size
        0xd280_10e8, // mov  x8, #135            rt_sigprocmask
        0xd400_0001, // svc  #0
        0x9280_0c60, // mov  x0, #-100           AT_FDCWD
        0xf940_0fe1, // ldr  x1, [sp, #24]       its own path
        0xd280_0002, // mov  x2, #0              O_RDONLY
        0xd280_0708, // mov  x8, #56             openat
        0xd400_0001, // svc  #0
        0x9100_03e0, // mov  x0, sp         again:
        0xd280_0001, // mov  x1, #0
        0xd280_0002, // mov  x2, #0              no timeout
        0xd280_1128, // mov  x8, #137            rt_sigtimedwait
        0xd400_0001, // svc  #0
        0xb7ff_ff60, // tbnz x0, #63, again      interrupted
        0xd280_0000, // mov  x0, #0
        0xd280_0bc8, // mov  x8, #94             exit_group
        0xd400_0001, // svc  #0
    ];
    let mut bytes = [0; 4 * INSTRUCTIONS.len()];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = INSTRUCTIONS[at / 4].to_le_bytes()[at % 4];
        at += 1;
    }
    bytes
};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the program of the image is written for x86_64 and aarch64");

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::{fs::PermissionsExt, process::CommandExt},
        process::Command,
    };

    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

    use super::*;

    #[test]
    fn the_program_ends_well_when_told_and_not_before() {
        let file = |name: &str| {
            let process = std::process::id();
            let path = std::env::temp_dir().join(format!("netparity-{name}-{process}"));
            fs::write(&path, program()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let (path, own_path) = (file("wait"), file("wait-own-path"));
        let events = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
        events.add_watch(&own_path, AddWatchFlags::IN_OPEN).unwrap();
        let mut child = Command::new(&path).arg0(&own_path).spawn().unwrap();
        events.read_events().unwrap();
        fs::remove_file(&path).unwrap();
        fs::remove_file(&own_path).unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        let signal = |signal| nix::sys::signal::kill(pid, signal).unwrap();
        // A stop and a continuation interrupt the wait, and must not end it.
        signal(nix::sys::signal::SIGSTOP);
        let stopped = Some(nix::sys::wait::WaitPidFlag::WUNTRACED);
        nix::sys::wait::waitpid(pid, stopped).unwrap();
        signal(nix::sys::signal::SIGCONT);
        assert!(child.try_wait().unwrap().is_none());
        signal(nix::sys::signal::SIGTERM);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn the_archive_is_one_that_tar_reads() {
        let archive = tar();
        assert_eq!(archive.len() % BLOCK, 0);
        let header = &archive[..BLOCK];
        assert_eq!(&header[..5], b"wait\0");
        let sum: u32 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                u32::from(if (148..156).contains(&at) {
                    b' '
                } else {
                    *byte
                })
            })
            .sum();
        assert_eq!(&header[148..154], format!("{sum:06o}").as_bytes());
    }
}
