/* Registration in modules: what assignment, deletion and the register_ methods do with parameters,
 * buffers and children.
 *
 * A name is in at most one of __dict__, `_parameters`, `_buffers` and `_modules`: an assignment of
 * another kind of value moves it. The checks, their order and their words are PyTorch's. */
#include <assert.h>
#include <string.h>

#include "python/module/module.h"

#include "core/advice.h"
#include "python/tensor/tensor_object.h"

static PyObject *extension;
static PyTypeObject *tensor_type, *parameter_type;
static PyObject *buffer_type;
static PyObject *s_register_parameter, *s_register_buffer;

/* ---- Errors ---------------------------------------------------------------------------------- */

/* torch.typename(value): 'torch.FloatTensor' for a tensor, else the full name of the value or of
 * its type. */
static PyObject *name_of_type(PyObject *value)
{
    if (tensor_type && PyObject_TypeCheck(value, tensor_type))
        return PyObject_CallMethod(value, "type", NULL);
    PyObject *type = (PyObject *)Py_TYPE(value);
    PyObject *named = PyObject_HasAttrString(value, "__qualname__") ? value : type;
    PyObject *module = PyObject_GetAttrString(named, "__module__"), *text = NULL;
    PyObject *name =
        module
            ? PyObject_GetAttrString(named, PyCFunction_Check(value) ? "__name__" : "__qualname__")
            : NULL;
    if (name && PyUnicode_Check(module) && PyUnicode_CompareWithASCIIString(module, "builtins")) {
        PyObject *home = PyObject_CallMethod(module, "replace", "ssi", "flambeau", "torch", 1);
        text = home ? PyUnicode_FromFormat("%U.%S", home, name) : NULL;
        Py_XDECREF(home);
    } else if (name) {
        text = PyObject_Str(name);
    }
    Py_XDECREF(module);
    Py_XDECREF(name);
    return text;
}

/* Raises kind with a format of exactly two %U: the value's type name, and name. Returns -1. */
static int refuse(PyObject *kind, const char *format, PyObject *value, PyObject *name)
{
    PyObject *type = name_of_type(value);
    if (type)
        PyErr_Format(kind, format, type, name);
    Py_XDECREF(type);
    return -1;
}

/* Checks a name to register: a string, without '.', not empty, not an attribute that is something
 * else. what is "parameter", "buffer" or "module"; taken the dictionary where the name may already
 * be. Returns 0 or -1. */
static int check_name(PyObject *self, const char *what, PyObject *name, PyObject *taken)
{
    if (!PyUnicode_Check(name)) {
        PyObject *type = name_of_type(name);
        if (type)
            PyErr_Format(PyExc_TypeError, "%s name should be a string. Got %U", what, type);
        Py_XDECREF(type);
        return -1;
    }
    Py_ssize_t length = PyUnicode_GetLength(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, length, 1);
    if (dot == -2)
        return -1;
    if (dot >= 0)
        PyErr_Format(PyExc_KeyError,
                     *what == 'm' ? "%s name can't contain \".\", got: %U"
                                  : "%s name can't contain \".\"",
                     what, name);
    else if (length == 0)
        PyErr_Format(PyExc_KeyError, "%s name can't be empty string \"\"", what);
    else if (!module_item(taken, name) && PyObject_HasAttr(self, name))
        PyErr_Format(PyExc_KeyError, "attribute '%U' already exists", name);
    return PyErr_Occurred() ? -1 : 0;
}

static void __attribute__((cold)) hint_of_init(void)
{
    raise_hint("call super().__init__() first in the module's __init__.",
               "模块还没有初始化：请在它的 __init__ 第一行调用 super().__init__()。");
}

/* ---- Types that Python defines --------------------------------------------------------------- */

