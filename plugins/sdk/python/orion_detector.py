"""A detector as its host sees it. This is the module that componentize-py makes a component of; `wit_world` and
`componentize_py_types` are made by it, from the contract."""

import orion_plugin
import plugin  # noqa: F401 (says which class it is)
from componentize_py_types import Err
from orion_plugin.guest import entries_in, entries_out, fields_out, parameters_in
from orion_plugin.runner import DetectorRunner
from wit_world.exports import detector
from wit_world.imports import findings

_SEVERITIES = tuple(findings.Severity)


def _emit(finding):
    findings.emit(
        findings.Finding(
            finding.series,
            None if finding.severity is None else _SEVERITIES[finding.severity],
            finding.timestamp,
            finding.value,
            finding.score,
            finding.message,
            fields_out(findings, finding.fields),
        )
    )


# Of the class below there is one instance for each of its methods, and what they share is here.
_runner = DetectorRunner(orion_plugin.registered("detector"))


class Detector:
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

    def define_series(self, ids, label_counts, text, ends):
        _runner.define(ids, label_counts, text, ends)

    def drop_series(self, ids):
        _runner.drop(ids)

    def observe(self, now, ids, timestamps, values):
        _runner.observe(now, ids, timestamps, values, _emit)

    def checkpoint(self):
        return entries_out(detector, _runner.checkpoint())
