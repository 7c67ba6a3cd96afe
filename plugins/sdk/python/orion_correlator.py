"""A correlator as its host sees it. This is the module that componentize-py makes a component of; `wit_world` and
`componentize_py_types` are made by it, from the contract."""

import orion_plugin
import plugin  # noqa: F401 (says which class it is)
from componentize_py_types import Err
from orion_plugin.guest import entries_in, entries_out, fields_out, parameters_in
from orion_plugin.runner import CorrelatorRunner
from wit_world.exports import correlator
from wit_world.imports import incidents

_SEVERITIES = tuple(incidents.Severity)
_KINDS = tuple(incidents.ChangeKind)


def _emit(change):
    incidents.emit(
        incidents.Change(
            change.key,
            _KINDS[change.kind],
            _SEVERITIES[change.severity],
            change.timestamp,
            change.reason,
            list(change.positions),
            fields_out(incidents, change.fields),
        )
    )


# Of the class below there is one instance for each of its methods, and what they share is here.
_runner = CorrelatorRunner(orion_plugin.registered("correlator"))


class Correlator:
    """The exports of the contract."""

    def configure(self, parameters):
        try:
            _runner.configure(parameters_in(parameters))
        except orion_plugin.Refused as refused:
            raise Err(str(refused)) from None

    def restore(self, version, entries):
        try:
            _runner.restore(version, entries_in(entries))
        except orion_plugin.Refused as refused:
            raise Err(str(refused)) from None

    def correlate(self, now, batch):
        columns = (
            batch.positions,
            batch.timestamps,
            batch.severities,
            batch.statuses,
            batch.fingerprints,
            batch.values,
            batch.label_counts,
            batch.text,
            batch.ends,
        )
        _runner.correlate(now, columns, _emit)

    def checkpoint(self):
        return entries_out(correlator, _runner.checkpoint())
