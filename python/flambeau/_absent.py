"""What a module says of a name that it does not have."""


def absent(module):
    """The __getattr__ of the module of that name: AttributeError, whatever is asked for."""
    torch = "torch" + module.removeprefix("flambeau")

    def refuse(name):
        if name.startswith("__"):
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        raise AttributeError(f"Flambeau has no {torch}.{name} yet")

    return refuse
