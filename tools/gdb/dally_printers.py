"""Pretty-printers of dally's handles for gdb.

    (gdb) source <prefix>/share/dally/gdb/dally_printers.py
    (gdb) print z
    $1 = lazy<int> add at lesson.cpp:25 = {[0] = increment at lesson.cpp:23, [1] = increment at lesson.cpp:24}

A handle shows the label of its task, where that was wrapped, and the tasks whose results it takes; a literal shows its
value. A key prints
as its name, a dash and 32 digits. Everything is read from memory and debug information: nothing of the program is called, so that core files do.
"""

import re

import gdb
import gdb.printing

ADDRESS_MASK = ~7  # of a dependency: the lowest bits tell how the value is passed
HAS_EXTRAS = 1  # in node::bits_


def symbol_at(address):
    """The demangled symbol that begins at an address, or ''."""
    text = gdb.execute("info symbol %#x" % (int(address)), to_string=True)
    found = re.match(r"(.*?) in section ", text)
    return found.group(1) if found and not re.search(r" \+ \d+$", found.group(1)) else ""


def past_group(text, i):
    """Past the bracket that closes the one at i."""
    depth = 0
    for at in range(i, len(text)):
        if text[at] in "(<[{":
            depth += 1
        elif text[at] in ")]}" or (text[at] == ">" and text[at - 1] != "-"):
            depth -= 1
        if depth == 0:
            return at + 1
    return len(text)


def declared_name(text):
    """The name in a demangled symbol: without return type, parameters and anonymous namespaces."""
    text = text.replace("(anonymous namespace)::", "").replace("[abi:cxx11]", "")
    start = i = 0
    while i < len(text):
        if text.startswith("operator", i):
            end = text.find("(", i + 9)
            return text[start : end if end > 0 else len(text)]
        if text[i] == "(":
            break
        if text[i] == " ":
            start = i + 1
        i = past_group(text, i) if text[i] in "<{[" else i + 1
    return text[start:i]


def text_of(string):
    """The characters of a std::string or std::string_view, whatever library it is of."""
    fields = [field.name for field in string.type.strip_typedefs().fields()]
    if "_M_dataplus" in fields:
        return string["_M_dataplus"]["_M_p"].string(length=int(string["_M_string_length"]), errors="replace")
    if "_M_str" in fields:
        return string["_M_str"].string(length=int(string["_M_len"]), errors="replace")
    return str(string).strip('"')


def void_pointer():
    return gdb.lookup_type("void").pointer()


def word_at(address):
    return int(gdb.Value(address).cast(void_pointer().pointer()).dereference())