static int find_types(void)
{
    if (parameter_type)
        return 0;
    PyObject *module = PyImport_ImportModule("flambeau.nn.parameter");
    PyObject *tensor = module ? PyObject_GetAttrString(extension, "Tensor") : NULL;
    PyObject *buffer = tensor ? PyObject_GetAttrString(module, "Buffer") : NULL;
    PyObject *parameter = buffer ? PyObject_GetAttrString(module, "Parameter") : NULL;
    Py_XDECREF(module);
    if (parameter && PyType_Check(tensor) && PyType_Check(parameter)) {
        tensor_type = (PyTypeObject *)tensor;
        buffer_type = buffer;
        parameter_type = (PyTypeObject *)parameter;
        return 0;
    }
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "Tensor and Parameter must be types");
    Py_XDECREF(tensor);
    Py_XDECREF(buffer);
    Py_XDECREF(parameter);
    return -1;
}

/* A Parameter, or an instance of a tensor's subclass that Parameter marked. */
static bool is_parameter(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    return PyType_IsSubtype(type, parameter_type) ||
           (type != tensor_type && PyType_IsSubtype(type, tensor_type) &&
            PyObject_IsInstance(value, (PyObject *)parameter_type) > 0);
}

static bool is_module(PyObject *value)
{
    return PyObject_TypeCheck(value, (PyTypeObject *)module_type);
}

/* A tensor, or what takes part in its dispatch. */
static bool is_tensor_like(PyObject *value)
{
    return PyObject_TypeCheck(value, tensor_type) ||
           PyObject_HasAttrString(value, "__torch_function__");
}

/* ---- Registration ---------------------------------------------------------------------------- */

/* An OrderedDict keeps its order beside the table: it must be written through its own methods. */
static int item_set(PyObject *dict, PyObject *name, PyObject *value)
{
    assert(PyDict_Check(dict));
    return PyDict_CheckExact(dict) ? PyDict_SetItem(dict, name, value)
                                   : PyObject_SetItem(dict, name, value);
}

/* Takes a name out of a dictionary that may be NULL. Returns 1 if it was there, 0 if not, -1. */
static int item_drop(PyObject *dict, PyObject *name)
{
    assert(PyDict_Check(dict));
    if (!module_item(dict, name))
        return PyErr_Occurred() ? -1 : 0;
    int failed =
        PyDict_CheckExact(dict) ? PyDict_DelItem(dict, name) : PyObject_DelItem(dict, name);
    return failed ? -1 : 1;
}

/* Lets the hooks of one kind see, and replace, a value on its way in. The caller owns *value. */
static int pass_hooks(enum module_hooks kind, PyObject *self, PyObject *name, PyObject **value)
{
    assert(value && *value);
    if (PyDict_Size(module_shared_hooks[kind]) == 0)
        return 0;
    PyObject *hooks = PyMapping_Values(module_shared_hooks[kind]);
    int status = hooks ? 0 : -1;
    for (Py_ssize_t i = 0; !status && i < PyList_Size(hooks); i++) {
        PyObject *hook = PyList_GetItem(hooks, i);
        PyObject *result = PyObject_CallFunctionObjArgs(hook, self, name, *value, NULL);
        if (!result)
            status = -1;
        if (result && result != Py_None) {
            Py_DECREF(*value);
            *value = Py_NewRef(result);
        }
        Py_XDECREF(result);
    }
    Py_XDECREF(hooks);
    return status;
}

/* Passes the hooks and stores. */
static int enter(enum module_hooks kind, PyObject *self, PyObject *dict, PyObject *name,
                 PyObject *value)
{
    assert(kind < MODULE_HOOKS && PyDict_Check(dict));
    Py_INCREF(dict);
    Py_INCREF(value);
    int status = pass_hooks(kind, self, name, &value);
    if (!status)
        status = item_set(dict, name, value);
    Py_DECREF(value);
    Py_DECREF(dict);
    return status;
}

