#ifndef DRYDOCK_CPLATFORM_H
#define DRYDOCK_CPLATFORM_H

// What Swift cannot reach by itself: an instruction of the processor, and a system call that glibc hides.

#include <stddef.h>
#include <stdint.h>

/// Extends `crc`, the CRC-32C (Castagnoli) of the bytes before, over `length` more bytes. The CRC of nothing is 0.
/// Uses the processor's CRC instruction where it has one.
uint32_t drydock_crc32c(uint32_t crc, const void *bytes, size_t length);

/// The same without the instruction: the path of older processors, and the check of the other.
uint32_t drydock_crc32c_portable(uint32_t crc, const void *bytes, size_t length);

/// Starts writing `length` bytes of the file from `offset` on to the disk, and does not wait. A hint: errors do not matter.
void drydock_start_writeback(int descriptor, int64_t offset, int64_t length);

/// Copies up to `length` bytes at `offset` of one file to the same place of another inside the kernel. Returns how many, 0 at the end of
/// the source, or -1 with errno: EXDEV, EINVAL, ENOSYS or EOPNOTSUPP where the file systems cannot.
int64_t drydock_copy_range(int source, int target, int64_t offset, int64_t length);

#endif
