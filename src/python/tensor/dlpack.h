/* The structures of DLPack (github.com/dmlc/dlpack, versions 0 and 1), as that ABI fixes them. */
#ifndef FLAMBEAU_PYTHON_DLPACK_H
#define FLAMBEAU_PYTHON_DLPACK_H

#include <stdint.h>

enum { DLPACK_CPU = 1, DLPACK_CUDA = 2, DLPACK_OPENCL = 4 };
enum { DLPACK_READ_ONLY = 1, DLPACK_COPIED = 2 };

struct dlpack_device {
    int32_t type, id;
};

struct dlpack_type {
    uint8_t code, bits;
    uint16_t lanes;
};

struct dlpack_tensor {
    void *data;
    struct dlpack_device device;
    int32_t ndim;
    struct dlpack_type dtype;
    int64_t *shape;
    int64_t *strides; /* in elements; NULL: contiguous */
    uint64_t byte_offset;
};

/* In a capsule named "dltensor", renamed "used_dltensor" by who takes it. */
struct dlpack_managed {
    struct dlpack_tensor tensor;
    void *context;
    void (*deleter)(struct dlpack_managed *self);
};

/* In a capsule named "dltensor_versioned". */
struct dlpack_versioned {
    struct {
        uint32_t major, minor;
    } version;
    void *context;
    void (*deleter)(struct dlpack_versioned *self);
    uint64_t flags;
    struct dlpack_tensor tensor;
};

#endif