static int add_parameter(struct module_object *self, PyObject *name, PyObject *value)
{
    PyObject *op = (PyObject *)self;
    module_refresh(self);
    if (!self->parameters) {
        PyErr_SetString(PyExc_AttributeError,
                        "cannot assign parameter before Module.__init__() call");
        hint_of_init();
        return -1;
    }
    if (check_name(op, "parameter", name, self->parameters))
        return -1;
    if (value == Py_None)
        return item_set(self->parameters, name, value);
    if (!is_parameter(value))
        return refuse(PyExc_TypeError,
                      "cannot assign '%U' object to parameter '%U' "
                      "(torch.nn.Parameter or None required)",
                      value, name);
    PyObject *grad_fn = PyObject_GetAttrString(value, "grad_fn");
    if (!grad_fn)
        return -1;
    Py_DECREF(grad_fn);
    if (grad_fn != Py_None) {
        PyErr_Format(PyExc_ValueError,
                     "Cannot assign non-leaf Tensor to parameter '%U'. Model parameters must be "
                     "created explicitly. To express '%U' as a function of another Tensor, compute "
                     "the value in the forward() method.",
                     name, name);
        return -1;
    }
    return enter(ON_PARAMETER, op, self->parameters, name, value);
}

static int add_buffer(struct module_object *self, PyObject *name, PyObject *value, bool persistent)
{
    PyObject *op = (PyObject *)self;
    module_refresh(self);
    if (!self->buffers) {
        PyErr_SetString(PyExc_AttributeError, "cannot assign buffer before Module.__init__() call");
        hint_of_init();
        return -1;
    }
    if (check_name(op, "buffer", name, self->buffers))
        return -1;
    if (value != Py_None && !is_tensor_like(value))
        return refuse(PyExc_TypeError,
                      "cannot assign '%U' object to buffer '%U' (torch Tensor or None required)",
                      value, name);
    if (enter(ON_BUFFER, op, self->buffers, name, value))
        return -1;
    PyObject *left_out = module_entry(self, NON_PERSISTENT);
    if (!left_out)
        return PyErr_Occurred() ? -1 : 0;
    return persistent ? (PySet_Discard(left_out, name) < 0 ? -1 : 0) : PySet_Add(left_out, name);
}

static PyObject *register_parameter(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "param", NULL};
    PyObject *name, *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:register_parameter", names, &name, &value) ||
        find_types())
        return NULL;
    if (add_parameter((struct module_object *)self, name, value))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *register_buffer(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "tensor", "persistent", NULL};
    PyObject *name, *value;
    int persistent = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p:register_buffer", names, &name, &value,
                                     &persistent) ||
        find_types())
        return NULL;
    if (add_buffer((struct module_object *)self, name, value, persistent))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *add_module(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "module", NULL};
    struct module_object *self = (struct module_object *)op;
    PyObject *name, *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:add_module", names, &name, &value) ||
        find_types())
        return NULL;
    module_refresh(self);
    if (value != Py_None && !is_module(value)) {
        refuse(PyExc_TypeError, "%U is not a Module subclass", value, name);
        return python_is_sequence(value)
                   ? raise_hint(
                         "a list of layers: unpack it, nn.Sequential(*layers), or keep it in "
                         "nn.ModuleList(layers).",
                         "传入的是层的列表：请展开：nn.Sequential(*layers)，"
                         "或用 nn.ModuleList(layers)。")
                   : raise_hint(
                         "only modules can be layers: for a function take its module (nn.ReLU() "
                         "for F.relu), for a class make an object (nn.ReLU()).",
                         "这里只接受模块：若传入的是函数，请改用对应的模块"
                         "（F.relu 对应 nn.ReLU()）；若传入的是类，请加括号建立对象。");
    }
    if (!self->modules) {
        module_no_attribute(op, module_entry_names[MODULES]);
        return NULL;
    }
    if (check_name(op, "module", name, self->modules) ||
        enter(ON_MODULE, op, self->modules, name, value))
        return NULL;
    Py_RETURN_NONE;
}

/* ---- Assignment ------------------------------------------------------------------------------ */

