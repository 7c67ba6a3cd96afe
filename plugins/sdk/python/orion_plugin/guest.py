"""Values on their way between the contract's types and Python's. Both interfaces of the contract repeat these types, so the
module that holds them is a parameter."""

from .parameters import Parameters


def parameters_in(given):
    """Parameters, as the host hands them over."""
    return Parameters((parameter.name, parameter.value.value) for parameter in given)


def entries_in(entries):
    """Saved state, as the host hands it over."""
    return [(entry.key, entry.value) for entry in entries]


def entries_out(types, entries):
    """Saved state, as the host takes it."""
    return [types.Entry(key, value) for key, value in entries]


def fields_out(types, fields):
    """Facts, as the host takes them."""
    cases = {str: types.Scalar_Text, float: types.Scalar_Number, int: types.Scalar_Integer, bool: types.Scalar_Flag}
    return [types.Field(name, cases[type(value)](value)) for name, value in fields.items()]
