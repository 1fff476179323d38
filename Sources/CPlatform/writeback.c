#define _GNU_SOURCE
#include "CPlatform.h"

#include <fcntl.h>

void drydock_start_writeback(int descriptor, int64_t offset, int64_t length) {
#ifdef SYNC_FILE_RANGE_WRITE
    (void)sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
#endif
}
