/* Numbers of tensors as text, in PyTorch's exact formatting (source: torch._tensor_str). */
#ifndef FLAMBEAU_CORE_PRINT_H
#define FLAMBEAU_CORE_PRINT_H

#include "core/tensor.h"

/* What torch.set_printoptions sets; of the whole process. */
struct print_options {
    int precision;      /* digits after the point */
    int64_t threshold;  /* more elements than this are summarised */
    int64_t edge_items; /* items shown at each end of a summarised dim */
    int64_t line_width; /* characters a line */
    int scientific;     /* 1 always, 0 never, -1 as the values need it */
};
extern struct print_options print_options;

/* A text that grows. Once memory was out it stays as it is, with `failed` set. */
struct print_text {
    char *data; /* from memory_alloc; NULL while it is empty */
    size_t length, room;
    bool failed;
};
void print_add(struct print_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void print_release(struct print_text *text);

/* Adds t's elements (at least one) in brackets; `indent` is the column of the first character. */
void print_elements(struct print_text *text, fl_tensor *t, int indent);

#endif
