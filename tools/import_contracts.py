"""An import-linter contract of our own: which third-party packages a part of the code may import."""

import sys
from collections.abc import Iterable

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ThirdPartyContract(Contract):
    """Modules of `source_packages` import the standard library, our own code, and `allowed` — nothing else.

    import-linter's `forbidden` contract names what is banned; this one names what is allowed, so that a
    new dependency in the pure core is a decision and not an accident.
    """

    type_name = "third_party"

    source_packages = fields.ListField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        allowed: set[str] = set(self.allowed or ())  # pyright: ignore[reportGeneralTypeIssues]
        packages: Iterable[str] = self.source_packages  # pyright: ignore[reportAssignmentType]
        broken = [
            (module, imported)
            for package in packages
            for module in sorted({package, *graph.find_descendants(package)})
            for imported in sorted(graph.find_modules_directly_imported_by(module))
            if graph.is_module_squashed(imported)  # a third party's: only its root is in the graph
            and imported not in allowed
            and imported.partition(".")[0] not in sys.stdlib_module_names
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for module, imported in check.metadata["broken"]:
            output.print_error(f"{module} is not allowed to import {imported}")
            output.new_line()