class Node:
    """A recorded call or value, read from the memory of a `dally::node`."""

    def __init__(self, address):
        self.address = int(address)
        self.value = gdb.Value(self.address).cast(gdb.lookup_type("dally::node").pointer()).dereference()
        self.kind = self.value["type_"].dereference()

    def dependencies(self):
        first = self.address + self.value.type.sizeof
        return [Node(word_at(first + 8 * i) & ADDRESS_MASK) for i in range(int(self.value["dependency_count_"]))]

    def payload(self):
        alignment = int(self.kind["payload_alignment"])
        end = self.address + self.value.type.sizeof + 8 * int(self.value["dependency_count_"])
        return (end + alignment - 1) & -alignment

    def place(self):
        try:
            place = self.value["place_"]["_M_impl"].dereference()
            return "%s:%d" % (place["_M_file_name"].string().rsplit("/", 1)[-1], int(place["_M_line"]))
        except gdb.error:
            return "an unknown place"

    def given_name(self):
        if not int(self.value["bits_"]) & HAS_EXTRAS:
            return ""
        extras = gdb.Value(word_at(self.address - 8)).cast(gdb.lookup_type("dally::node_extras").pointer())
        return text_of(extras["options"]["name"])

    def is_value(self):
        return int(self.kind["invoke"]) == 0

    def label(self):
        return self.given_name() or self.label_of(symbol_at(self.kind["label"])) or "function"

    def label_of(self, function):
        """What the node_type's function `label` would say."""
        found = re.search(r"literal_label<(.*)>\(", function)
        if found:
            return self.literal(found.group(1))
        if "recorded_again::label" in function:
            return Node(word_at(self.payload())).label()
        if "flattened<" in function:
            return "flatten"
        found = re.search(r"callable_label<(.*)>\(dally::node", function)
        return self.callable(found.group(1).strip()) if found else ""

    def literal(self, type_name):
        try:
            at = gdb.Value(self.payload()).cast(gdb.lookup_type(type_name).pointer())
            return at.dereference().format_string(max_elements=20)
        except gdb.error:
            return type_name

    def callable(self, type_name):
        if re.search(r"\(\*\)\s*\(", type_name):  # a pointer to a function
            return declared_name(symbol_at(word_at(self.payload())))
        if re.search(r"::\*\)\s*\(", type_name):  # to a member function: virtual ones have no address of their own
            address = word_at(self.payload())
            return "" if address & 1 else declared_name(symbol_at(address))
        found = re.match(r"dally::function_constant<(.*)>$", type_name)
        if found:
            return declared_name(re.sub(r"^[(&]+", "", found.group(1)).rstrip(")"))
        if "{lambda(" in type_name or "<lambda(" in type_name or "::$_" in type_name:
            return "lambda"
        try:  # an operator says which it is, where the optimiser has left that in memory
            label = gdb.parse_and_eval("(unsigned long)&'%s::task_label'" % type_name)
            return text_of(gdb.Value(int(label)).cast(gdb.lookup_type("std::string_view").pointer()).dereference())
        except (gdb.error, RuntimeError):
            return declared_name(type_name).replace("dally::detail::", "")

    def summary(self):
        if self.is_value():
            return "value %s" % self.label()
        return "%s at %s" % (self.label(), self.place())


class NodePrinter:
    """A node: what it is called, and the nodes that it takes results of."""

    def __init__(self, value):
        self.nodes = []
        self.node = Node(value.address) if value.address is not None else None

    def prefix(self):
        return ""

    def to_string(self):
        if self.node is None:
            return self.prefix() + "(empty)"
        return self.prefix() + self.node.summary()

    def children(self):
        if self.node is None:
            return
        pointer = gdb.lookup_type("dally::node").const().pointer()
        for i, dependency in enumerate(self.node.dependencies()):
            yield "[%d]" % i, gdb.Value(dependency.address).cast(pointer)


class LazyPrinter(NodePrinter):
    def __init__(self, value):
        self.type = value.type.strip_typedefs().unqualified()
        address = int(value["node_"]["node_"])
        self.node = Node(address) if address != 0 else None

    def prefix(self):
        return re.sub(r"^dally::", "", str(self.type)) + " "


class NodePointerPrinter:
    """The summary alone: a graph's picture would not end otherwise."""

    def __init__(self, value):
        self.address = int(value)

    def to_string(self):
        return Node(self.address).summary() if self.address != 0 else "(no node)"


class KeyPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "%s-%016x%016x" % (text_of(self.value["name_"]), int(self.value["high_"]), int(self.value["low_"]))


class Printers(gdb.printing.PrettyPrinter):
    def __init__(self):
        super().__init__("dally")

    def __call__(self, value):
        kind = value.type.strip_typedefs().unqualified()
        if kind.code == gdb.TYPE_CODE_PTR:
            return NodePointerPrinter(value) if kind.target().unqualified().name == "dally::node" else None
        if kind.code == gdb.TYPE_CODE_STRUCT and kind.name is not None:
            if re.match(r"dally::lazy<.*>$", kind.name):
                return LazyPrinter(value)
            if kind.name == "dally::key":
                return KeyPrinter(value)
            if kind.name == "dally::node":
                return NodePrinter(value)
        return None


gdb.printing.register_pretty_printer(None, Printers(), replace=True)
