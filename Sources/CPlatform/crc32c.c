#include "CPlatform.h"

#include <string.h>

// The reflected Castagnoli polynomial (RFC 3720, section 12.1), a nibble at a time: for processors without the instruction.
static uint32_t portable(uint32_t crc, const uint8_t *bytes, size_t length) {
    static const uint32_t nibble[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
#define HARDWARE_TARGET __attribute__((target("sse4.2")))
static int hasHardware(void) { return __builtin_cpu_supports("sse4.2"); }
#define CRC_WORD(crc, word) (uint32_t)__builtin_ia32_crc32di((crc), (word))
#define CRC_BYTE(crc, byte) __builtin_ia32_crc32qi((crc), (byte))
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#define HARDWARE_TARGET __attribute__((target("crc")))
static int hasHardware(void) { return (getauxval(AT_HWCAP) & (1 << 7)) != 0; }
#define CRC_WORD(crc, word) __builtin_arm_crc32cd((crc), (word))
#define CRC_BYTE(crc, byte) __builtin_arm_crc32cb((crc), (byte))
#endif

#ifdef HARDWARE_TARGET
HARDWARE_TARGET static uint32_t hardware(uint32_t crc, const uint8_t *bytes, size_t length) {
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        crc = CRC_WORD(crc, word);
    }
    for (; length > 0; bytes++, length--) crc = CRC_BYTE(crc, *bytes);
    return crc;
}
#endif

uint32_t drydock_crc32c(uint32_t crc, const void *bytes, size_t length) {
#ifdef HARDWARE_TARGET
    if (hasHardware()) return ~hardware(~crc, bytes, length);
#endif
    return ~portable(~crc, bytes, length);
}

uint32_t drydock_crc32c_portable(uint32_t crc, const void *bytes, size_t length) {
    return ~portable(~crc, bytes, length);
}
