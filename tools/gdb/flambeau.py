"""Pretty printers for gdb: tensors, values and lists of numbers.

    (gdb) source tools/gdb/flambeau.py
    (gdb) print *t
    $1 = float32[2, 3] cpu, 2 references, requires grad, data = {1, 2, 3, 4, 5, 6}

They read memory alone and call nothing, so they work on a core file too.
"""
import struct

import gdb
import gdb.printing

SHOWN = 8                                                  # elements of a tensor
FLAGS = {2: "requires grad", 8: "inference"}               # enum tensor_flag
FORMATS = {"bool": "?", "uint8": "B", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
           "float16": "e", "float32": "f", "float64": "d"}
DEVICES = {0: "cpu", 1: "cuda", 2: "opencl", 3: "meta"}    # enum fl_device_kind


def numbers(pointer, count):
    return [int(pointer[i]) for i in range(count)]


def dtype_name(value):
    """"float32" of an enum's value: the enumerator without its FL_."""
    for field in gdb.lookup_type("fl_dtype").fields():
        if field.enumval == int(value):
            return field.name.removeprefix("FL_").lower()
    return f"dtype {int(value)}"


def elements(t, dtype, sizes):
    """The first elements in the order of the indices, through the strides."""
    storage = t["storage"]
    if dtype not in FORMATS or not storage or not storage["data"] or int(storage["device"]["kind"]):
        return ""
    strides = numbers(t["strides"], len(sizes))
    layout = "<" + FORMATS[dtype]
    size = struct.calcsize(layout)
    start = int(storage["data"]) + int(t["offset"]) * size
    total, shown = int(t["numel"]), []
    for n in range(min(total, SHOWN)):
        at = start
        for length, stride in zip(reversed(sizes), reversed(strides)):
            at += n % length * stride * size
            n //= length
        value = struct.unpack(layout, gdb.selected_inferior().read_memory(at, size).tobytes())[0]
        shown.append(f"{value:g}" if isinstance(value, float) else str(value))
    return ", data = {" + ", ".join(shown) + (", ...}" if total > SHOWN else "}")


class TensorPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        t = self.value
        sizes = numbers(t["sizes"], int(t["ndim"]))
        dtype = dtype_name(t["dtype"])
        words = [f"{dtype}{sizes}"]
        if t["storage"]:
            words[0] += " " + DEVICES.get(int(t["storage"]["device"]["kind"]), "?")
        else:
            words[0] += " without storage"
        count = int(t["refs"])
        words.append(f"{count} reference{'' if count == 1 else 's'}")
        words += [name for bit, name in FLAGS.items() if int(t["flags"]) & bit]
        if t["base"]:
            words.append("a view")
        return ", ".join(words) + elements(t, dtype, sizes)


class ValuePrinter:
    """An fl_value: what its tag says it holds."""
    MEMBERS = {"FL_BOOLEAN": "i", "FL_INTEGER": "i", "FL_FLOATING": "f", "FL_TENSOR": "tensor",
               "FL_DTYPE": "i", "FL_DEVICE": "device", "FL_STRING": "string",
               "FL_GENERATOR": "generator"}
    LISTS = {"FL_INTS": "ints", "FL_FLOATS": "floats", "FL_TENSORS": "tensors"}

    def __init__(self, value):
        self.value = value

    def to_string(self):
        tag = str(self.value["tag"].cast(gdb.lookup_type("fl_tag")))
        content = self.value["as"]
        if tag in self.MEMBERS:
            return f"{tag} {content[self.MEMBERS[tag]]}"
        if tag in self.LISTS:
            items = content[self.LISTS[tag]]
            count = min(int(self.value["count"]), 64)
            return f"{tag} {{{', '.join(str(items[i]) for i in range(count))}}}"
        return tag


class ListPrinter:
    """fl_ints, fl_floats, fl_tensors: the elements."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        if not self.value["data"]:
            return "none given"
        count = min(int(self.value["count"]), 64)
        return "{" + ", ".join(str(self.value["data"][i]) for i in range(count)) + "}"


def printers():
    found = gdb.printing.RegexpCollectionPrettyPrinter("flambeau")
    found.add_printer("fl_tensor", "^fl_tensor$", TensorPrinter)
    found.add_printer("fl_value", "^fl_value$", ValuePrinter)
    found.add_printer("lists", "^fl_(ints|floats|tensors)$", ListPrinter)
    return found


gdb.printing.register_pretty_printer(gdb.current_objfile(), printers(), replace=True)
