#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void drydock_start_writeback(int descriptor, int64_t offset, int64_t length) {
#ifdef SYNC_FILE_RANGE_WRITE
    (void)sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
#endif
}

int64_t drydock_copy_range(int source, int target, int64_t offset, int64_t length) {
#if defined(__linux__)
    off64_t from = offset, to = offset;
    return copy_file_range(source, &from, target, &to, (size_t)length, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}
