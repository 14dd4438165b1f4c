"""Faults that test_table.py finds and that are not mended yet: test -> operator -> what is wrong."""

FAULTS = {
    "test_second_gradient": {
        "polygamma": "its derivatives end at the second (PyTorch's have none)",
        "logcumsumexp": "the gradient takes a constant for a maximum that depends on the input",
    },
}
