/* Python functions as hooks. Each function returns a handle with remove(), or NULL with an
 * exception. */
#ifndef FLAMBEAU_PYTHON_CALLBACKS_H
#define FLAMBEAU_PYTHON_CALLBACKS_H

#include "python/python.h"

PyObject *callbacks_add_tensor(fl_tensor *t, PyObject *function);
PyObject *callbacks_add_leaf(fl_tensor *t, PyObject *function);
PyObject *callbacks_add_node(struct node *n, bool before, PyObject *function);
/* For the collector: visits the functions of these hooks that are Python's; takes them away. */
int callbacks_visit(struct grad_hooks *hooks, visitproc visit, void *arg);
void callbacks_clear(struct grad_hooks *hooks);
int callbacks_init(void);

/* function_arguments.c: what apply was given in the order of forward's parameters, a new tuple. A class
 * with a setup_context of its own sees defaults too. */
PyObject *function_arguments(PyObject *class, bool by_setup, PyObject *args, PyObject *kwargs);
/* Whether a call under vmap is no plain one: its class has a rule, or an argument that asks for a
 * gradient lacks a lane of another's; and that call. */
bool function_needs_batch(PyObject *class, PyObject *args);
PyObject *function_apply_batch(PyObject *class, PyObject *args);

/* interposers.c: switches of autocast and of the profiler. */
extern PyMethodDef interposer_functions[];
/* transforms.c: what torch.func and forward_ad are made of. */
extern PyMethodDef transform_functions[];
/* saved_hooks.c: who packs what nodes save. */
extern PyMethodDef saved_hook_functions[];

#endif
