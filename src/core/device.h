/* Where memory lives and loops run: one struct of functions for each device.
 *
 * A storage points at its device. Its `data` is an address that the device gave; views are made by
 * arithmetic on it, whatever the device. Where the device has pointers (CUDA) these are the
 * addresses; where it has handles (OpenCL) it reserves address space of a buffer's size without
 * access (mmap, PROT_NONE) and finds buffer and offset from an address within, so that a read by
 * the host is a fault at once. A device without memory (meta) gives no address: data is NULL.
 *
 * Work is queued and runs in order; `read` and `wait` wait for it. A function that runs something
 * returns 0, -1 with the error set, or DEVICE_CANNOT before anything is done: the caller then
 * computes on the CPU and copies. Functions may be called by several threads at once.
 */
#ifndef FLAMBEAU_CORE_DEVICE_H
#define FLAMBEAU_CORE_DEVICE_H

#include "core/iterate.h"
#include "core/tensor.h"

enum { DEVICE_CANNOT = 1 };

enum device_memory {
    DEVICE_HOST,  /* the host reads and writes it */
    DEVICE_APART, /* the host does not: read and write copy */
    DEVICE_NONE   /* there is none: tensors are shapes */
};

/* A pointwise loop over a whole of ndim dims. operand[0] is the result and has the whole's sizes; the
 * others are broadcast to it. `data` of a tensor is an address of the device (of its first element);
 * a number has sizes NULL, and its data points at one element of its dtype in the host's memory. */
struct device_loop {
    const char *name; /* of the operator, for messages */
    const char *text; /* kernel text (ops_gpu.h), a static string: the key of compiled kernels */
    int ndim;
    const int64_t *sizes;
    int operands; /* the result included */
    const struct iterate_operand *operand;
    int scalars;
    const union loop_scalar *scalar; /* in the member that the loop's compute type asks for */
    enum compute compute;            /* T of the text; operands of COMPUTE_BOOL are truth values */
};

/* A reduction of `from` over the dims in `mask` (bits) into `to`, contiguous, which has the kept
 * dims in their order. */
struct device_reduction {
    const char *name, *text;
    struct iterate_operand to, from;
    uint64_t mask;
    int scalars;
    const union loop_scalar *scalar;
    enum compute compute; /* what is accumulated */
};

struct device {
    fl_device id;
    const char *name; /* "opencl:0", as PyTorch's messages write it */
    uint8_t memory;   /* a device_memory */
    bool quiet;       /* no warning where an operator has no kernel and runs on the CPU */

    /* Memory. bytes is above 0. NULL or -1 with the error set. */
    void *(*allocate)(struct device *d, size_t bytes);
    void (*free)(struct device *d, void *address, size_t bytes); /* after queued work */
    int (*read)(struct device *d, void *to, const void *address, size_t bytes);    /* to the host */
    int (*write)(struct device *d, void *address, const void *from, size_t bytes); /* from it */
    int (*copy)(struct device *d, void *to, const void *from, size_t bytes); /* within the device */
    int (*fill)(struct device *d, void *address, const void *element, size_t size,
                size_t count); /* count elements of `size` bytes, alike */
    int (*wait)(struct device *d);

    /* Running; NULL: never. kernel: any operator by its name in the table ("mm", "max.dim"), with completed
     * arguments and results that are allocated, on this device all of them; args[0] is what an
     * operator that writes in place writes, y is NULL then. */
    int (*pointwise)(struct device *d, const struct device_loop *loop);
    int (*reduce)(struct device *d, const struct device_reduction *reduction);
    int (*convert)(struct device *d, fl_tensor *to,
                   const fl_tensor *from); /* any strides, dtypes */
    int (*kernel)(struct device *d, const char *name, const fl_value *args, fl_tensor *const *y);
};

extern struct device device_cpu;
/* Whether this process has ever had a tensor elsewhere, or a default device but the CPU: as long as
 * not, nobody looks where tensors live. */
extern bool device_others;
/* Where the thread makes what has no device named: NULL, the CPU. A program's choice; a composite
 * has its operands' device for the time of its call. */
extern __thread struct device *device_default __attribute__((tls_model("initial-exec")));

/* Where t lives; the CPU for a handle without storage. */
static inline struct device *tensor_device(const fl_tensor *t)
{
    return t->storage ? t->storage->device : &device_cpu;
}
/* Whether t is sizes and a dtype alone: no value of it may be looked at. */
static inline bool tensor_is_meta(const fl_tensor *t)
{
    return t->flags & TENSOR_ELSEWHERE && t->storage->device->memory == DEVICE_NONE;
}

/* host.c. t itself (a new reference) where the host reads it, else a copy of what it reaches, with
 * its sizes and strides; NULL with the error set, of a tensor without data PyTorch's. And writes
 * such a copy back. */
fl_tensor *tensor_host(const fl_tensor *t);
int tensor_host_back(const fl_tensor *t, const fl_tensor *copy);
/* t's elements row by row where the host reads them: t itself (a new reference), or a copy. */
fl_tensor *tensor_host_rows(const fl_tensor *t);
/* PyTorch's refusal to copy out of a tensor without data. -1. */
int device_refuse_none(void);
/* What tensor_copy, tensor_fill and tensor_element are of tensors elsewhere. element: in dtype. */
int device_copy(fl_tensor *dst, const fl_tensor *src);
int device_fill(fl_tensor *t, const void *element);
int device_element(const fl_tensor *t, int64_t position, void *element);

#endif
