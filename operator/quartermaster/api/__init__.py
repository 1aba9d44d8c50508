"""The custom resources as pydantic models: the contract that users see.

`crds/` is generated from here (`make generate`); a field's docstring is what `kubectl explain`
prints.
"""
