/* nn.Module's C base, flambeau._C.ModuleBase: what its files share.
 *
 * module.c holds the type, attribute access and calls; registration.c what assignment and the
 * register_ methods do; layer.c the forward of layers that are one function; shortcut.c the
 * functions of flambeau.nn.functional that are mostly one operator. */
#ifndef FLAMBEAU_PYTHON_MODULE_H
#define FLAMBEAU_PYTHON_MODULE_H

#include <stdbool.h>

#include <Python.h>

/* What a module keeps in its __dict__, in the order in which PyTorch's constructor makes it. */
enum module_entry {
    TRAINING,
    PARAMETERS,
    BUFFERS,
    NON_PERSISTENT,
    BACKWARD_PRE_HOOKS,
    BACKWARD_HOOKS,
    IS_FULL_BACKWARD_HOOK,
    FORWARD_HOOKS,
    FORWARD_HOOKS_WITH_KWARGS,
    FORWARD_HOOKS_ALWAYS_CALLED,
    FORWARD_PRE_HOOKS,
    FORWARD_PRE_HOOKS_WITH_KWARGS,
    STATE_DICT_HOOKS,
    STATE_DICT_PRE_HOOKS,
    LOAD_STATE_DICT_PRE_HOOKS,
    LOAD_STATE_DICT_POST_HOOKS,
    MODULES,
    MODULE_ENTRIES
};

/* Dictionaries of hooks that all modules share. The first four make a call take the slow way. */
enum module_hooks {
    ALL_BACKWARD_PRE,
    ALL_BACKWARD,
    ALL_FORWARD_PRE,
    ALL_FORWARD,
    CALL_HOOKS,
    ON_BUFFER = CALL_HOOKS,
    ON_MODULE,
    ON_PARAMETER,
    MODULE_HOOKS
};

struct module_object {
    PyObject_HEAD PyObject *dict; /* __dict__ */
    PyObject *weakrefs;
    /* Copies of entries of dict; NULL until module_refresh(). */
    PyObject *parameters, *buffers, *modules;
    PyObject *hooks[CALL_HOOKS];
    /* registration.c: the count of assigned lists when this module was looked through, and how often
     * it was. */
    unsigned long long lists_seen;
    int looks;
};

/* Adds to the extension module ModuleBase, from which flambeau.nn.Module derives, `layer_forward`,
 * and the dictionaries of hooks that all modules share (`_global_forward_hooks`, ...). Tensor is
 * looked up in c_module, Parameter and Buffer in flambeau.nn.parameter, when a value is first
 * assigned to a module. Returns 0, or -1 with an exception. */
int module_init(PyObject *c_module);

extern PyObject *module_type;
extern PyObject *module_shared_hooks[MODULE_HOOKS];
extern PyObject *module_entry_names[MODULE_ENTRIES];

/* Brings the copies up to date. Afterwards parameters is NULL where the constructor has not run. */
void module_refresh(struct module_object *self);
/* Drops the copies, before an entry changes. */
void module_forget(struct module_object *self);
/* An entry of __dict__, borrowed; NULL without an error where it is missing. */
PyObject *module_entry(struct module_object *self, enum module_entry entry);
/* An item of a dictionary that may be NULL, borrowed; NULL without an error where it is missing. */
PyObject *module_item(PyObject *dict, PyObject *name);
/* Raises "'Net' object has no attribute 'x'". */
void module_no_attribute(PyObject *self, PyObject *name);
/* A parameter, buffer or child by its name, borrowed; NULL without an error where there is none. */
PyObject *module_member(struct module_object *self, PyObject *name);

/* registration.c: the methods that register, __setattr__ and __delattr__; ended by an empty row. */
extern PyMethodDef registration_methods[], registration_functions[];
int registration_init(PyObject *c_module);

/* layer.c */
extern PyTypeObject *layer_type;
int layer_init(PyObject *c_module);
/* What a layer_forward gives for a module, refreshed, and one input. A new reference. */
PyObject *layer_call(PyObject *forward, PyObject *module, PyObject *input);

/* shortcut.c */
int shortcut_init(PyObject *c_module);

#endif
