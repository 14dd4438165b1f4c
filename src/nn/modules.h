/* The tree of modules, as the layers see it. */
#ifndef FLAMBEAU_NN_MODULES_H
#define FLAMBEAU_NN_MODULES_H

#include <stdatomic.h>

#include "core/tensor.h"
#include "flambeau/nn.h"

enum { MODULE_NUMBERS = 8, MODULE_NAME_BYTES = 1024 };

struct module_class {
    const char *name; /* "Linear" */
    fl_tensor *(*forward)(fl_module *m, fl_tensor *x);
};

/* A parameter, a buffer or a child, under its name. */
struct module_entry {
    char *name;
    fl_tensor *tensor; /* NULL for a child */
    fl_module *child;
    bool buffer;
};

struct fl_module {
    _Atomic int32_t refs;
    bool training;
    bool broken; /* something could not be added */
    const struct module_class *type;
    struct module_class own_type; /* of fl_module_new */
    fl_tensor *(*own_forward)(fl_module *m, fl_tensor *x, void *context);
    void *context;
    int count, room;
    struct module_entry *entries;    /* in the order in which they were added */
    int64_t numbers[MODULE_NUMBERS]; /* a layer's options */
    double reals[2];
    fl_tensor **parameters; /* the list last given out */
    int64_t parameters_room, parameters_count;
};

/* A module of a class without entries; NULL with the error set. */
fl_module *module_new(const struct module_class *type);
/* The tensor of one of m's own entries; NULL when there is none. */
fl_tensor *module_tensor(const fl_module *m, const char *name);

/* Calls visit for every parameter and buffer below m in the order of PyTorch's state_dict (of each
 * module first parameters, then buffers, then children), with its full name. Stops at the first
 * that does not return 0, and returns what it did. */
int module_visit(const fl_module *m,
                 int (*visit)(void *context, const char *name, struct module_entry *e),
                 void *context);

#endif
