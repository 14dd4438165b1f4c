/* Calls from Python to operators: one parser, driven by the operators' parameters, for every
 * function and method.
 *
 * The generated stubs hand over the tuple of overloads that share a name; the first whose
 * parameters fit is called. PyTorch's leniences: ints where floats are wanted, sizes as varargs,
 * one int for int[N], tensors of no dimension as numbers, NumPy's numbers, `input` for self,
 * NumPy's keywords (axis, keepdims).
 */
#ifndef FLAMBEAU_PYTHON_ARGUMENTS_H
#define FLAMBEAU_PYTHON_ARGUMENTS_H

#include "python/python.h"

struct python_name {
    const char *name;
    int count;
    const fl_op *const *overloads;
    const char *home;   /* where Python finds it: overrides.h */
    const char *called; /* in errors: "linalg_inv" */
};

/* A namespace of operators, and where pickle looks for them: _C._linalg. The list ends in zeros. */
struct python_space {
    const char *name, *module;
    PyMethodDef *functions;
};
extern const struct python_space ops_spaces[];

PyObject *arguments_call_method(const struct python_name *name, PyObject *self,
                                PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *arguments_call_function(const struct python_name *name, PyObject *const *args,
                                  Py_ssize_t nargs, PyObject *kwnames);
/* varargs.c: the same where Python's function takes tensors one by one; one by one or in one list;
 * or one tensor, or several, of which each gives a result. */
PyObject *arguments_call_varargs(const struct python_name *name, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *kwnames);
PyObject *arguments_call_varargs_or_list(const struct python_name *name, PyObject *const *args,
                                         Py_ssize_t nargs, PyObject *kwnames);
PyObject *arguments_call_each(const struct python_name *name, PyObject *const *args,
                              Py_ssize_t nargs, PyObject *kwnames);
/* The same where PyTorch's function takes `inplace` behind the parameters: a truth value that
 * chooses the form that writes. */
PyObject *arguments_call_inplace(const struct python_name *name, const struct python_name *writing,
                                 PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* The parameter called self, which a method's caller does not write; -1: none. */
static inline int arguments_self(const fl_op *op)
{
    for (int i = 0; i < op->params; i++) { /* mostly the first: without a call of strcmp */
        const char *name = op->param[i].name;
        if (name[0] == 's' && name[1] == 'e' && name[2] == 'l' && name[3] == 'f' && !name[4])
            return i;
    }
    return -1;
}

enum { ARGUMENTS_MAX = 32, ARGUMENTS_INLINE = 64 };

/* What one call's arguments become. Lists stand in `words`, or in blocks of `more` when they are
 * long. */
struct arguments {
    fl_value value[ARGUMENTS_MAX + 4];
    PyObject *given[ARGUMENTS_MAX]; /* borrowed; NULL where the default holds */
    PyObject *out;
    bool requires_grad;
    bool wide;  /* a number was an int beyond int64: arguments.c says what becomes of it */
    bool shown; /* a class or a mode wants to see the call: overrides.h */
    int used;
    struct arguments_block *more;
    struct arguments_list *lists; /* of tensors, each held: Python code may change where they are */
    int64_t words[ARGUMENTS_INLINE];
};

/* Why an overload did not fit. */
enum mismatch_kind {
    MISMATCH_TOO_MANY, /* positional arguments */
    MISMATCH_MISSING,  /* parameter `param` has no value */
    MISMATCH_TYPE,     /* parameter `param` was given `object` */
    MISMATCH_KEYWORD,  /* `object` names no parameter */
    MISMATCH_TWICE     /* `object` names a parameter that has a value */
};
struct mismatch {
    int kind, param;
    Py_ssize_t position; /* of the argument, from 0; -1: by keyword */
    PyObject *object;
};

/* values.c: one Python value as a parameter's type. 1; 0: it does not fit; -1 with an exception.
 * `position` is for messages. */
int values_from(struct arguments *a, const char *name, const struct op_param *param, PyObject *o,
                Py_ssize_t position, fl_value *out);
/* count ints in a row that are not in a sequence (x.view(2, 8)). */
int values_from_ints(struct arguments *a, const char *name, const struct op_param *param,
                     PyObject *const *args, Py_ssize_t count, fl_value *out);
/* So many tensors of a list, NULL for now: who sets one gives its reference away. NULL with an
 * exception. */
fl_tensor **values_list(struct arguments *a, Py_ssize_t count);
/* Drops what the values hold. */
void values_release(struct arguments *a);

/* mismatch.c: the TypeError for a call that fits no overload; always NULL. `why` has one entry an
 * overload. old: PyTorch has deprecated ones besides. */
enum { OVERLOADS_MAX = 16 };
PyObject *mismatch_raise(const struct python_name *name, const struct mismatch *why, bool method,
                         bool old, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* "(Tensor input, Tensor other, *, Number alpha = 1)", cut where it does not fit. */
void mismatch_signature(char *text, size_t size, const fl_op *op, bool method);
/* old_overloads.c: arguments of an overload that PyTorch has deprecated as those of today's, `names`
 * owned by the caller. 1; 0: they are none; -1 with an exception. */
enum { OLD_ARGUMENTS = 6 };
struct old_arguments {
    Py_ssize_t positional;
    PyObject *args[OLD_ARGUMENTS], *names;
};
int old_overloads_arrange(const struct python_name *name, bool method, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames, struct old_arguments *a);
/* Whether a function of that name has such an overload. */
bool old_overloads_has(const char *name);

/* results.c: what a call returns. Takes over the references in `results`. */
PyObject *results_wrap(const fl_op *op, fl_value *results);
/* The type of what an operator of that name returns where its results have names, else None. */
PyObject *results_type(PyObject *module, PyObject *name);

/* Calls the operator with a's values, without the GIL where it is long. */
int arguments_run(const fl_op *op, struct arguments *a, fl_value *results);

#endif