/* Takes a name out of wherever it is but keep, so that a value of another kind can have it. */
static int make_room(struct module_object *self, PyObject *name, PyObject *keep)
{
    PyObject *places[] = {self->dict, self->parameters, self->buffers, self->modules};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] != keep && item_drop(places[i], name) < 0)
            return -1;
    PyObject *left_out = module_entry(self, NON_PERSISTENT);
    return left_out && PySet_Discard(left_out, name) < 0 ? -1 : 0;
}

/* Whether the class has a method of its own in place of the base's. */
static int overridden(PyObject *self, PyObject *method)
{
    PyObject *ours = PyObject_GetAttr(module_type, method);
    PyObject *theirs = ours ? PyObject_GetAttr((PyObject *)Py_TYPE(self), method) : NULL;
    int result = theirs ? theirs != ours : -1;
    Py_XDECREF(ours);
    Py_XDECREF(theirs);
    return result;
}

static int assign_parameter(struct module_object *self, PyObject *name, PyObject *value)
{
    int own = overridden((PyObject *)self, s_register_parameter);
    if (own <= 0)
        return own ? -1 : add_parameter(self, name, value);
    PyObject *result =
        PyObject_CallMethodObjArgs((PyObject *)self, s_register_parameter, name, value, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* A value for a name that is a buffer's, or a Buffer for any name. */
static int assign_buffer(struct module_object *self, PyObject *name, PyObject *value, bool marked)
{
    if (value != Py_None && !is_tensor_like(value))
        return refuse(PyExc_TypeError,
                      "cannot assign '%U' as buffer '%U' "
                      "(torch.nn.Buffer, torch.Tensor or None expected)",
                      value, name);
    int persistent;
    if (marked) {
        PyObject *mark = PyObject_GetAttrString(value, "persistent");
        persistent = mark ? PyObject_IsTrue(mark) : -1;
        Py_XDECREF(mark);
    } else {
        PyObject *left_out = module_entry(self, NON_PERSISTENT);
        int out = left_out ? PySet_Contains(left_out, name) : 0;
        persistent = out < 0 ? -1 : !out;
    }
    int own = persistent < 0 ? -1 : overridden((PyObject *)self, s_register_buffer);
    if (own <= 0)
        return own ? -1 : add_buffer(self, name, value, persistent);
    /* A register_buffer of the subclass's may know nothing of `persistent`: it is told only what is
     * not usual. */
    PyObject *result = PyObject_CallMethodObjArgs((PyObject *)self, s_register_buffer, name, value,
                                                  persistent ? NULL : Py_False, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int assign_module(struct module_object *self, PyObject *name, PyObject *value)
{
    if (!self->modules) {
        PyErr_SetString(PyExc_AttributeError, "cannot assign module before Module.__init__() call");
        hint_of_init();
        return -1;
    }
    if (make_room(self, name, self->modules))
        return -1;
    return enter(ON_MODULE, (PyObject *)self, self->modules, name, value);
}

/* How many lists, tuples and dicts were assigned to modules; they may hold layers. */
static unsigned long long lists_assigned;

/* Whether there may be layers in lists below a module that nobody looked for. */
static PyObject *lists_to_check(PyObject *c_module, PyObject *op)
{
    enum {
        MOST_LOOKS = 3
    }; /* of one module: a list assigned in each forward is not asked for ever */
    (void)c_module;
    if (!PyObject_TypeCheck(op, (PyTypeObject *)module_type))
        Py_RETURN_FALSE;
    struct module_object *self = (struct module_object *)op;
    if (self->lists_seen == lists_assigned || self->looks >= MOST_LOOKS)
        Py_RETURN_FALSE;
    self->lists_seen = lists_assigned;
    self->looks++;
    Py_RETURN_TRUE;
}

PyMethodDef registration_functions[] = {
    {"_lists_to_check", lists_to_check, METH_O,
     "_lists_to_check(module): whether layers may be in Python's lists below it."},
    {0},
};

/* Whether the class is the library's, and not the program's, whose attributes have a meaning there. */
static bool is_of_library(struct module_object *self)
{
    PyObject *home = PyObject_GetAttrString((PyObject *)self, "__module__");
    const char *text = home && PyUnicode_Check(home) ? PyUnicode_AsUTF8AndSize(home, NULL) : NULL;
    bool is = text && (!strncmp(text, "flambeau.nn.", 12) || !strncmp(text, "torch.nn.", 9));
    Py_XDECREF(home);
    PyErr_Clear();
    return is;
}

/* Advises on module.requires_grad = False and layer.trainable = False, attributes that nobody reads,
 * and on module.train = False, which hides the method. -1 where the warning is an exception. */
static int advise_of_name(struct module_object *self, PyObject *name)
{
    static struct advice advice = {
        .name = "requires_grad_of_module",
        .english = "requires_grad is set as an attribute of a module: nothing reads it, and its "
                   "parameters are trained as before.\n"
                   "hint: freeze all its parameters by module.requires_grad_(False), with an "
                   "underscore and brackets.",
        .chinese = "requires_grad 被设成了模块的属性：没有代码会读取它，它的参数照样参与训练。\n"
                   "提示：冻结它的全部参数请写 module.requires_grad_(False)，带下划线和括号。"};
    static struct advice foreign = {
        .name = "trainable_of_module",
        .english = "trainable is set as an attribute of a layer: nothing here reads it, and its "
                   "parameters are trained as before.\n"
                   "hint: freeze all its parameters by layer.requires_grad_(False).",
        .chinese = "trainable 被设成了层的属性：这里没有代码会读取它，它的参数照样参与训练。\n"
                   "提示：冻结它的全部参数请写 layer.requires_grad_(False)。"};
    static struct advice method = {
        .name = "mode_as_attribute",
        .english =
            "The name of a method, train or eval, is given a truth value: the mode stays as it "
            "is, and the method cannot be called any more.\n"
            "hint: call the method: model.train() to train, model.eval() to predict.",
        .chinese = "把真假值赋给了方法名 train 或 eval：模式没有改变，而且方法再也不能调用。\n"
                   "提示：请调用方法：训练用 model.train()，预测用 model.eval()。"};
    int status = 0;
    if (PyUnicode_CompareWithASCIIString(name, "requires_grad") == 0)
        status = advice_give(&advice);
    else if (PyUnicode_CompareWithASCIIString(name, "trainable") == 0)
        status = is_of_library(self) ? advice_give(&foreign) : 0;
    else if (PyUnicode_CompareWithASCIIString(name, "train") == 0 ||
             PyUnicode_CompareWithASCIIString(name, "eval") == 0)
        status = advice_give(&method);
    if (status)
        raise_error();
    return status ? -1 : 0;
}

/* Any other value: an attribute like that of every object. NULL deletes it. */
static int assign_plain(struct module_object *self, PyObject *name, PyObject *value)
{
    bool list = value &&
                (PyList_CheckExact(value) || PyDict_CheckExact(value) || PyTuple_CheckExact(value));
    if (list || (value && pytensor_check(value) && tensor_requires_grad(pytensor_get(value))))
        lists_assigned++;
    if (PyUnicode_Check(name) && PyUnicode_GetLength(name)) {
        Py_UCS4 first = PyUnicode_ReadChar(name, 0);
        if (first == '_')
            module_forget(self);
        else if (value && (first == 'r' || first == 't' || first == 'e') && PyBool_Check(value) &&
                 advise_of_name(self, name))
            return -1;
    }
    return PyObject_GenericSetAttr((PyObject *)self, name, value);
}

static int assign(struct module_object *self, PyObject *name, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    module_refresh(self);
    if (is_parameter(value)) {
        if (!self->parameters) {
            PyErr_SetString(PyExc_AttributeError,
                            "cannot assign parameters before Module.__init__() call");
            return -1;
        }
        return make_room(self, name, self->parameters) ? -1 : assign_parameter(self, name, value);
    }
    if (module_item(self->parameters, name)) {
        if (value != Py_None) {
            refuse(PyExc_TypeError,
                   "cannot assign '%U' as parameter '%U' "
                   "(torch.nn.Parameter or None expected)",
                   value, name);
            raise_hint("a parameter is replaced by a parameter: layer.weight = "
                       "nn.Parameter(value); or its values are changed: with torch.no_grad(): "
                       "layer.weight.copy_(value).",
                       "参数只能换成参数：layer.weight = nn.Parameter(value)；或只改变它的值："
                       "with torch.no_grad(): layer.weight.copy_(value)。");
            return -1;
        }
        return assign_parameter(self, name, value);
    }
    if (is_module(value))
        return assign_module(self, name, value);
    if (module_item(self->modules, name)) {
        if (value != Py_None)
            return refuse(PyExc_TypeError,
                          "cannot assign '%U' as child module '%U' "
                          "(torch.nn.Module or None expected)",
                          value, name);
        return enter(ON_MODULE, (PyObject *)self, self->modules, name, value);
    }
    int marked = PyType_IsSubtype(type, tensor_type) ? PyObject_IsInstance(value, buffer_type) : 0;
    if (marked > 0 || module_item(self->buffers, name))
        return assign_buffer(self, name, value, marked);
    return marked < 0 || PyErr_Occurred() ? -1 : assign_plain(self, name, value);
}

static PyObject *module_setattr(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "expected 2 arguments, got %zd", count);
        return NULL;
    }
    if (find_types() || assign((struct module_object *)self, args[0], args[1]))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *module_delattr(PyObject *op, PyObject *name)
{
    struct module_object *self = (struct module_object *)op;
    module_refresh(self);
    if (!self->parameters) {
        module_no_attribute(op, module_entry_names[PARAMETERS]);
        return NULL;
    }
    int found = item_drop(self->parameters, name);
    if (!found && (found = item_drop(self->buffers, name)) > 0) {
        PyObject *left_out = module_entry(self, NON_PERSISTENT);
        if (left_out && PySet_Discard(left_out, name) < 0)
            return NULL;
    }
    if (!found)
        found = item_drop(self->modules, name);
    if (found < 0 || (!found && assign_plain(self, name, NULL)))
        return NULL;
    Py_RETURN_NONE;
}

PyMethodDef registration_methods[] = {
    {"__setattr__", (PyCFunction)(void (*)(void))module_setattr, METH_FASTCALL, NULL},
    {"__delattr__", module_delattr, METH_O, NULL},
    {"register_parameter", (PyCFunction)(void (*)(void))register_parameter,
     METH_VARARGS | METH_KEYWORDS,
     "register_parameter($self, name, param)\n--\n\n"
     "Adds a Parameter, or None, under a name without dots."},
    {"register_buffer", (PyCFunction)(void (*)(void))register_buffer, METH_VARARGS | METH_KEYWORDS,
     "register_buffer($self, name, tensor, persistent=True)\n--\n\n"
     "Adds a tensor, or None, that moves and is saved with the module but is not trained; "
     "state_dict leaves it out where persistent is False."},
    {"add_module", (PyCFunction)(void (*)(void))add_module, METH_VARARGS | METH_KEYWORDS,
     "add_module($self, name, module)\n--\n\n"
     "Adds a child module, or None, under a name without dots."},
    {"register_module", (PyCFunction)(void (*)(void))add_module, METH_VARARGS | METH_KEYWORDS,
     "register_module($self, name, module)\n--\n\nAnother name of add_module."},
    {0},
};

int registration_init(PyObject *c_module)
{
    extension = Py_NewRef(c_module);
    s_register_parameter = PyUnicode_InternFromString("register_parameter");
    s_register_buffer = PyUnicode_InternFromString("register_buffer");
    return s_register_parameter && s_register_buffer ? 0 : -1;
}
