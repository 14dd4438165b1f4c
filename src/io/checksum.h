/* CRC-32, the checksum of zip archives. */
#ifndef FLAMBEAU_IO_CHECKSUM_H
#define FLAMBEAU_IO_CHECKSUM_H

#include <stdint.h>

#include "core/isa.h"

struct checksum_kernels {
    /* The checksum of the bytes at `at`. */
    uint32_t (*crc32)(const void *at, uint64_t bytes);
};

FL_SIMD_TABLE(struct checksum_kernels, checksum_kernels);

#endif
