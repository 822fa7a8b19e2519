//! memcpy, memmove, memcmp and bcmp (ISO C, POSIX), which the compiler calls wherever octets are copied or compared. musl's go
//! octet by octet through the few that names and addresses have, or start a string instruction for them, which costs more than
//! all else of a copy. These read up to 128 octets as a whole before they write any, and so need no word on what overlaps.

use std::arch::global_asm;

global_asm!(
    ".pushsection .text.runbound_octets, \"ax\", @progbits",
    ".globl memcpy",
    ".type memcpy, @function",
    ".globl memmove",
    ".type memmove, @function",
    ".p2align 4",
    "memcpy:",
    "memmove:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 2f",
    "cmp rdx, 32",
    "ja 3f",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // Less than 16.
    "2: cmp edx, 8",
    "jae 22f",
    "cmp edx, 4",
    "jae 23f",
    "test edx, edx",
    "je 24f",
    "movzx ecx, byte ptr [rsi]",
    "cmp edx, 1",
    "je 21f",
    "movzx r8d, word ptr [rsi + rdx - 2]",
    "mov [rdi + rdx - 2], r8w",
    "21: mov [rdi], cl",
    "24: ret",
    "22: mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    "23: mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    // Up to 64, up to 128.
    "3: movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups xmm2, [rsi + rdx - 32]",
    "movups xmm3, [rsi + rdx - 16]",
    "cmp rdx, 64",
    "ja 4f",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + rdx - 32], xmm2",
    "movups [rdi + rdx - 16], xmm3",
    "ret",
    "4: cmp rdx, 128",
    "ja 5f",
    "movups xmm4, [rsi + 32]",
    "movups xmm5, [rsi + 48]",
    "movups xmm6, [rsi + rdx - 64]",
    "movups xmm7, [rsi + rdx - 48]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + 32], xmm4",
    "movups [rdi + 48], xmm5",
    "movups [rdi + rdx - 64], xmm6",
    "movups [rdi + rdx - 48], xmm7",
    "movups [rdi + rdx - 32], xmm2",
    "movups [rdi + rdx - 16], xmm3",
    "ret",
    // More: 64 at a time, upwards unless the target begins within the source. The last 64, or downwards the first, are read
    // before anything is written.
    "5: mov rcx, rdi",
    "sub rcx, rsi",
    "cmp rcx, rdx",
    "jb 7f",
    "cmp rdx, 2048",
    "jae 6f",
    "movups xmm4, [rsi + rdx - 64]",
    "movups xmm5, [rsi + rdx - 48]",
    "lea r8, [rdi + rdx - 64]",
    "51: movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups xmm6, [rsi + 32]",
    "movups xmm7, [rsi + 48]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + 32], xmm6",
    "movups [rdi + 48], xmm7",
    "add rsi, 64",
    "add rdi, 64",
    "cmp rdi, r8",
    "jb 51b",
    "movups [r8], xmm4",
    "movups [r8 + 16], xmm5",
    "movups [r8 + 32], xmm2",
    "movups [r8 + 48], xmm3",
    "ret",
    // Very many: what the string instruction costs at its start does not count any more.
    "6: mov r8, [rsi + rdx - 8]",
    "lea r9, [rdi + rdx - 8]",
    "mov rcx, rdx",
    "shr rcx, 3",
    "rep movsq",
    "mov [r9], r8",
    "ret",
    "7: movups xmm4, [rsi + 32]",
    "movups xmm5, [rsi + 48]",
    "lea r8, [rdi + 64]",
    "add rsi, rdx",
    "add rdi, rdx",
    "71: movups xmm2, [rsi - 64]",
    "movups xmm3, [rsi - 48]",
    "movups xmm6, [rsi - 32]",
    "movups xmm7, [rsi - 16]",
    "movups [rdi - 64], xmm2",
    "movups [rdi - 48], xmm3",
    "movups [rdi - 32], xmm6",
    "movups [rdi - 16], xmm7",
    "sub rsi, 64",
    "sub rdi, 64",
    "cmp rdi, r8",
    "ja 71b",
    "movups [rax], xmm0",
    "movups [rax + 16], xmm1",
    "movups [rax + 32], xmm4",
    "movups [rax + 48], xmm5",
    "ret",
    ".size memcpy, . - memcpy",
    ".size memmove, . - memmove",
    ".globl memcmp",
    ".type memcmp, @function",
    ".globl bcmp",
    ".type bcmp, @function",
    ".p2align 4",
    "memcmp:",
    "bcmp:",
    "cmp rdx, 16",
    "jb 3f",
    "2: movups xmm0, [rdi]",
    "movups xmm1, [rsi]",
    "pcmpeqb xmm0, xmm1",
    "pmovmskb eax, xmm0",
    "xor eax, 0xffff",
    "jne 24f",
    "add rdi, 16",
    "add rsi, 16",
    "sub rdx, 16",
    "cmp rdx, 16",
    "jae 2b",
    "test rdx, rdx",
    "je 25f",
    // The last 16, of which the first are equal.
    "lea rdi, [rdi + rdx - 16]",
    "lea rsi, [rsi + rdx - 16]",
    "mov edx, 16",
    "jmp 2b",
    "24: bsf eax, eax",
    "movzx ecx, byte ptr [rdi + rax]",
    "movzx edx, byte ptr [rsi + rax]",
    "mov eax, ecx",
    "sub eax, edx",
    "25: ret",
    // Less than 16.
    "3: cmp edx, 8",
    "jb 4f",
    "mov rax, [rdi]",
    "mov rcx, [rsi]",
    "cmp rax, rcx",
    "jne 31f",
    "mov rax, [rdi + rdx - 8]",
    "mov rcx, [rsi + rdx - 8]",
    "cmp rax, rcx",
    "jne 31f",
    "xor eax, eax",
    "ret",
    "31: bswap rax",
    "bswap rcx",
    "cmp rax, rcx",
    "32: sbb eax, eax",
    "or eax, 1",
    "ret",
    "4: cmp edx, 4",
    "jb 5f",
    "mov eax, [rdi]",
    "mov ecx, [rsi]",
    "cmp eax, ecx",
    "jne 41f",
    "mov eax, [rdi + rdx - 4]",
    "mov ecx, [rsi + rdx - 4]",
    "cmp eax, ecx",
    "jne 41f",
    "xor eax, eax",
    "ret",
    "41: bswap eax",
    "bswap ecx",
    "cmp eax, ecx",
    "jmp 32b",
    "5: xor eax, eax",
    "test edx, edx",
    "je 52f",
    "51: movzx eax, byte ptr [rdi]",
    "movzx ecx, byte ptr [rsi]",
    "sub eax, ecx",
    "jne 52f",
    "inc rdi",
    "inc rsi",
    "dec edx",
    "jne 51b",
    "52: ret",
    ".size memcmp, . - memcmp",
    ".size bcmp, . - bcmp",
    ".popsection",
);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::ffi::c_void;

    /// Lengths around every border of the code.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..200).chain([255, 256, 257, 320, 511, 512, 1000, 2047, 2048, 2049, 4103])
    }

    #[test]
    fn octets_are_moved_as_one_by_one_however_they_overlap() {
        for len in lengths() {
            let shifts = [0, 1, 7, 8, 15, 16, 17, 33, 63, 64, 65, 127, 130, len, len + 3];
            for (from, to) in shifts.iter().flat_map(|&shift| [(5, 5 + shift), (5 + shift, 5)]) {
                let before: Vec<u8> =
                    (0..len + len.max(130) + 32).map(|place| (place * 7 + place / 251) as u8).collect();
                let mut expected = before.clone();
                before[from..from + len].iter().enumerate().for_each(|(place, &octet)| expected[to + place] = octet);
                let mut moved = before.clone();
                let at = moved.as_mut_ptr();
                // SAFETY: both places lie within the vector.
                let given = unsafe { libc::memmove(at.add(to).cast(), at.add(from).cast::<c_void>(), len) };
                assert_eq!(
                    (moved, given.addr()),
                    (expected.clone(), at.addr() + to),
                    "{len} octets from {from} to {to}"
                );
                let mut copied = vec![0; before.len()];
                // SAFETY: the two vectors are as long as each other.
                unsafe { libc::memcpy(copied.as_mut_ptr().add(to).cast(), before.as_ptr().add(from).cast(), len) };
                assert_eq!(copied[to..to + len], before[from..from + len]);
                assert!(copied[..to].iter().chain(&copied[to + len..]).all(|&octet| octet == 0));
            }
        }
    }

    #[test]
    fn octets_are_compared_as_one_by_one() {
        let compare = |one: &[u8], other: &[u8]| {
            // SAFETY: both are as long as the first.
            unsafe { libc::memcmp(one.as_ptr().cast(), other.as_ptr().cast(), one.len()) }.cmp(&0)
        };
        for len in lengths().take(200) {
            let one: Vec<u8> = (0..len).map(|place| (place * 13) as u8).collect();
            assert_eq!(compare(&one, &one.clone()), Ordering::Equal);
            for place in 0..len {
                let mut other = one.clone();
                other[place] = other[place].wrapping_add(100);
                // What comes behind the first difference does not count.
                other[place + 1..].fill(0);
                assert_eq!(compare(&one, &other), one.cmp(&other), "{len} octets, the {place}th differs");
                assert_eq!(compare(&other, &one), other.cmp(&one));
            }
        }
    }
}
